"""From the text of a target, or from an object, to what it names."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from invbench.adapters import LIBRARIES, load_library
from invbench.adapters.held import held_entry, held_spec, importable, name_of
from invbench.adapters.plain import is_plain, plain_entry
from invbench.couplings.base import Elementwise
from invbench.declaration import Declaration
from invbench.devices import without_gpu
from invbench.errors import UsageError, did_you_mean
from invbench.loading import import_module, load_file
from invbench.registry import COUPLINGS, CURES, FLOWS, LAYERS, Registered, Registry
from invbench.targets.specs import split_call, split_cure
from invbench.targets.target import FILE, Applied, Target, shown

__all__ = ["of_object", "resolve", "resolve_all"]

_REGISTRIES: dict[str, Registry[Any]] = {"coupling": COUPLINGS, "layer": LAYERS, "flow": FLOWS}


def of_object(
    obj: Any, declared: Mapping[str, Any] | None = None, name: str | None = None
) -> Target:
    """The target of an object: a registered class or factory, any class or function, an instance, a
    partial. ``declared`` as in ``resolve_all``; ``name``: what it is called.

    Raises ``UsageError`` when it is no layer and cannot be made one.
    """
    said = {k: v for k, v in (declared or {}).items() if v is not None}
    spec = importable(obj)
    registered = [e for registry in (COUPLINGS, LAYERS) for e in registry.values() if e.obj is obj]
    if registered:
        target = _declaring(Target(spec or held_spec(obj), registered[0]), said)
    elif spec:
        target = resolve(spec, ("coupling", "layer"), said)
    else:
        with without_gpu(name or name_of(obj)):
            entry = held_entry(obj, name or name_of(obj), said)
        target = _declaring(Target(held_spec(obj), entry), said)
    return target.named(name) if name else target


def resolve(
    spec: str, kinds: tuple[str, ...] = ("coupling",), declared: Mapping[str, Any] | None = None
) -> Target:
    """The one target that ``spec`` names. Raises ``UsageError`` when there is none, or several."""
    found = resolve_all(spec, kinds, declared)
    if len(found) > 1:
        names = ", ".join(target.name for target in found)
        raise UsageError(f"{spec} holds several targets ({names}); say which, as {spec}:NAME")
    return found[0]


def resolve_all(
    spec: str, kinds: tuple[str, ...] = ("coupling",), declared: Mapping[str, Any] | None = None
) -> list[Target]:
    """Every target of these kinds that ``spec`` names: a file without ``:Name`` may define several.

    Kinds are coupling, layer, flow and distribution. With ``layer`` a module, a Transform or a
    factory that nobody registered may be named, with ``distribution`` anything with log_prob and
    sample. ``declared``: keywords of ``Declaration``, which override the target's own.
    """
    said = {k: v for k, v in (declared or {}).items() if v is not None}
    registered = tuple(kind for kind in kinds if kind in _REGISTRIES)
    plain, named = split_cure(spec)
    cure = _cure(spec, named) if named and "coupling" in kinds else None
    if cure and "layer" in kinds:
        raise UsageError(f"{spec}: a cure is of a flow; leave +{named} out, or run {spec}")
    with without_gpu(spec):
        found = _resolved(plain if cure else spec, kinds, registered, said)
        return [_declaring(_cured(target, named, cure), said) for target in found]


def _cured(target: Target, named: str, cure: Applied | None) -> Target:
    return replace(target, spec=f"{target.spec}+{named}", cure=cure) if cure else target


def _cure(spec: str, named: str) -> Applied:
    """The cure that a target ends in. Raises ``UsageError`` when there is none of that name, when
    it does not take the options, or when a file that it names is not there."""
    name, options = split_call(named)
    entry = CURES[name]
    known = entry.obj.options | ({FILE: ""} if entry.obj.needs_file else {})
    wrong = next((option for option in options if option not in known), None)
    if wrong is not None:
        have = ", ".join(known) or "none"
        raise UsageError(f"{spec}: cure {name!r} has no option {wrong!r}; options: {have}")
    if FILE in options and not Path(options[FILE]).is_file():
        raise UsageError(f"{spec}: no file {options[FILE]}; make it with {entry.obj.made_by}")
    return Applied(entry, options)


def _declaring(target: Target, said: Mapping[str, Any]) -> Target:
    """The target with what is declared beside it. Raises ``UsageError`` that names the declaration
    that is wrong."""
    if not said:
        return target
    shapes = [k for k in said if k.endswith("_shape")]
    if target.kind == "coupling" and shapes:
        flag = "--" + shapes[0].replace("_", "-")
        raise UsageError(
            f"coupling {target.name!r} is elementwise and takes any shape; leave {flag} out"
        )
    metadata = {**target.entry.metadata, **said}
    Declaration.of(target.name, metadata)
    return replace(target, entry=replace(target.entry, metadata=metadata), declared=dict(said))


def _resolved(
    spec: str, asked: tuple[str, ...], kinds: tuple[str, ...], said: Mapping[str, Any]
) -> list[Target]:
    what = " or ".join(kinds or asked)
    name, options = split_call(spec)
    library, slash, rest = name.partition("/")
    if slash and library in LIBRARIES and not Path(name).exists():
        load_library(library)
        names = [
            (kind, n)
            for kind in kinds
            for n in _REGISTRIES[kind]
            if n == name or (rest == "*" and n.startswith(f"{library}/"))
        ]
        if names:
            return [
                _target(n + spec[len(name) :], _REGISTRIES[kind][n], options) for kind, n in names
            ]
        have = ", ".join(
            n for kind in kinds for n in _REGISTRIES[kind] if n.startswith(f"{library}/")
        )
        raise UsageError(
            f"{library} has no {what} {rest!r} here; it has {have}, or {library}/* for all"
        )
    where, colon, attribute = name.rpartition(":")
    if not colon:
        where, attribute = name, ""
    if where.endswith(".py") or "/" in where:
        return _from_module(spec, load_file(Path(where)), attribute, (asked, kinds), options, said)
    if colon:
        return _from_module(spec, import_module(where), attribute, (asked, kinds), options, said)
    for kind in kinds:
        if name in _REGISTRIES[kind]:
            return [_target(spec, _REGISTRIES[kind][name], options)]
    if len(kinds) == 1:
        _REGISTRIES[kinds[0]][name]  # raises, with the nearest names
    hint = did_you_mean(name, [n for kind in kinds for n in _REGISTRIES[kind]])
    raise UsageError(f"{name!r} is no registered {what}{hint} (invbench list)")


def _target(spec: str, entry: Registered[Any], options: dict[str, Any]) -> Target:
    if "options" in entry.metadata:
        options = _chosen(entry, options)
    elif options:
        try:
            if entry.kind == "coupling":
                entry.obj(**options)  # a signature inherited from nn.Module would accept anything
            else:
                inspect.signature(entry.obj).bind_partial(**options)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{entry.kind} {entry.name!r} ({entry.origin}) does not take {options}: {error}"
            ) from None
    return Target(spec, entry, options)


def _chosen(entry: Registered[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an entry that declares ``options``, name → values: in the declared order, and
    without those at their first value, which is the default. So one thing has one name."""
    known = entry.metadata["options"]
    for name, value in options.items():
        if name not in known:
            raise UsageError(
                f"{entry.kind} {entry.name!r} has no option {name!r}; options: {', '.join(known)}"
            )
        if value not in known[name]:
            raise UsageError(
                f"{entry.kind} {entry.name!r} has no {name}={shown(value)}; choose from "
                f"{', '.join(known[name])}"
            )
    return {n: options[n] for n in known if n in options and options[n] != known[n][0]}


