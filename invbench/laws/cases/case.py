"""One case: a subject, its inputs, its results and those of the float64 reference, computed once
for all laws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.space import STRUCTURED, place, strictly_inside, structured
from invbench.laws.subject import Subject

__all__ = ["LawCase"]

T = TypeVar("T")
NEAR = 20  # log2 of |x| up to which a layer with a network must stay finite


class LawCase:
    """Inputs of one recipe, in the subject's dtype and on its device, or tensors given by hand.

    ``x`` goes to forward and ``z`` to inverse: the same numbers where both lie in Rⁿ. ``subject``
    has the weights of the recipe. Nothing here catches what the subject raises.
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
        self._given_z = z
        self._cache: dict[object, object] = {}

    @classmethod
    def of(cls, recipe: InputRecipe, subject: Subject) -> LawCase:
        weights = recipe.weights
        if subject.integrated and (weights in ("noise", "saturated") or recipe.log2_weights > 0):
            # an integrator's steps may be too long for such weights, which is no fault
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
        """The case whose x are results of inverse for normal latents, since nothing else is known
        of the domain."""
        reference = self.subject.float64_reference()
        z = _in_range(self.subject, self.recipe.draws(self.subject.raw_shape(True), stream=2))
        with torch.no_grad():
            x = reference.inverse(z, self.float64_inputs(False)[1])[0]
        return LawCase(self.subject, self.recipe, x.to(self.x), self.cond)

    @property
    def z(self) -> Tensor:
        """Inputs of the inverse: x itself, numbers drawn in the space of z, or forward's results on
        the float64 reference."""
        if self._given_z is not None:
            return self._given_z
        if not self.subject.invertible or (
            self.subject.same_space and self.subject.declaration.data_range is None
        ):
            return self.x
        return self.once("z", self._latents)

    def _latents(self) -> Tensor:
        subject = self.subject
        if "z" in subject.image or subject.declaration.data_range is not None:
            with torch.no_grad():
                return (
                    subject.float64_reference().forward(*self.float64_inputs(False))[0].to(self.x)
                )
        drawn = self.recipe.draws(subject.raw_shape(True), stream=2)[: len(self.x)]
        return place(subject.space(True), drawn, subject.dtype).to(self.x.device)

    def inputs(self, inverse: bool) -> Tensor:
        return self.z if inverse else self.x

    def part(self, rows: Tensor) -> LawCase:
        """The case of these rows alone."""
        cond = None if self.cond is None else self.cond[rows]
        z = None if self._given_z is None and self.z is self.x else self.z[rows]
        return LawCase(self.subject, self.recipe, self.x[rows], cond, z)

    def representable(self, exact: Tensor, latent: bool | None = None) -> Tensor:
        """Exact values that the dtype can hold, with room for an intermediate factor of four. Under
        adversarial weights only up to the root of the largest number: hidden values of a network
        may be larger than its output. With ``latent``, which names the space, values must not round
        to its edge either."""
        largest = torch.finfo(self.subject.dtype).max
        limit = largest / 4 if self.recipe.weights == "initial" else largest**0.5
        fine = exact.isfinite() & (exact.abs() <= limit)
        if latent is None:
            return fine
        space = self.subject.space(latent)
        held = strictly_inside(space, exact.to(self.subject.dtype))
        return fine & held if held.shape == fine.shape else fine

    def float64_inputs(self, inverse: bool) -> tuple[Tensor, Tensor | None]:
        """(x or, for the inverse, z; the condition) in float64 on the CPU."""
        x, cond = self.once(
            "float64",
            lambda: (
                self.x.cpu().double(),
                None if self.cond is None else self.cond.cpu().double(),
            ),
        )
        return (self.z.cpu().double() if inverse else x), cond

    def result(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the subject, without gradients."""
        return self._summed(self.elementwise(inverse))

    def elementwise(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``result``, but with the log-slope of each element of a coupling."""
        return self.once(
            ("ours", inverse),
            lambda: self.call(self.subject, inverse, self.inputs(inverse), self.cond),
        )

    def round_trip(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """The other direction at our value, as ``elementwise``."""
        return self.once(
            ("back", inverse),
            lambda: self.call(self.subject, not inverse, self.elementwise(inverse)[0], self.cond),
        )

    def undone_in_float64(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """The other direction of the float64 reference at our value, as ``elementwise``."""

        def compute() -> tuple[Tensor, Tensor]:
            value = self.elementwise(inverse)[0].cpu().double()
            return self.call(
                self.subject.float64_reference(), not inverse, value, self.float64_inputs(False)[1]
            )

        return self.once(("undone", inverse), compute)

    def exact(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """(value, log_det) of the float64 reference."""
        return self._summed(self.exact_elementwise(inverse))

    def exact_elementwise(self, inverse: bool) -> tuple[Tensor, Tensor]:
        """As ``exact``, but with the log-slope of each element of a coupling."""
        return self.once(
            ("exact", inverse),
            lambda: self.call(
                self.subject.float64_reference(), inverse, *self.float64_inputs(inverse)
            ),
        )

    def valid(self, inverse: bool) -> Tensor:
        """Where the exact result of a direction is representable and lies inside its space."""
        return self.once(("valid", inverse), lambda: self._valid(inverse))

    @property
    def far_range(self) -> bool:
        """Whether x of a layer lies where no data are and a network may overflow. Only the law
        far-range judges such a case."""
        return not self.subject.elementwise and self.recipe.log2_scale > NEAR

    def _valid(self, inverse: bool) -> Tensor:
        if self.far_range:
            return torch.zeros_like(self.exact(inverse)[0], dtype=torch.bool)
        fine = self.representable(self.exact(inverse)[0], latent=not inverse)
        if (
            not inverse
            and self.subject.invertible
            and ("z" in self.subject.image or structured(self.subject.space(True)))
        ):
            # the edge is not known: a value that rounds to it has no way back
            rounded = self.exact(False)[0].to(self.subject.dtype).double()
            there = self.call(
                self.subject.float64_reference(), True, rounded, self.float64_inputs(False)[1]
            )[0]
            fine = fine & there.flatten(1).isfinite().all(1).reshape(-1, *[1] * (fine.ndim - 1))
        if self.subject.elementwise or self.recipe.weights == "initial":
            return fine
        # overflow of hidden values is for the law finite
        return fine & self.result(inverse)[0].cpu().isfinite()

    def _summed(self, result: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        value, log = result
        return value, log.flatten(1).sum(1) if self.subject.elementwise else log

    @staticmethod
    def call(
        subject: Subject, inverse: bool, x: Tensor, cond: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            if subject.elementwise:
                return subject.log_slopes(x, cond, inverse)
            return subject.direction(inverse)(x, cond)

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """The value stored under ``key``, computed at the first call. Laws share work here."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]  # type: ignore[return-value]


def _in_range(subject: Subject, drawn: Tensor) -> Tensor:
    """Drawn numbers, folded into the declared data range. In a space of whole values, or one known
    only as an image, they stay small: far out, an image rounds to its edge."""
    limits = subject.declaration.data_range
    if limits is None:
        spaces = subject.space(False), subject.space(True)
        if not (subject.image or any(structured(space) for space in spaces)):
            return drawn
        # a rounded product of large triangles is not positive definite
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
