"""Laws of finiteness: finite numbers in, finite numbers out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.cases.trace import first_bad
from invbench.laws.judging.overflow import overflows
from invbench.laws.judging.reference import by_autograd
from invbench.laws.law import NEEDS, Tally, Violation, law
from invbench.laws.statements.accuracy import accuracy
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.subject import Subject

EXTREMES = (7, 14, 30, 100)  # powers of 2 that the condition is set to


@law(
    "finite",
    reference="the float64 reference, and the first torch function whose result is not finite",
)
def finite(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Finite in, finite out, wherever the exact result (of the float64 reference) is representable.
    In float64 nothing is NaN, and no log_det is infinite beside a finite value. No fault are
    numbers that are too large for float64 on the way, and in a layer |x| beyond 2²⁰ and weights
    that make hidden values overflow: the law ``far-range`` reports these."""
    if case.far_range:
        return
    yield from _finite(
        subject, case, excuse_overflow=not subject.elementwise and case.recipe.weights != "initial"
    )


@law("far-range", category="capability", needs=("layer",), reference="as finite")
def far_range(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A layer stays finite and accurate at |x| beyond 2²⁰ too, wherever the exact result is
    representable. A mean of squares in a conditioner (layer norm, attention) overflows there;
    declare ``data_range`` where such data do not exist."""
    if case.far_range:
        near = LawCase(
            subject,
            replace(case.recipe, log2_scale=0),
            case.x,
            case.cond,
            None if case.z is case.x else case.z,
        )
        yield from _finite(subject, near, excuse_overflow=False)
        if NEEDS["value-by-value"](subject):
            yield from (said for said in accuracy(subject, near) if isinstance(said, Violation))


def _finite(subject: Subject, case: LawCase, excuse_overflow: bool) -> Iterator[Violation | Tally]:
    for inverse in subject.directions:
        exact, exact_log = case.exact(inverse)
        inside = (
            case.representable(case.float64_inputs(inverse)[0], latent=inverse).flatten(1).all(1)
        )
        bad_value = exact.isnan()
        bad_log = exact.isfinite() & ~_per_element(exact_log, exact).isfinite()
        if not subject.has_log_det:
            bad_log = torch.zeros_like(bad_log)
        if bad_log.any():
            bad_log &= ~_per_element(
                _singular_points(case, inverse, bad_log.flatten(1).any(1)), exact
            )
        bad = (bad_value | bad_log) & _per_element(inside, exact)
        bad &= ~_per_element(
            overflows(
                subject.float64_reference(),
                inverse,
                *case.float64_inputs(inverse),
                bad.flatten(1).any(1),
            ),
            exact,
        )
        missing = _missing(case, inverse) & _per_element(inside, exact)
        if excuse_overflow:
            missing &= ~_per_element(
                overflows(
                    subject, inverse, *case.float64_inputs(inverse), missing.flatten(1).any(1)
                ),
                exact,
            )
        yield from _not_finite(bad, case, inverse, DIRECTIONS[inverse], reference=True)
        yield from _not_finite(missing & ~bad, case, inverse, DIRECTIONS[inverse], reference=False)


def _singular_points(case: LawCase, inverse: bool, rows: Tensor) -> Tensor:
    """Rows at which the map itself has slope 0 or ∞ and beside which log_det is finite, as x³ at
    0."""
    reference, excused = case.subject.float64_reference(), torch.zeros_like(rows)
    v, cond = case.float64_inputs(inverse)
    for row in rows.nonzero()[:16, 0].tolist():
        some = None if cond is None else cond[row : row + 1]

        def value(x: Tensor, some: Tensor | None = some) -> Tensor:
            return reference.direction(inverse)(x, some)[0]

        log = by_autograd(value, v[row : row + 1], 0).value
        beside = [
            case.call(reference, inverse, v[row : row + 1] + k * 1e-3 * (1 + v[row].abs()), some)[1]
            for k in (-1.0, 1.0, 0.7)
        ]
        excused[row] = not log.isfinite().all() and all(b.isfinite().all() for b in beside)
    excused[rows.nonzero()[16:, 0]] = bool(excused.any())
    return excused


@law(
    "extreme-conditions",
    needs=("real-condition", "elementwise"),
    scope="value-independent",
    reference="the float64 reference",
)
def extreme_conditions(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A coupling with raw parameters of ±2⁷ … ±2¹⁰⁰ does not raise, and gives a finite result
    wherever that of the float64 reference is finite and representable: a network may output
    anything."""
    yield from _under_extremes(subject, case)


@law(
    "extreme-layer-conditions",
    category="capability",
    needs=("real-condition", "layer"),
    scope="value-independent",
    reference="the float64 reference",
)
def extreme_layer_conditions(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A layer with a condition of ±2⁷ … ±2¹⁰⁰ does not raise, and gives a finite result wherever
    that of the float64 reference is finite and representable."""
    yield from _under_extremes(subject, case)


def _under_extremes(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    assert case.cond is not None
    sign = torch.where(case.cond < 0, -1.0, 1.0).to(case.cond)
    for power in EXTREMES:
        size = min(2.0**power, torch.finfo(subject.dtype).max / 8)
        extreme = LawCase(subject, case.recipe, case.x, sign * size)
        for inverse in subject.directions:
            what = f"{DIRECTIONS[inverse]} under a condition of ±2^{power}"
            yield from _not_finite(
                _missing(extreme, inverse), extreme, inverse, what, reference=False
            )


def _missing(case: LawCase, inverse: bool) -> Tensor:
    """Where the exact result is representable and ours is not finite. For a layer the whole row
    must be representable: where one element overflows, so do the hidden values of the others and of
    the log_det."""
    if case.subject.dtype == torch.float64:
        return torch.zeros_like(case.exact(inverse)[0], dtype=torch.bool)
    exact_log, (value, log_det) = case.exact(inverse)[1], (v.cpu() for v in case.result(inverse))
    due = case.valid(inverse)
    if not case.subject.elementwise:
        due = _per_element(due.flatten(1).all(1), value)
    ours = value.isfinite()
    if case.subject.has_log_det:
        due = due & _per_element(case.representable(exact_log), value)
        ours = ours & _per_element(log_det, value).isfinite()
    return due & ~ours


def _not_finite(
    bad: Tensor, case: LawCase, inverse: bool, what: str, reference: bool
) -> Iterator[Violation]:
    if not bad.any():
        return
    row = int(bad.flatten(1).any(1).int().argmax())
    value, log_det = (v.cpu() for v in (case.exact(inverse) if reference else case.result(inverse)))
    exact, exact_log = case.exact(inverse)
    which = "value" if not value[row].isfinite().all() else "log_det"
    got = value[row].flatten() if which == "value" else log_det[row].reshape(1)
    right = exact[row].flatten() if which == "value" else exact_log[row].reshape(1)
    at = int((~got.isfinite()).int().argmax())
    subject = case.subject.float64_reference() if reference else case.subject
    v = case.float64_inputs(inverse)[0][row : row + 1].to(subject.device, subject.dtype)
    cond = None if case.cond is None else case.cond[row : row + 1].to(subject.device, subject.dtype)
    source = first_bad(lambda: subject.direction(inverse)(v, cond))
    rows = int(bad.flatten(1).any(1).sum())
    message = f"the {which} of {what} is {got[at].item():g} on {rows} of {len(bad)} rows"
    message += " in float64 too" if reference else f", in float64 {right[at].item():.9g}"
    if source:
        message += f"; the first number that is not finite comes from {source}"
    yield Violation(float(bad.sum()), 0.0, message, row=row, latent=inverse)


def _per_element(per_row: Tensor, like: Tensor) -> Tensor:
    return per_row.reshape(-1, *[1] * (like.ndim - 1)).expand_as(like)