def _from_module(
    spec: str,
    module: ModuleType,
    attribute: str,
    of_kinds: tuple[tuple[str, ...], tuple[str, ...]],
    options: dict[str, Any],
    said: Mapping[str, Any],
) -> list[Target]:
    asked, kinds = of_kinds
    mine = [
        entry
        for kind in kinds
        for entry in _REGISTRIES[kind].values()
        if getattr(entry.obj, "__module__", None) == module.__name__
    ]
    if not attribute:
        if len(mine) > 1:  # each under a spec that means it alone
            where, bracket, call = spec.partition("(")
            return [
                _target(f"{where}:{entry.name}{bracket}{call}", entry, options) for entry in mine
            ]
        if mine:
            return [_target(spec, entry, options) for entry in mine]
        classes = [
            n
            for n, v in vars(module).items()
            if inspect.isclass(v) and v.__module__ == module.__name__
        ]
        names = f" (it defines {', '.join(classes[:8])})" if classes and "layer" in asked else ""
        raise UsageError(
            f"{spec} registers no {' or '.join(kinds or asked)}; decorate one, as in "
            f"@invbench.coupling('name'), or name it: {spec}:NAME{names}"
        )
    obj = getattr(module, attribute, None)
    for entry in mine + [
        entry for kind in kinds for entry in _REGISTRIES[kind].values() if entry.obj is obj
    ]:
        if entry.name == attribute or entry.obj is obj:
            return [_target(spec, entry, options)]
    if "coupling" in kinds and inspect.isclass(obj) and issubclass(obj, Elementwise):
        problem = obj.contract_violation()
        if problem:
            raise UsageError(f"coupling {attribute!r} ({spec}) {problem}")
        return [_target(spec, COUPLINGS.register(attribute, obj, dict(obj.metadata)), options)]
    elementwise = inspect.isclass(obj) and issubclass(obj, Elementwise)
    if {"layer", "distribution"} & set(asked) and not elementwise and is_plain(obj):
        return [Target(spec, plain_entry(spec, attribute, module, asked, options, said), options)]
    classes = [
        n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__
    ]
    have = ", ".join([entry.name for entry in mine] or classes[:12]) or "none"
    raise UsageError(
        f"{spec}: no {' or '.join(kinds or asked)} named {attribute!r} there (found: {have})"
    )
