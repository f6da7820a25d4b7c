"""Laws of the log-determinant: against two references, of the inverse, in the dtype, called
twice."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import (
    FIRST,
    SLACK,
    Effort,
    log_det_spread,
    magnitude,
    rounding_scale,
    unit_roundoff,
)
from invbench.laws.judging.overflow import overflows
from invbench.laws.judging.relation import pair, pattern_of
from invbench.laws.judging.rounding import per_row, rounding_violations
from invbench.laws.judging.two_references import against_references, jacobian_rows, log_of
from invbench.laws.judging.units import log_slope_unit
from invbench.laws.law import Tally, Violation, law
from invbench.laws.subject import Subject

COARSE = 1e-3  # in units of the data
U = unit_roundoff(torch.float64)


@law(
    "log-det",
    needs=("log-det", "deterministic"),
    reference="log|det| of the Jacobian by autograd in float64, its error D·32u·(‖J‖ + |z| + "
    "1)/σmin and the spread at neighbours; "
    "what it accuses a second one must confirm: differences of values, or the children of "
    "a chain one by one",
    trusts="values and their gradients, which the laws round-trip and gradients look at",
)
def log_det_is_that_of_the_map(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """log_det = log|det ∂z/∂x| on the float64 reference, within 1e-8 relative and the change of
    log_det under rounding of x. For a layer, rounding of its weights to the dtype is allowed too:
    it moves the determinant of an orthogonal matrix by some D·u. A row whose reference may be off
    by 0.1 % decides nothing."""
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    if not subject.elementwise:
        rows = jacobian_rows(x)
        x, cond = x[:rows], None if cond is None else cond[:rows]
    yield from against_references(
        subject, reference, x, cond, lambda: log_of(reference, x, cond), "forward"
    )


@law(
    "inverse-log-det",
    needs=("log-det", "inverse", "deterministic"),
    reference=(
        "the other direction's log_det on the float64 reference; its error is the effect of "
        "rounding the point on both"
    ),
    trusts="nothing: if the two contradict each other, one of them is wrong",
)
def inverse_log_det(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """The inverse's log_det at forward(x) is minus the forward log_det, on the float64 reference,
    within rounding of both and of the point. Rows of a layer whose rounding unit exceeds 1e-3 are
    left out: there a float grid coarser than a spline's box decides whether an element is
    inside."""
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    z, forward = case.exact_elementwise(False)
    backward = case.once("inverse's log at forward(x)", lambda: log_of(reference, z, cond, True))
    elements = 1 if subject.elementwise else max(1, case.x[0:1].numel())
    tolerance = subject.declaration.tolerance or 0.0
    least = (U * elements + 4 / SLACK * tolerance * elements) * (1 + forward.abs())

    def unit(rows: Tensor, effort: Effort = FIRST) -> Tensor:
        some = None if cond is None else cond[rows]
        with torch.no_grad():
            of_point = U * rounding_scale(reference, x[rows], some, U, effort=effort)
            there = log_det_spread(
                reference,
                x[rows],
                some,
                U * (magnitude(reference, x[rows]) + 1),
                False,
                effort=effort,
            )
            moved = of_point + tolerance * (1 + magnitude(reference, z[rows]))
            back = log_det_spread(reference, z[rows], some, moved, True, effort=effort)
        coarse = (
            torch.zeros_like(of_point)
            if subject.elementwise
            else torch.where(of_point < COARSE, 0.0, torch.inf)
        )
        return least[rows] + there + back + coarse

    valid = per_row(case.valid(False), subject.elementwise)
    error = (forward + backward).abs()
    if (lost := ~error.reshape(len(error), -1).isfinite().all(1)).any():
        excused = overflows(reference, True, z, cond, lost)
        valid = valid & ~excused.reshape(-1, *[1] * (valid.ndim - 1))

    def explain(row: int) -> str:
        at = int(error[row].flatten().nan_to_num(nan=torch.inf).argmax())
        a, b = forward[row].flatten()[at].item(), backward[row].flatten()[at].item()
        shared = pattern_of(backward, -forward, error > 1e-6 * (1 + forward.abs()), x)
        said = (
            "the same sign"
            if abs(a - b) <= 1e-6 * (1 + abs(a)) and abs(a) > 1e-9
            else pair(b, -a, "minus forward's")
        )
        return f"forward {a:.9g}, inverse {b:.9g}: {said}" + (f"; {shared}" if shared else "")

    yield from rounding_violations(
        error, unit, valid, "log_det of the inverse", least=least, explain=explain
    )


@law(
    "log-det-accuracy",
    needs=("wider", "log-det", "value-by-value"),
    reference=(
        "log_det of the float64 reference, whose truth is the law log-det; its error is what "
        "rounding of x and of the weights does to it"
    ),
    trusts="the reference's smoothness",
)
def log_det_accuracy(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """log_det in the dtype, of both directions, agrees with the float64 reference within 30
    rounding units: log(1 − tanh²) is right on paper and −inf at x = 9.5."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        got, exact = case.elementwise(inverse)[1].cpu().double(), case.exact_elementwise(inverse)[1]
        if not subject.elementwise and got.shape != exact.shape:
            return
        elements = 1 if subject.elementwise else max(1, case.x[:1].numel())
        least = u * (1 + exact.abs()) * elements
        fine = (
            case.valid(inverse)
            if case.subject.invertible and case.subject.image
            else case.representable(case.exact(inverse)[0])
        )
        valid = (
            case.representable(exact) & per_row(fine, subject.elementwise) & (not case.far_range)
        )
        valid &= per_row(
            case.representable(case.float64_inputs(inverse)[0], latent=inverse), subject.elementwise
        )

        def unit(
            rows: Tensor, effort: Effort = FIRST, inverse: bool = inverse, least: Tensor = least
        ) -> Tensor:
            return least[rows] + log_slope_unit(case.part(rows), inverse, effort=effort)

        def explain(row: int, got: Tensor = got, exact: Tensor = exact) -> str:
            at = int((got[row] - exact[row]).abs().flatten().nan_to_num(nan=torch.inf).argmax())
            return pair(
                got[row].flatten()[at].item(), exact[row].flatten()[at].item(), "in float64"
            )

        what = f"log_det of {'inverse' if inverse else 'forward'}"
        yield from rounding_violations(
            (got - exact).abs(), unit, valid, what, least=least, latent=inverse, explain=explain
        )


@law(
    "composed-log-det",
    needs=("log-det", "real", "deterministic"),
    scope="value-independent",
    reference="as log-det, at the point of the second call",
)
def composed_log_det(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Applied to its own result, a layer gives the log_det of the map at that point. A layer that
    adds up log_det in a buffer, or keeps it from the last call, breaks this."""
    if not subject.same_space:
        return
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    rows = len(x) if subject.elementwise else jacobian_rows(x)
    x, cond = x[:rows], None if cond is None else cond[:rows]
    with torch.no_grad():
        middle = reference.forward(x, cond)[0]

    def second() -> Tensor:
        log_of(reference, x, cond)
        return log_of(reference, middle, cond)

    yield from against_references(subject, reference, middle, cond, second, "a second call")
