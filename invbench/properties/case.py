"""One case: a subject, its inputs, what it makes of them and what the float64 twin says, computed once for all laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from invbench.conditions.recipe import Recipe
from invbench.properties.conditioning import log_det_spread, magnitude, rounding_scale, unit_roundoff
from invbench.properties.subject import Subject

__all__ = ["Case"]

T = TypeVar("T")


class Case:
    """Inputs of one recipe, in the subject's dtype and on its device, or tensors given by hand.

    ``subject`` is the one whose weights the recipe asks for. Nothing here catches what the subject raises.
    """

    def __init__(self, subject: Subject, recipe: Recipe, x: Tensor, cond: Tensor | None) -> None:
        self.subject, self.recipe, self.x, self.cond = subject, recipe, x, cond
        self._known: dict[object, object] = {}

    @classmethod
    def of(cls, recipe: Recipe, subject: Subject) -> Case:
        x, cond = recipe.materialise(subject.event_shape, subject.cond_shape, subject.dtype)
        subject = subject.reweighted(recipe.weights, recipe.log2_weights, recipe.seed)
        return cls(subject, recipe, x.to(subject.device), None if cond is None else cond.to(subject.device))

    def part(self, rows: Tensor) -> Case:
        """The case of these rows alone."""
        return Case(self.subject, self.recipe, self.x[rows], None if self.cond is None else self.cond[rows])

    def representable(self, exact: Tensor) -> Tensor:
        """Exact values that the dtype can hold with room for an intermediate factor of four; under adversarial weights up to the root
        of its largest number, since a network's hidden values may then be larger than what comes out."""
        largest = torch.finfo(self.subject.dtype).max
        limit = largest / 4 if self.recipe.weights == "initial" else largest**0.5
        return exact.isfinite() & (exact.abs() <= limit)

    def double(self) -> tuple[Tensor, Tensor | None]:
        """The same values in float64 on the CPU, for the twin."""
        return self.once("double", self._double)

    def _double(self) -> tuple[Tensor, Tensor | None]:
        return self.x.cpu().double(), None if self.cond is None else self.cond.cpu().double()

    def ours(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the subject, without gradients."""
        return self._summed(self.slopes(inverse))

    def slopes(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``ours``, but with the log-slope of each element of a coupling."""
        return self.once(("ours", inverse), lambda: self._call(self.subject, inverse, self.x, self.cond))

    def back(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """What the other direction makes of our value: there and back again, as ``slopes``."""
        return self.once(
            ("back", inverse), lambda: self._call(self.subject, not inverse, self.slopes(inverse)[0], self.cond)
        )

    def exact(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the float64 twin."""
        return self._summed(self.exact_slopes(inverse))

    def exact_slopes(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``exact``, but with the log-slope of each element of a coupling."""
        return self.once(("exact", inverse), lambda: self._call(self.subject.twin(), inverse, *self.double()))

    def unit(self, inverse: bool) -> Callable[[Tensor], Tensor]:
        """One rounding error u·S of a direction, as a function of row numbers."""
        return lambda rows: unit_roundoff(self.subject.dtype) * self.part(rows).scale(inverse)

    def scale(self, inverse: bool, together: bool = True) -> Tensor:
        """S of conditioning.py at the inputs: one rounding error of the direction is about u·S."""

        def compute() -> Tensor:
            u = unit_roundoff(self.subject.dtype)
            with torch.no_grad():
                return rounding_scale(self.subject.twin(), *self.double(), u, inverse, together)

        return self.once(("scale", inverse, together), compute)

    def log_unit(self, inverse: bool, together: bool = True) -> Tensor:
        """One rounding error of log_det, per row: u·(1 + |log_det|)·D and what a rounding of x does to it."""

        def compute() -> Tensor:
            subject, u = self.subject, unit_roundoff(self.subject.dtype)
            x, cond = self.double()
            with torch.no_grad():
                delta = u * (magnitude(subject, x) + 1)
                spread = log_det_spread(subject.twin(), x, cond, delta, inverse, together)
            per_row = spread.flatten(1).sum(1) if subject.elementwise else spread
            size = 1 + self.ours(inverse)[1].cpu().double().abs()
            return u * size * max(1, x[:1].numel()) + per_row

        return self.once(("log unit", inverse, together), compute)

    def _summed(self, found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        value, log = found
        return value, log.flatten(1).sum(1) if self.subject.elementwise else log

    @staticmethod
    def _call(subject: Subject, inverse: bool, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            if subject.elementwise:
                return subject.log_slopes(x, cond, inverse)
            return (subject.inverse if inverse else subject.forward)(x, cond)

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """What is stored under ``key``, computed at the first call: laws share their work in here."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]
