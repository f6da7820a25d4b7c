"""A target: a named subject, with its options and its cure."""

from __future__ import annotations

import functools
import hashlib
import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from invbench.adapters.held import HELD
from invbench.adapters.plain import Plain
from invbench.registry import Registered
from invbench.source import code_digest, source_files
from invbench.targets.specs import split_cure

__all__ = ["Applied", "Target", "called", "shown"]

FILE = "file"  # the option of a cure that names its file


@dataclass(frozen=True, eq=False)
class Applied:
    """A cure with its options, which a target ends in. ``entry.obj``: ``invbench.cures.Cure``."""

    entry: Registered[Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """With its options. A file is called by its name alone, wherever it lies."""
        return called(
            self.entry.name,
            {k: Path(v).name if k == FILE else v for k, v in self.options.items()},
        )

    def file(self, weights: Path | None) -> Path | None:
        """The cure's file of a flow with these weights: the one that is named, else the one beside
        the weights, ``mini-affine-seed0.guard.safetensors``. None where the cure needs none."""
        if not self.entry.obj.needs_file:
            return None
        if FILE in self.options:
            return Path(self.options[FILE])
        return weights and weights.with_name(f"{weights.stem}.{self.entry.name}.safetensors")

    def apply(self, flow: Any, weights: Path | None) -> Any:
        """The flow behind the cure. Raises ``UsageError`` when its file is missing, with the
        command that makes it, or does not fit."""
        options = {k: v for k, v in self.options.items() if k != FILE}
        return self.entry.obj.make(flow, self.file(weights), **options)

    def digest(self, own: str) -> str:
        """Hash of a design's digest, of the cure's code and options, and of the content of a file
        that is named."""
        said = {k: v for k, v in self.options.items() if k != FILE}
        named = Path(self.options[FILE]) if FILE in self.options else None
        content = hashlib.sha256(named.read_bytes()).hexdigest() if named else ""
        return code_digest(self.entry.obj.source, extra=(own, repr(sorted(said.items())), content))


@dataclass(frozen=True, eq=False)
class Target:
    """A named subject: what was asked for, what was found, and a factory of it. Equal when kind,
    name and source are.

    ``declared``: what was declared beside the entry, as on the command line; it stands in the
    entry's metadata too. ``label``: a name that was given to it. ``cure``: what is done to the flow
    that has the design, after ``+``.
    """

    spec: str
    entry: Registered[Any]
    options: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    cure: Applied | None = None

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
        """The name in tables: the one given to it, else the registered one with its options and its
        cure."""
        own = self.label or called(self.entry.name, self.options)
        return f"{own}+{self.cure.name}" if self.cure else own

    @property
    def design(self) -> Target:
        """The same without its cure: what a flow is trained with."""
        if self.cure is None:
            return self
        return replace(self, spec=split_cure(self.spec)[0], cure=None)

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
        comments, docstrings and formatting do not count. With a cure, of its code and options
        too."""
        obj = self.entry.obj.source if isinstance(self.entry.obj, Plain) else self.entry.obj
        said = (repr(sorted(self.options.items())), repr(sorted(self.declared.items())))
        own = code_digest(obj, extra=said)
        return own if self.cure is None else self.cure.digest(own)


def called(name: str, options: Mapping[str, Any]) -> str:
    """``name(option=value, …)``, or the name alone."""
    said = ",".join(f"{k}={shown(v)}" for k, v in options.items())
    return f"{name}({said})" if said else name


def shown(value: Any) -> str:
    """An option's value as it may be written: words need no quotes."""
    plain = isinstance(value, str) and value.isidentifier() and not keyword.iskeyword(value)
    return value if plain else repr(value)
