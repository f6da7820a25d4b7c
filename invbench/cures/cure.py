"""A cure by name: what it makes of a flow, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from invbench.cures.cured import CuredFlow

__all__ = ["Cure"]


@dataclass(frozen=True)
class Cure:
    """One row of the table of cures.

    ``make(flow, file, **options)``: the cured flow, ``file`` None where ``needs_file`` is not set.
    ``statement``: what it does, in a line. ``needs``: what it takes to have it, beside a trained
    flow: "nothing", "photographs", "a small network". ``options``: names of its options → default.
    ``made_by``: the command that makes its file. ``source``: the class or function whose code its
    digest is of.
    """

    name: str
    statement: str
    needs: str
    make: Callable[..., CuredFlow]
    source: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    made_by: str = ""

    @property
    def needs_file(self) -> bool:
        return bool(self.made_by)
