"""A law of an invertible layer, as data, and what breaking it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.conditions.recipe import Recipe
from invbench.properties.subject import Subject

__all__ = ["LAWS", "Case", "Law", "Violation", "law"]

SEVERITIES = ("soundness", "design")


@dataclass(frozen=True)
class Case:
    """Inputs of one recipe, in the subject's dtype and on its device."""

    recipe: Recipe
    x: Tensor
    cond: Tensor | None

    @classmethod
    def of(cls, recipe: Recipe, subject: Subject) -> Case:
        x, cond = recipe.materialise(subject.event_shape, subject.cond_shape, subject.dtype)
        return cls(recipe, x.to(subject.device), None if cond is None else cond.to(subject.device))

    def double(self) -> tuple[Tensor, Tensor | None]:
        """The same values in float64 on the CPU, for the twin."""
        return self.x.cpu().double(), None if self.cond is None else self.cond.cpu().double()


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
    """``check`` yields the violations it finds. ``needs``: ``elementwise`` for couplings only, ``wider`` for a dtype that has
    a float64 twin, ``small`` when one recipe with few rows is enough."""

    name: str
    check: Check
    severity: str = "soundness"
    needs: frozenset[str] = frozenset()

    @property
    def statement(self) -> str:
        return " ".join((self.check.__doc__ or "").split())

    def applies(self, subject: Subject) -> bool:
        if "elementwise" in self.needs and not subject.elementwise:
            return False
        return not ("wider" in self.needs and subject.dtype == torch.float64)


LAWS: dict[str, Law] = {}


def law(name: str, severity: str = "soundness", needs: tuple[str, ...] = ()) -> Callable[[Check], Check]:
    """Add a law to the table; its docstring states it and gives the reason for its bound."""
    if severity not in SEVERITIES or name in LAWS:
        raise ValueError(f"law {name!r}: severity must be one of {SEVERITIES} and the name new")

    def decorate(check: Check) -> Check:
        LAWS[name] = Law(name, check, severity, frozenset(needs))
        return check

    return decorate
