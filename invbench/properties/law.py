"""A law of an invertible layer, as data, and what breaking it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from invbench.properties.case import Case
from invbench.properties.subject import Subject

__all__ = ["LAWS", "NEEDS", "SCOPES", "SEVERITIES", "Law", "Violation", "law"]

SEVERITIES = {
    "soundness": "the code is wrong",
    "design": "a finding about the design; never counted against the code",
    "capability": "something that the layer cannot do, or does wrongly outside its main use; never counted against the code",
}
SCOPES = {
    "first": "one recipe, before all others",
    "few": "a few recipes: what is asked does not depend on the values",
    "corpus": "every recipe, and what Hypothesis draws",
    "deep": "a few recipes, at the budget deep only: it is slow",
}
NEEDS: dict[str, Callable[[Subject], bool]] = {
    "elementwise": lambda s: s.elementwise,
    "wider": lambda s: s.dtype != torch.float64,
    "condition": lambda s: s.cond_shape is not None,
    "untouched": lambda s: bool(s.declared.get("untouched")),
    "order": lambda s: s.declared.get("order") is not None,
    "smooth": lambda s: s.declared.get("kinks") is False,
    "rebuild": lambda s: s.build is not None,
    "on-cpu": lambda s: s.device == "cpu",
    "same-in-training": lambda s: not s.declared.get("train_differs"),
}


@dataclass(frozen=True)
class Violation:
    """``value`` exceeded ``bound`` at ``row``; ``kind`` says whose fault it is."""

    value: float
    bound: float
    message: str
    kind: str = "defect"
    row: int | None = None


Check = Callable[[Subject, Case], Iterator[Violation]]


@dataclass(frozen=True)
class Law:
    """``check`` yields the violations it finds on one case. ``severity``, ``scope`` and ``needs`` are keys of the tables above."""

    name: str
    check: Check
    severity: str = "soundness"
    needs: frozenset[str] = frozenset()
    scope: str = "corpus"

    @property
    def statement(self) -> str:
        return " ".join((self.check.__doc__ or "").split())

    def applies(self, subject: Subject) -> bool:
        return all(NEEDS[need](subject) for need in self.needs)


LAWS: dict[str, Law] = {}


def law(
    name: str, severity: str = "soundness", needs: tuple[str, ...] = (), scope: str = "corpus"
) -> Callable[[Check], Check]:
    """Add a law to the table; its docstring states it and gives the reason for its bound."""
    if name in LAWS or severity not in SEVERITIES or scope not in SCOPES or not set(needs) <= set(NEEDS):
        raise ValueError(f"law {name!r}: the name must be new; severity, scope and needs must be in their tables")

    def decorate(check: Check) -> Check:
        LAWS[name] = Law(name, check, severity, frozenset(needs), scope)
        return check

    return decorate
