"""Laws of rows and elements: they do not depend on their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import FIRST, Effort, unit_roundoff
from invbench.laws.judging.rounding import rounding_violations
from invbench.laws.judging.units import log_det_unit, value_unit
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import is_real
from invbench.laws.statements.comparison import DIRECTIONS, differs
from invbench.laws.subject import Subject

POISONS = (torch.nan, 1e30)
SIZES = (1, 2, 7)
LARGE = 1031  # rows of a batch that may take a path of its own


@law(
    "row-independence",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch without the poisoned row, within 30 rounding units",
)
def row_independence(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Row i of the result depends on row i alone. With another row set to NaN or 1e30 (in a space
    with edges, to another value), the rest moves by at most 30 rounding units: a matrix product may
    round differently."""
    if case.x.shape[0] < 3:
        return
    rest = torch.arange(1, case.x.shape[0])
    for inverse in subject.directions:
        v = case.inputs(inverse)
        free = (
            is_real(subject.space(inverse))
            and not subject.image
            and subject.declaration.tolerance is None
        )
        poisons = (
            POISONS if free else (None,)
        )  # an iteration may stop when the batch has converged, which NaN never does
        for poison in poisons:
            poisoned = v.clone()
            if poison is None:
                poisoned[0] = v[1:].flip(0)[0]
            else:
                poisoned[0] = (
                    min(poison, torch.finfo(subject.dtype).max / 8) if poison == poison else poison
                )
            got = _beside(subject, inverse, poisoned, v, case.cond)
            what = (
                f"{DIRECTIONS[inverse]} beside a row of "
                f"{'other values' if poison is None else format(poison, 'g')}"
            )
            violations = list(differs(case, inverse, (got[0][rest], got[1][rest]), what, rest))
            yield from violations
            if any(isinstance(f, Violation) for f in violations):
                break


def _beside(
    subject: Subject, inverse: bool, poisoned: Tensor, v: Tensor, cond: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The result beside a poisoned row; beside another row where the layer refuses such numbers,
    which it may."""
    with torch.no_grad():
        try:
            return subject.direction(inverse)(poisoned, cond)
        except Exception:
            poisoned[0] = v[1:].flip(0)[0]
            return subject.direction(inverse)(poisoned, cond)


def _others_unit(case: LawCase, inverse: bool, rows: Tensor, effort: Effort = FIRST) -> Tensor:
    return value_unit(case, inverse)(rows, effort)[:, 1:]


def _others_log_unit(case: LawCase, inverse: bool, rows: Tensor, effort: Effort = FIRST) -> Tensor:
    return log_det_unit(case, inverse, effort=effort)[rows, None].expand(-1, case.x.shape[1] - 1)


@law(
    "element-independence",
    needs=("elementwise",),
    scope="value-independent",
    reference="the call without NaN, within 30 rounding units",
)
def element_independence(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A coupling is elementwise: with element 0 of every row and its parameters set to NaN, all
    other elements keep their value and slope, within 30 rounding units."""
    assert case.cond is not None
    poison = torch.nan if subject.declaration.tolerance is None else 0.25
    cond = case.cond.clone()
    cond[..., 0] = poison
    for inverse in subject.directions:
        x = case.inputs(inverse).clone()
        x[:, 0] = poison
        with torch.no_grad():
            got = subject.log_slopes(x, cond, inverse)
        units = (partial(_others_unit, case, inverse), partial(_others_log_unit, case, inverse))
        for a, b, unit, what in zip(
            case.elementwise(inverse), got, units, ("value", "log-slope"), strict=True
        ):
            error = (b - a)[:, 1:].cpu().double().abs()
            valid = a[:, 1:].isfinite().cpu()
            what = f"{DIRECTIONS[inverse]} ({what}) beside NaN"
            yield from rounding_violations(
                error, unit, valid, what, least=unit_roundoff(subject.dtype)
            )


@law(
    "batch-permutation",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch as it was, within 30 rounding units",
)
def batch_permutation(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """f(x[π]) = f(x)[π]: rows in another order give the same rows, within 30 rounding units."""
    order = torch.randperm(case.x.shape[0], generator=torch.Generator().manual_seed(0))
    turned = case.part(order)
    for inverse in subject.directions:
        yield from differs(
            case, inverse, turned.result(inverse), f"{DIRECTIONS[inverse]} of permuted rows", order
        )


@law(
    "batch-size",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch as it was, within 30 rounding units",
)
def batch_size(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A row gives the same result alone, among 2, 7 or 1031 rows, and in the batch of the case,
    within 30 rounding units."""
    n = case.x.shape[0]
    for size in SIZES:
        rows = torch.arange(min(size, n))
        some = case.part(rows)
        for inverse in subject.directions:
            what = f"{DIRECTIONS[inverse]} of a batch of {size}"
            yield from differs(case, inverse, some.result(inverse), what, rows)
    if case.x[:1].numel() * LARGE <= 2**20 and not subject.slow:
        many = case.part(torch.arange(LARGE) % n)
        for inverse in subject.directions:
            got = many.result(inverse)
            yield from differs(
                case,
                inverse,
                (got[0][:n], got[1][:n]),
                f"{DIRECTIONS[inverse]} of a batch of {LARGE}",
            )
