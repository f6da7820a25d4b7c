"""One case: a subject, its inputs, and what the float64 twin says of them, computed once for all laws."""

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
        return self._once("double", self._double)

    def _double(self) -> tuple[Tensor, Tensor | None]:
        return self.x.cpu().double(), None if self.cond is None else self.cond.cpu().double()

    def ours(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the subject, without gradients."""
        return self._once(("ours", inverse), lambda: self._call(self.subject, inverse, self.x, self.cond))

    def exact(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the float64 twin."""
        return self._once(("exact", inverse), lambda: self._call(self.subject.twin(), inverse, *self.double()))

    def scale(self, inverse: bool, together: bool = True) -> Tensor:
        """S of conditioning.py at the inputs: one rounding error of the direction is about u·S."""

        def compute() -> Tensor:
            u = unit_roundoff(self.subject.dtype)
            with torch.no_grad():
                return rounding_scale(self.subject.twin(), *self.double(), u, inverse, together)

        return self._once(("scale", inverse, together), compute)

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

        return self._once(("log unit", inverse, together), compute)

    @staticmethod
    def _call(subject: Subject, inverse: bool, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return (subject.inverse if inverse else subject.forward)(x, cond)

    def _once(self, key: object, compute: Callable[[], T]) -> T:
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]
