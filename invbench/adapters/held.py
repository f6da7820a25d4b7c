"""An object that no import reaches: an instance, a class or function made inside another, a
partial."""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from invbench.adapters.guessed_shapes import parameters_of
from invbench.adapters.plain import Plain, is_plain, plain_entry
from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.registry import Registered, origin

__all__ = ["HELD", "held_entry", "held_spec", "importable", "name_of"]

HELD = "(...)"  # the end of the spec of an object that no import reaches


@dataclass(eq=False)
class Held(Plain):
    """As ``Plain``. ``defined``: the class or function that the user wrote."""

    defined: Any = None

    @property
    def source(self) -> Any:
        return self.defined

    def __call__(self, seed: int = 0, **options: Any) -> Any:
        if self.kind == "coupling":
            return copy.deepcopy(self.subject)
        return super().__call__(seed, **options)

    def construction(self, options: Mapping[str, Any]) -> tuple[str, str]:
        """(import, expression) as the user's own code has them; ``...`` stands for what cannot be
        seen."""
        name = getattr(self.defined, "__qualname__", self.name)
        if not all(part.isidentifier() for part in name.split(".")):
            return f"# made in {origin(self.defined)}", f"{self.name}(...)"
        return f"from {self.defined.__module__} import {name.partition('.')[0]}", f"{name}(...)"


def importable(obj: Any) -> str | None:
    """``module:Name`` of an object that an import reaches; None for any other."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    found = getattr(sys.modules.get(str(module)), str(name), None)
    return f"{module}:{name}" if name and found is obj else None


def held_spec(obj: Any) -> str:
    """``module:Name(...)``: what a person can complete to a target."""
    return f"{getattr(_defined(obj), '__module__', '?')}:{name_of(obj)}{HELD}"


def name_of(obj: Any) -> str:
    """What to call it: the name of its class or function."""
    if isinstance(obj, functools.partial):
        return name_of(obj.func)
    if not (inspect.isclass(obj) or inspect.isroutine(obj)):
        return type(obj).__name__
    return obj.__name__ if obj.__name__.isidentifier() else "layer"  # a lambda


def held_entry(obj: Any, name: str, declared: Mapping[str, Any]) -> Registered[Any]:
    """The entry of an object itself: kind ``coupling`` for an ``Elementwise``, else ``layer``.
    Builds one and calls a copy of it. Raises ``UsageError`` that says what is missing."""
    defined = _defined(obj)
    home = sys.modules.get(str(getattr(defined, "__module__", "")), ModuleType("unknown"))
    elementwise = isinstance(obj, Elementwise) or (
        inspect.isclass(obj) and issubclass(obj, Elementwise)
    )
    if elementwise:
        if problem := defined.contract_violation():
            raise UsageError(f"coupling {name!r} ({origin(defined)}) {problem}")
        factory: Any = Held(obj, home, name, "coupling", defined=defined)
        made = obj if inspect.isclass(obj) else factory
        return Registered(name, "coupling", made, origin(defined), dict(defined.metadata))
    subject = obj if inspect.isclass(obj) or inspect.isfunction(obj) else _function(obj)
    if not is_plain(subject):
        raise UsageError(
            f"{name!r} is {type(obj).__name__}, no layer: give a module with forward and inverse, "
            f"a Transform, a class of one, or a factory make(seed)"
        )
    place = ModuleType(home.__name__)  # where the object has its name
    setattr(place, name, subject)
    entry = plain_entry(held_spec(obj), name, place, ("coupling", "layer"), {}, declared)
    plain = entry.obj
    held = Held(
        subject,
        home,
        name,
        plain.kind,
        plain.given,
        plain.latent_shape,
        plain.habits,
        defined=defined,
    )
    return replace(entry, obj=held, origin=origin(defined))


def _defined(obj: Any) -> Any:
    """The class or function that the user wrote."""
    while isinstance(obj, functools.partial):
        obj = obj.func
    if inspect.ismethod(obj):
        return obj.__func__
    return obj if inspect.isclass(obj) or inspect.isfunction(obj) else type(obj)


def _function(obj: Any) -> Any:
    """A partial or a method as the function that it is; an instance as it is."""
    if not isinstance(obj, functools.partial) and not inspect.ismethod(obj):
        return obj

    if "seed" in parameters_of(obj):
        return lambda seed: obj(seed=seed)
    return lambda: obj()
