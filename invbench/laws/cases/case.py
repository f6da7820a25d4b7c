"""One case: a subject, its inputs, what it makes of them and what the float64 reference says, computed
once for all laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.judging.conditioning import (
    FIRST,
    Effort,
    log_det_spread,
    log_det_weight_spread,
    magnitude,
    rounding_scale,
    undone_unit,
    unit_roundoff,
    value_spread,
)
from invbench.laws.judging.jitter import jittered
from invbench.laws.space import STRUCTURED, place, strictly_inside, structured
from invbench.laws.subject import Subject

__all__ = ["LawCase"]

T = TypeVar("T")
NEAR = 20  # log2 of |x| up to which a layer with a network must stay finite
TAIL = 3.0  # the worst of thousands of rows against the worst of a few simulations
# roundings, times the slack of 30, that cancellation inside may cost a layer with its own weights
OWN = 100.0
TOLERATED = 2.0  # a stopping rule bounds the last step, not the error


class LawCase:
    """Inputs of one recipe, in the subject's dtype and on its device, or tensors given by hand.

    ``x`` is what forward is asked about, ``z`` what inverse is: the same numbers where both lie in
    Rⁿ. ``subject`` is the one whose weights the recipe asks for. Nothing here catches what the
    subject raises.
    """

    def __init__(
        self,
        subject: Subject,
        recipe: InputRecipe,
        x: Tensor,
        cond: Tensor | None,
        z: Tensor | None = None,
    ) -> None:
        self.subject, self.recipe, self.x, self.cond = subject, recipe, x, cond
        self._given = z
        self._known: dict[object, object] = {}

    @classmethod
    def of(cls, recipe: InputRecipe, subject: Subject) -> LawCase:
        weights = recipe.weights
        if subject.integrated and (weights in ("noise", "saturated") or recipe.log2_weights > 0):
            # steps too long for such weights are no fault
            recipe = replace(recipe, weights="scaled", log2_weights=-2)
        subject = subject.reweighted(recipe.weights, recipe.log2_weights, recipe.seed)
        x = _in_range(subject, recipe.draws(subject.raw_shape(False)))
        cond = (
            None if subject.cond_shape is None else recipe.draws(subject.cond_shape, condition=True)
        )
        x = place(None if "x" in subject.image else subject.space(False), x, subject.dtype).to(
            subject.device
        )
        if cond is not None:
            limit = torch.finfo(subject.dtype).max
            cond = subject.place_condition(cond.clamp(-limit, limit)).to(subject.device)
        case = cls(subject, recipe, x, cond)
        return case.from_image() if "x" in subject.image else case

    def from_image(self) -> LawCase:
        """The case whose x is what inverse gives of normal latents: the domain is known only so
        far."""
        reference = self.subject.float64_reference()
        z = _in_range(self.subject, self.recipe.draws(self.subject.raw_shape(True), stream=2))
        with torch.no_grad():
            x = reference.inverse(z, self.double()[1])[0]
        return LawCase(self.subject, self.recipe, x.to(self.x), self.cond)

    @property
    def z(self) -> Tensor:
        """Rows for the inverse: x itself, or numbers of its own space, or what the reference makes of x
        in another order."""
        if self._given is not None:
            return self._given
        if not self.subject.invertible or (
            self.subject.same_space and self.subject.declaration.data_range is None
        ):
            return self.x
        return self.once("z", self._latents)

    def _latents(self) -> Tensor:
        subject = self.subject
        if "z" in subject.image or subject.declaration.data_range is not None:
            with torch.no_grad():
                return subject.float64_reference().forward(*self.double())[0].to(self.x)
        drawn = self.recipe.draws(subject.raw_shape(True), stream=2)[: len(self.x)]
        return place(subject.space(True), drawn, subject.dtype).to(self.x.device)

    def inputs(self, inverse: bool) -> Tensor:
        return self.z if inverse else self.x

    def part(self, rows: Tensor) -> LawCase:
        """The case of these rows alone."""
        cond = None if self.cond is None else self.cond[rows]
        z = None if self._given is None and self.z is self.x else self.z[rows]
        return LawCase(self.subject, self.recipe, self.x[rows], cond, z)

    def representable(self, exact: Tensor, latent: bool | None = None) -> Tensor:
        """Exact values that the dtype can hold with room for an intermediate factor of four; under
        adversarial weights up to the root of its largest number, since a network's hidden values
        may then be larger than what comes out. Where ``latent`` says of which space they are, they
        must not round to its edge either."""
        largest = torch.finfo(self.subject.dtype).max
        limit = largest / 4 if self.recipe.weights == "initial" else largest**0.5
        fine = exact.isfinite() & (exact.abs() <= limit)
        if latent is None:
            return fine
        space = self.subject.space(latent)
        held = strictly_inside(space, exact.to(self.subject.dtype))
        return fine & held if held.shape == fine.shape else fine

    def double(self) -> tuple[Tensor, Tensor | None]:
        """x and the condition in float64 on the CPU, for the reference."""
        return self.once(
            "double",
            lambda: (
                self.x.cpu().double(),
                None if self.cond is None else self.cond.cpu().double(),
            ),
        )

    def wide(self, inverse: bool) -> tuple[Tensor, Tensor | None]:
        """As ``double``, of z for the inverse."""
        return (self.z.cpu().double() if inverse else self.double()[0]), self.double()[1]

    def ours(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the subject, without gradients."""
        return self._summed(self.slopes(inverse))

    def slopes(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``ours``, but with the log-slope of each element of a coupling."""
        return self.once(
            ("ours", inverse),
            lambda: self._call(self.subject, inverse, self.inputs(inverse), self.cond),
        )

    def back(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """What the other direction makes of our value: there and back again, as ``slopes``."""
        return self.once(
            ("back", inverse),
            lambda: self._call(self.subject, not inverse, self.slopes(inverse)[0], self.cond),
        )

    def undone(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """What the other direction of the float64 reference makes of our value, as ``slopes``."""

        def compute() -> tuple[Tensor, Tensor]:
            value = self.slopes(inverse)[0].cpu().double()
            return self._call(
                self.subject.float64_reference(), not inverse, value, self.double()[1]
            )

        return self.once(("undone", inverse), compute)

    def exact(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the float64 reference."""
        return self._summed(self.exact_slopes(inverse))

    def exact_slopes(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``exact``, but with the log-slope of each element of a coupling."""
        return self.once(
            ("exact", inverse),
            lambda: self._call(self.subject.float64_reference(), inverse, *self.wide(inverse)),
        )

    def valid(self, inverse: bool) -> Tensor:
        """Where the exact result of a direction is representable, and lies inside its space."""
        return self.once(("valid", inverse), lambda: self._valid(inverse))

    @property
    def far(self) -> bool:
        """A layer's inputs where no data are, with a network that may overflow: the law far-range
        alone judges that."""
        return not self.subject.elementwise and self.recipe.log2_scale > NEAR

    def _valid(self, inverse: bool) -> Tensor:
        if self.far:
            return torch.zeros_like(self.exact(inverse)[0], dtype=torch.bool)
        fine = self.representable(self.exact(inverse)[0], latent=not inverse)
        if (
            not inverse
            and self.subject.invertible
            and ("z" in self.subject.image or structured(self.subject.space(True)))
        ):
            # an edge that is not known: what rounds to it has no way back
            rounded = self.exact(False)[0].to(self.subject.dtype).double()
            there = self._call(self.subject.float64_reference(), True, rounded, self.double()[1])[0]
            fine = fine & there.flatten(1).isfinite().all(1).reshape(-1, *[1] * (fine.ndim - 1))
        if self.subject.elementwise or self.recipe.weights == "initial":
            return fine
        # where hidden values overflow the law finite judges
        return fine & self.ours(inverse)[0].cpu().isfinite()

    def unit(self, inverse: bool) -> Callable[[Tensor, Effort], Tensor]:
        """One unit of the forward error of a direction, as a function of row numbers and effort;
        the tolerance that it has counts."""

        def of(rows: Tensor, effort: Effort = FIRST) -> Tensor:
            part, reference = self.part(rows), self.subject.float64_reference()
            unit = first = unit_roundoff(self.subject.dtype) * part.scale(inverse, effort=effort)
            for value, _ in self._simulated(*part.wide(inverse), inverse, effort):
                moved = magnitude(reference, value - part.exact(inverse)[0])
                unit = torch.maximum(unit, self._heard(first, moved, magnitude(reference, value)))
            return unit + part.tolerated(inverse)

        return of

    def undone_unit(self, inverse: bool) -> Callable[[Tensor, Effort], Tensor]:
        """One unit of |B(A(v)) − v|, with A in our dtype and B the other direction of the reference."""

        def of(rows: Tensor, effort: Effort = FIRST) -> Tensor:
            u, reference = unit_roundoff(self.subject.dtype), self.subject.float64_reference()
            v, cond = self.wide(inverse)
            some = None if cond is None else cond[rows]
            w = self.slopes(inverse)[0].cpu().double()[rows]
            with torch.no_grad():
                unit = undone_unit(reference, v[rows], w, some, u, inverse, effort)
                first = unit
                for value, _ in self._simulated(v[rows], some, inverse, effort):
                    plain, back = (
                        self._call(reference, not inverse, there, some)[0]
                        for there in (self.exact(inverse)[0][rows], value)
                    )
                    heard = self._heard(
                        first, magnitude(reference, back - plain), magnitude(reference, v[rows])
                    )
                    unit = torch.maximum(unit, heard)
                return unit + self._tolerance(v[rows], w, some, not inverse)

        return of

    def tolerated(self, inverse: bool) -> Tensor | float:
        """What the declared tolerance adds to a unit of the forward error."""
        tolerance = self.subject.declaration.tolerance
        if tolerance is None:
            return 0.0
        value = self.exact(inverse)[0]
        return TOLERATED / 30 * tolerance * (1 + magnitude(self.subject, value))

    def _tolerance(
        self, v: Tensor, w: Tensor, cond: Tensor | None, inverse: bool
    ) -> Tensor | float:
        """What the tolerance adds to a unit of |B(w) − v|: w may be off by it, and so may B."""
        tolerance = self.subject.declaration.tolerance
        if tolerance is None:
            return 0.0
        delta = tolerance * (1 + magnitude(self.subject, w))
        moved = value_spread(self.subject.float64_reference(), w, cond, delta, inverse)
        return TOLERATED / 30 * (moved + tolerance * (1 + magnitude(self.subject, v)))

    def _simulated(
        self, v: Tensor, cond: Tensor | None, inverse: bool, effort: Effort
    ) -> list[tuple[Tensor, Tensor]]:
        """Rounding by simulation, heard on appeal."""
        if effort is FIRST:
            return []
        return jittered(
            self.subject.float64_reference(), v, cond, unit_roundoff(self.subject.dtype), inverse
        )

    def _heard(self, unit: Tensor, moved: Tensor, size: Tensor) -> Tensor:
        """The unit with what a simulation excuses: everything under weights made to strain the
        layer; with its own, a few hundred roundings, or so many times what conditioning
        explains."""
        moved = TAIL * moved.nan_to_num(nan=torch.inf)
        if self.recipe.weights == "initial":
            own = OWN * unit_roundoff(self.subject.dtype) * (1 + size.nan_to_num(nan=0.0))
            moved = torch.minimum(
                moved, torch.maximum(own, OWN / 16 * unit)
            )  # a unit on appeal is of steps 16 times as long
        return torch.maximum(unit, moved)

    def scale(self, inverse: bool, together: bool = True, effort: Effort = FIRST) -> Tensor:
        """S of conditioning.py at the inputs: one rounding error of the direction is about u·S."""

        def compute() -> Tensor:
            u = unit_roundoff(self.subject.dtype)
            with torch.no_grad():
                return rounding_scale(
                    self.subject.float64_reference(),
                    *self.wide(inverse),
                    u,
                    inverse,
                    together,
                    effort,
                )

        return self.once(("scale", inverse, together, effort), compute)

    def log_unit(self, inverse: bool, together: bool = True, effort: Effort = FIRST) -> Tensor:
        """One rounding error of log_det, per row: u·(1 + |log_det|)·D and what a rounding of x, or
        of the weights, does to it."""

        def compute() -> Tensor:
            spread = self.log_slope_unit(inverse, together, effort)
            per_row = spread.flatten(1).sum(1) if self.subject.elementwise else spread
            size = 1 + self.exact(inverse)[1].abs()
            u = unit_roundoff(self.subject.dtype)
            return u * size * max(1, self.x[:1].numel()) + per_row

        return self.once(("log unit", inverse, together, effort), compute)

    def log_slope_unit(
        self, inverse: bool, together: bool = True, effort: Effort = FIRST
    ) -> Tensor:
        """What a rounding of the input, and of the weights, does to the exact log_det (log-slope,
        for a coupling)."""
        u, reference = unit_roundoff(self.subject.dtype), self.subject.float64_reference()
        v, cond = self.wide(inverse)
        tolerance = self.subject.declaration.tolerance or 0.0
        with torch.no_grad():
            delta = max(u, tolerance / 4) * (magnitude(reference, v) + 1)
            moved = log_det_spread(reference, v, cond, delta, inverse, together, effort)
            moved = moved + log_det_weight_spread(reference, v, cond, u, inverse, effort)
            if inverse:  # it is taken at the rounded result as well
                w = self.exact(inverse)[0]
                moved = moved + log_det_spread(
                    reference,
                    w,
                    cond,
                    u * (magnitude(reference, w) + 1),
                    not inverse,
                    together,
                    effort,
                )
            first = moved
            for _, log_det in self._simulated(v, cond, inverse, effort):
                off = (log_det - self.exact_slopes(inverse)[1]).abs()
                moved = torch.maximum(moved, self._heard(first, off, log_det.abs()))
        own = TOLERATED / 30 * tolerance * (1 + self.exact_slopes(inverse)[1].abs())
        return moved + own

    def _summed(self, result: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        value, log = result
        return value, log.flatten(1).sum(1) if self.subject.elementwise else log

    @staticmethod
    def _call(
        subject: Subject, inverse: bool, x: Tensor, cond: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            if subject.elementwise:
                return subject.log_slopes(x, cond, inverse)
            return subject.direction(inverse)(x, cond)

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """What is stored under ``key``, computed at the first call: laws share their work in
        here."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]  # type: ignore[return-value]


def _in_range(subject: Subject, drawn: Tensor) -> Tensor:
    """Numbers beyond the declared range of data folded back into it. Where a space is of whole
    values, or known only as an image, they stay small: far out an image rounds to its edge."""
    limits = subject.declaration.data_range
    if limits is None:
        spaces = subject.space(False), subject.space(True)
        if not (subject.image or any(structured(space) for space in spaces)):
            return drawn
        # a product of large triangles is not positive definite any more once it is rounded
        reach = (
            1.0
            if any(type(s).__name__.endswith("PositiveDefinite") for s in spaces)
            else STRUCTURED
        )
        return reach * (drawn / reach).tanh()
    low, high = limits
    return torch.where(
        (drawn >= low) & (drawn <= high), drawn, low + torch.remainder(drawn - low, high - low)
    )
