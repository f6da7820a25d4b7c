"""Laws of accuracy: no digits are lost on the way."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import (
    magnitude,
    unit_roundoff,
)
from invbench.laws.judging.relation import pair
from invbench.laws.judging.rounding import per_row, rounding_violations
from invbench.laws.judging.two_references import against_references, log_of
from invbench.laws.judging.units import value_unit
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.statements.round_trip import apart, undoes
from invbench.laws.subject import Subject


@law(
    "double-precision",
    needs=("wider", "rebuild", "inverse", "deterministic", "exact"),
    scope="value-independent",
    reference="the same round trip in float64, of a layer built in float64",
)
def double_precision(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A float64 caller gets float64 accuracy: inverse(forward(x)) of the same layer, built in
    float64, returns x within 30 rounding units of float64; log_det is float64, and that of the map
    to 1e-10. A float32 constant or a cast on the way loses half the digits."""
    built = subject.rebuilt(torch.float64)
    x, cond = case.float64_inputs(False)
    wide = LawCase(built, case.recipe, x, cond)
    for inverse in subject.directions:
        for out, what in zip(wide.result(inverse), ("value", "log_det"), strict=True):
            if out.dtype != torch.float64:
                yield Violation(
                    1, 0, f"in float64, the {what} of {DIRECTIONS[inverse]} is {out.dtype}"
                )
                return
    said = list(undoes(wide, False))
    if subject.has_log_det:
        rows = 32 if subject.elementwise else 8
        some = None if cond is None else cond[:rows]
        said += against_references(
            built, built, x[:rows], some, lambda: log_of(built, x[:rows], some), "forward", 1e-10
        )
    for violation in said:
        if isinstance(violation, Violation) and violation.kind == "defect":
            yield Violation(
                violation.value,
                violation.bound,
                f"in float64, {violation.message}",
                row=violation.row,
            )


@law(
    "accuracy",
    needs=("wider", "value-by-value"),
    reference="the float64 reference; its error is 2⁻²⁹ of the bound",
    trusts="that the float64 reference is smooth: noise in both is the law noise",
)
def accuracy(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Forward and inverse agree with the float64 reference (on the CPU) within 30 rounding units:
    no precision is lost on the way, on any device."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        exact = case.exact(inverse)[0]
        got = case.result(inverse)[0].cpu().double()
        error = magnitude(subject, apart(subject, not inverse, got, exact))
        valid = per_row(case.valid(inverse), subject.elementwise)
        least = u * (1 + magnitude(subject, exact))

        def explain(row: int, got: Tensor = got, exact: Tensor = exact) -> str:
            worst = int((got[row] - exact[row]).abs().flatten().nan_to_num(nan=torch.inf).argmax())
            return pair(
                got[row].flatten()[worst].item(), exact[row].flatten()[worst].item(), "in float64"
            )

        yield from rounding_violations(
            error,
            value_unit(case, inverse),
            valid,
            DIRECTIONS[inverse],
            least=least,
            latent=inverse,
            explain=explain,
        )
