"""Targets: a registered name, ``name(option=…)``, ``library/name``, ``path/file.py``,
``path/file.py:Name``, ``package.module:Name``."""

from __future__ import annotations

import ast
import functools
import inspect
import keyword
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from invbench.adapters import LIBRARIES, load_library
from invbench.adapters.held import HELD, held_entry, held_spec, importable, name_of
from invbench.adapters.plain import Plain, is_plain, plain_entry
from invbench.couplings.base import Elementwise
from invbench.declaration import Declaration
from invbench.devices import without_gpu
from invbench.errors import UsageError, did_you_mean
from invbench.loading import import_module, load_file
from invbench.registry import COUPLINGS, FLOWS, LAYERS, Registered, Registry
from invbench.source import code_digest, source_files

__all__ = [
    "Target",
    "absolute",
    "file_of",
    "of_object",
    "replay_command",
    "resolve",
    "resolve_all",
    "runs_new_code",
    "without_options",
]

_REGISTRIES: dict[str, Registry[Any]] = {"coupling": COUPLINGS, "layer": LAYERS, "flow": FLOWS}
_CALL = re.compile(r"^(?P<name>[^()]+)\((?P<options>.*)\)$")


@dataclass(frozen=True, eq=False)
class Target:
    """A named subject: what was asked for, what was found, and a factory of it. Equal when kind,
    name and source are.

    ``declared``: what was declared beside the entry, as on the command line; it stands in the
    entry's metadata too. ``label``: a name that was given to it.
    """

    spec: str
    entry: Registered[Any]
    options: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    label: str = ""

    def _identity(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    @property
    def kind(self) -> str:
        return self.entry.kind

    @property
    def name(self) -> str:
        """The name in tables: the one given to it, else the registered one with its options."""
        if self.label or not self.options:
            return self.label or self.entry.name
        said = ",".join(f"{k}={_shown(v)}" for k, v in self.options.items())
        return f"{self.entry.name}({said})"

    def named(self, label: str) -> Target:
        """The same under a name of its own."""
        return replace(self, label=label)

    @property
    def can_be_typed(self) -> bool:
        """Whether a command line can name it, which it cannot an object that no import reaches."""
        return not (self.spec.endswith(HELD) or self.spec.startswith("__main__:"))

    @property
    def make(self) -> Callable[..., Any]:
        """The registered object with the options bound."""
        return functools.partial(self.entry.obj, **self.options) if self.options else self.entry.obj

    @property
    def sources(self) -> list[Path]:
        """The source files that make the entry (``invbench.source.source_files``)."""
        obj = self.entry.obj.source if isinstance(self.entry.obj, Plain) else self.entry.obj
        return source_files(obj)

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the options and of the code, wherever the files lie and whatever they are called;
        comments, docstrings and formatting do not count."""
        obj = self.entry.obj.source if isinstance(self.entry.obj, Plain) else self.entry.obj
        said = (repr(sorted(self.options.items())), repr(sorted(self.declared.items())))
        return code_digest(obj, extra=said)


def _shown(value: Any) -> str:
    """An option's value as it may be written: words need no quotes."""
    plain = isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)
    return value if plain else repr(value)


def without_options(spec: str) -> str:
    """The part of a target before its options."""
    return spec.partition("(")[0]


def runs_new_code(spec: str) -> bool:
    """Whether resolving the target imports a file or module that it names, with or without options;
    registered and library names do not."""
    name = without_options(spec)
    return ":" in name or name.strip().endswith(".py")


def replay_command(folder: Path, target: str, flow: str = "") -> str:
    """The line that runs a saved case again. A target or flow that is a file or module is named in
    it: it runs only when the user says so."""
    named = [
        part
        for flag, spec in (("--flow", flow), ("--target", target))
        if runs_new_code(spec)
        for part in (flag, spec)
    ]
    return shlex.join(["invbench", "replay", folder.as_posix(), *named])


def file_of(spec: str) -> tuple[Path, str] | None:
    """(the file that a target names, absolute; what follows it, as in ``:Name(option=1)``); None
    for a target of another kind."""
    name, bracket, options = spec.partition("(")
    where, colon, attribute = name.rpartition(":")
    path = Path(where if colon else name).expanduser()
    if path.suffix != ".py" or not path.is_file():
        return None
    return path.absolute(), colon + (attribute if colon else "") + bracket + options


def absolute(spec: str) -> str:
    """The same target for a process that stands in another folder: a file's path is made absolute,
    any other target is as it was."""
    found = file_of(spec)
    return f"{found[0]}{found[1]}" if found else spec


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
    with without_gpu(spec):
        return [_declaring(target, said) for target in _resolved(spec, kinds, registered, said)]


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
    name, options = _split_call(spec)
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


def _split_call(spec: str) -> tuple[str, dict[str, Any]]:
    match = _CALL.match(spec)
    if match is None:
        return spec, {}
    try:
        call = ast.parse(f"f({match['options']})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not all(k.arg for k in call.keywords):
            raise ValueError("not options")
        options = {
            # a bare word is a text
            str(k.arg): k.value.id if isinstance(k.value, ast.Name) else ast.literal_eval(k.value)
            for k in call.keywords
        }
        if len(options) < len(call.keywords):
            raise ValueError("an option twice")
        return match["name"], options
    except (SyntaxError, ValueError):
        raise UsageError(
            f"{spec}: options must be name=literal or name=word, each once, as in rq(bins=16)"
        ) from None


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
                f"{entry.kind} {entry.name!r} has no {name}={_shown(value)}; choose from "
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
