"""The bijections of a package: its modules and transforms that go both ways."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn
from torch.distributions import Transform

from invbench.adapters.conventions.names import FLAGS, PAIRS
from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.registry import COUPLINGS, LAYERS
from invbench.targets import resolve

__all__ = ["Candidate", "candidates", "tried"]

KINDS = ("coupling", "layer")
BOTH_WAYS = [pair for pair in PAIRS if pair != ("forward", "sample")]


@dataclass(frozen=True)
class Candidate:
    """A target string, the first line of its docstring, and why it cannot be tested as it is.
    ``needs``: the arguments that its constructor lacks. ``shapeless``: the shape of its inputs is
    not found."""

    spec: str
    summary: str
    problem: str = ""
    needs: tuple[str, ...] = ()

    @property
    def shapeless(self) -> bool:
        return not self.needs and "event shape" in self.problem


def candidates(package: str) -> tuple[list[Candidate], list[str]]:
    """(the candidates of a package and its submodules, a line for each module that cannot be
    imported). Each candidate is built once. Raises ``UsageError`` when the package itself cannot
    be imported."""
    modules, problems = _modules(package)
    found = {spec: obj for module in modules for spec, obj in _bijections(module)}
    return [_candidate(spec, obj) for spec, obj in sorted(found.items())], problems


def tried(spec: str, event_shape: Any = None) -> str:
    """Why the target cannot be tested; empty when it can."""
    try:
        resolve(spec, KINDS, {"event_shape": event_shape})
    except UsageError as error:
        return str(error)
    return ""


def _modules(package: str) -> tuple[list[ModuleType], list[str]]:
    try:
        root = importlib.import_module(package)
    except Exception as error:  # a stranger's package may raise anything
        raise UsageError(f"cannot import {package}: {type(error).__name__}: {error}") from error
    modules, problems = [root], []
    paths = getattr(root, "__path__", [])
    for info in pkgutil.walk_packages(paths, f"{package}.", onerror=lambda name: None):
        if info.name.rpartition(".")[2] == "__main__":
            continue
        try:
            modules.append(importlib.import_module(info.name))
        except (Exception, SystemExit) as error:
            problems.append(f"{info.name} cannot be imported ({type(error).__name__}: {error})")
    return modules, problems


def _bijections(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """(target string, object) of what this module itself defines."""
    for registry in (COUPLINGS, LAYERS):
        for entry in registry.values():
            if getattr(entry.obj, "__module__", None) == module.__name__:
                yield f"{module.__name__}:{entry.name}", entry.obj
    registered = {id(e.obj) for registry in (COUPLINGS, LAYERS) for e in registry.values()}
    for name, obj in vars(module).items():
        own = inspect.isclass(obj) and obj.__module__ == module.__name__
        if own and id(obj) not in registered and not name.startswith("_") and _goes_both_ways(obj):
            yield f"{module.__name__}:{name}", obj


def _goes_both_ways(cls: type) -> bool:
    if inspect.isabstract(cls):
        return False
    if issubclass(cls, Transform):
        return all(_defines(cls, name, Transform) for name in ("_call", "_inverse"))
    if issubclass(cls, Elementwise):
        return cls.contract_violation() is None
    if not issubclass(cls, nn.Module):
        return False
    if any(all(_defines(cls, name, nn.Module) for name in pair) for pair in BOTH_WAYS):
        return True
    return bool(set(_parameters(cls.forward)) & set(FLAGS))


def _defines(cls: type, method: str, base: type) -> bool:
    return callable(own := getattr(cls, method, None)) and own is not getattr(base, method, None)


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _candidate(spec: str, obj: Any) -> Candidate:
    own = obj.__dict__.get("__doc__") if inspect.isclass(obj) else inspect.getdoc(obj)
    summary = inspect.cleandoc(own).partition("\n")[0] if own else ""
    problem = tried(spec)
    return Candidate(spec, summary, problem, _needed(obj) if problem else ())


def _needed(obj: Any) -> tuple[str, ...]:
    """The arguments of a constructor that have no default."""
    try:
        given = inspect.signature(obj).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(
        p.name
        for p in given
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name != "seed"
    )
