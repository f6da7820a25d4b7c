"""Laws of torch's function transforms: vmap, forward-mode differentiation, compilation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import magnitude, unit_roundoff
from invbench.laws.judging.jacobian import jacobian
from invbench.laws.judging.rounding import rounding_violations
from invbench.laws.judging.units import value_unit
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.statements.gradient import ROWS, differentiable
from invbench.laws.subject import Subject


def _single(subject: Subject, name: str) -> Callable[[Tensor, Tensor | None], Any]:
    """A direction on one row without a batch dimension."""

    def one(x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        value, log_det = getattr(subject, name)(x[None], None if cond is None else cond[None])
        return value[0], log_det[0]

    return one


@law(
    "vmap",
    category="capability",
    needs=("value-by-value", "tensors", "torch"),
    scope="value-independent",
    reference="the batched call",
)
def vmap(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """torch.vmap over single rows gives the result of the batch, within 30 rounding units."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        with torch.no_grad():
            dims = (0, None if case.cond is None else 0)
            value, _ = torch.vmap(_single(subject, DIRECTIONS[inverse]), dims)(
                case.inputs(inverse), case.cond
            )
        plain = case.result(inverse)[0]
        error = magnitude(subject, (value - plain).cpu().double())
        what = f"{DIRECTIONS[inverse]} under vmap"
        yield from rounding_violations(
            error, value_unit(case, inverse), error.isfinite(), what, least=u
        )


@law(
    "jvp",
    category="capability",
    needs=("value-by-value",),
    scope="value-independent",
    reference="reverse mode, in float64",
)
def jvp(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Forward-mode differentiation gives the same J·v as reverse mode, to 1e-6 relative, in
    float64."""
    reference = subject.float64_reference()
    for inverse in differentiable(subject):
        wide, conds = case.float64_inputs(inverse)
        x, cond = wide[:ROWS], None if conds is None else conds[:ROWS]
        v = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        name = DIRECTIONS[inverse]

        def value(x: Tensor, inverse: bool = inverse, cond: Tensor | None = cond) -> Tensor:
            return reference.direction(inverse)(x, cond)[0]

        ours = torch.func.jvp(value, (x,), (v,))[1]
        exact = (jacobian(value, x) @ v.flatten(1)[..., None])[..., 0].reshape_as(ours)
        scale = 1e-6 / 30 * (1 + exact.abs())
        yield from rounding_violations(
            (ours - exact).abs(), scale, exact.isfinite(), f"{name} by forward mode"
        )


@law(
    "compile",
    category="capability",
    needs=("on-cpu", "value-by-value", "tensors", "torch"),
    scope="deep",
    reference="eager code",
)
def compiled_is_eager(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """torch.compile gives the result of eager code, within 30 rounding units."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        with torch.no_grad():
            value, _ = torch.compile(getattr(subject, DIRECTIONS[inverse]), dynamic=True)(
                case.inputs(inverse), case.cond
            )
        error = magnitude(subject, (value - case.result(inverse)[0]).cpu().double())
        what = f"{DIRECTIONS[inverse]} under torch.compile"
        yield from rounding_violations(
            error, value_unit(case, inverse), error.isfinite(), what, least=u
        )
