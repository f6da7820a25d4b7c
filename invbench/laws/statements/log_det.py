"""Laws of the log-determinant: against two references, of the inverse, called twice, in the dtype,
and of the density it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from invbench.laws.judging.reference import (
    NEIGHBOURS,
    LogDetReference,
    by_autograd,
    by_differences,
    by_parts,
    slope_by_autograd,
    slope_by_differences,
)
from invbench.laws.judging.relation import pair, pattern_of
from invbench.laws.judging.verdict import per_row, rounding_violations
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import unwrapped
from invbench.laws.subject import Subject

COARSE = 1e-3  # in units of the data
ENTRIES = 2**21  # of all Jacobians of a case
ROWS, CONFIRMED = 24, 4  # of a layer, for Jacobians; rows that a second reference is asked about
MANY = 256  # elements, above which each Jacobian counts
DECIDES = 1e-3  # a reference that may be off by more than this share decides nothing
RELATIVE = 1e-8
CELLS, NODES = 512, (4, 8)  # of the quadrature
U = unit_roundoff(torch.float64)


@dataclass(frozen=True)
class Compared:
    """log_dets against a first reference: how far off, what is allowed, and which rows (elements)
    decide."""

    got: Tensor
    first: LogDetReference
    allowed: Tensor

    @property
    def decided(self) -> Tensor:
        return self.first.error <= DECIDES * (1 + self.first.value.abs())

    @property
    def suspects(self) -> Tensor:
        off = (self.got - self.first.value).abs().nan_to_num(nan=torch.inf)
        return self.decided & (off > self.allowed + self.first.error)


def _jacobian_rows(x: Tensor) -> int:
    return max(1, min(ROWS, ENTRIES // max(1, x[:1].numel() ** 2)))


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
    """log_det = log|det ∂z/∂x| on the float64 reference, within 1e-8 relative, the change of log_det
    under rounding of x, and for a layer under rounding of its weights to the dtype, which moves an
    orthogonal matrix's determinant by some D·u. Rows whose reference may be off by 0.1 % decide
    nothing."""
    reference = subject.float64_reference()
    x, cond = case.double()
    if not subject.elementwise:
        rows = _jacobian_rows(x)
        x, cond = x[:rows], None if cond is None else cond[:rows]
    yield from against_references(
        subject, reference, x, cond, lambda: log_of(reference, x, cond), "forward"
    )


def log_of(reference: Subject, x: Tensor, cond: Tensor | None, inverse: bool = False) -> Tensor:
    with torch.no_grad():
        return (
            reference.log_slopes(x, cond, inverse)
            if reference.elementwise
            else reference.direction(inverse)(x, cond)
        )[1]


def against_references(
    subject: Subject,
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    log_det: Callable[[], Tensor],
    what: str,
    relative: float = RELATIVE,
) -> Iterator[Violation | Tally]:
    """What a layer says of log|det J| at x against two references; a defect is spoken when both
    find it wrong."""
    first = (
        slope_by_autograd(reference, x, cond)
        if reference.elementwise
        else _of_layer(reference, x, cond, by_autograd)
    )  # type: ignore[arg-type]
    got = log_det()
    tolerance = subject.declaration.tolerance or 0.0
    of_weights = 0.0 if subject.elementwise else unit_roundoff(subject.dtype) * x[:1].numel()
    allowed = SLACK * of_weights + (relative + 4 * tolerance * x[:1].numel()) * (
        1 + first.value.abs()
    )
    compared = Compared(got, first, allowed)
    decided = compared.decided.reshape(len(x), -1).any(1)
    yield Tally(int(decided.sum()), len(x))
    suspects = compared.suspects.reshape(len(x), -1).any(1).nonzero()[:, 0]
    if not len(suspects):
        return
    off = (got - first.value).abs().nan_to_num(nan=torch.inf).reshape(len(x), -1).amax(1)
    many = x[:1].numel() > MANY
    worst = suspects[off[suspects].argsort(descending=True)[: 1 if many else CONFIRMED]]
    # what cancels inside shows at neighbours; they cost a Jacobian each
    if not subject.elementwise:
        near = _of_layer(
            reference,
            x[worst],
            None if cond is None else cond[worst],
            by_autograd,
            1 if many else NEIGHBOURS,
        )
        first.error[worst] = torch.maximum(first.error[worst], near.error)
    yield from _confirmed(subject, reference, x, cond, compared, worst, what)


def _of_layer(
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    method: Callable[..., LogDetReference],
    neighbours: int = 0,
) -> LogDetReference:
    """The reference of rows together; of a layer whose rows see each other the law row-independence
    speaks."""
    inner, outer = reference.packed(False), reference.packed(True)

    def free(some: Tensor | None) -> Callable[[Tensor], Tensor]:
        def function(v: Tensor) -> Tensor:
            beside = None if some is None else some.expand(len(v), *some.shape[1:])
            return outer.to_free(reference.forward(inner.to_whole(v), beside)[0])

        return function

    x = inner.to_free(x)
    if method is by_autograd:
        return by_autograd(free(cond), x, neighbours)
    found = []
    for row in range(len(x)):
        some = None if cond is None else cond[row : row + 1]
        found.append(by_differences(free(some), x[row : row + 1]))
    return LogDetReference(torch.cat([f.value for f in found]), torch.cat([f.error for f in found]))


def _confirmed(
    subject: Subject,
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    compared: Compared,
    rows: Tensor,
    what: str,
) -> Iterator[Violation]:
    """A violation where a second reference, which knows nothing of the first, finds the log_det
    wrong too."""
    some = None if cond is None else cond[rows]
    got, first, allowed = compared.got[rows], compared.first.value[rows], compared.allowed[rows]
    with torch.no_grad():
        delta = U * (magnitude(reference, x[rows]) + 1)
        spread = SLACK * log_det_spread(reference, x[rows], some, delta, False)
    if reference.elementwise:
        assert some is not None
        seconds, by = [slope_by_differences(reference, x[rows], some)], ""
    else:
        seconds, by = [_of_layer(reference, x[rows], some, by_differences)], ""
        if (parts := by_parts(reference, x[rows], some)) is not None:
            seconds.append(parts[0])
            by = f" (in {parts[1]})" if parts[1] else ""
    for second in seconds:
        off = (got - second.value).abs().nan_to_num(nan=torch.inf)
        agree = (first - second.value).abs() <= off / 2
        sure = (
            (off > allowed + spread + second.error)
            & second.error.isfinite()
            & (agree | ~off.isfinite())
        )
        sure &= compared.suspects[rows]
        if not sure.any():
            continue
        excess = torch.where(sure, off / (allowed + second.error), torch.zeros_like(off))
        at = int(excess.argmax())
        row = int(rows[at // max(1, excess[0].numel())])
        wrong = compared.suspects
        shared = pattern_of(
            compared.got[compared.decided],
            compared.first.value[compared.decided],
            wrong[compared.decided],
            x.new_empty(0),
        )
        if not shared and not reference.elementwise and bool(compared.decided.all()):
            shared = pattern_of(compared.got, compared.first.value, wrong, x)
        both = got.flatten()[at].item(), second.value.flatten()[at].item()
        message = f"log_det of {what}{by}: {pair(*both, 'by differences of values')}"
        yield Violation(
            excess.max().item(), 1.0, message + (f"; {shared}" if shared else ""), row=row
        )
        return


@law(
    "inverse-log-det",
    needs=("log-det", "inverse", "deterministic"),
    reference=(
        "the other direction's log_det on the float64 reference; its error is what rounding of "
        "the point does to both"
    ),
    trusts="nothing: if the two contradict each other, one of them is wrong",
)
def inverse_log_det(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """The inverse's log_det at forward(x) is minus the forward one, on the float64 reference, within
    rounding of both and of the point. Rows of a layer whose rounding unit exceeds 1e-3 are left
    out: there a float grid coarser than a spline's box decides whether an element is in it."""
    reference = subject.float64_reference()
    x, cond = case.double()
    z, forward = case.exact_slopes(False)
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
    """log_det in the dtype, of both directions, agrees with that of the float64 reference within 30
    rounding units: log(1 − tanh²) is right on paper and −inf at x = 9.5."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        got, exact = case.slopes(inverse)[1].cpu().double(), case.exact_slopes(inverse)[1]
        if not subject.elementwise and got.shape != exact.shape:
            return
        elements = 1 if subject.elementwise else max(1, case.x[:1].numel())
        least = u * (1 + exact.abs()) * elements
        fine = (
            case.valid(inverse)
            if case.subject.invertible and case.subject.image
            else case.representable(case.exact(inverse)[0])
        )
        valid = case.representable(exact) & per_row(fine, subject.elementwise) & (not case.far)
        valid &= per_row(
            case.representable(case.wide(inverse)[0], latent=inverse), subject.elementwise
        )

        def unit(
            rows: Tensor, effort: Effort = FIRST, inverse: bool = inverse, least: Tensor = least
        ) -> Tensor:
            return least[rows] + case.part(rows).log_slope_unit(inverse, effort=effort)

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
    """Applied to its own result, a layer's second log_det is that of the map at this point: one
    that accumulates log_det in a buffer, or keeps it from the last call, breaks this."""
    if not subject.same_space:
        return
    reference = subject.float64_reference()
    x, cond = case.double()
    rows = len(x) if subject.elementwise else _jacobian_rows(x)
    x, cond = x[:rows], None if cond is None else cond[:rows]
    with torch.no_grad():
        middle = reference.forward(x, cond)[0]

    def second() -> Tensor:
        log_of(reference, x, cond)
        return log_of(reference, middle, cond)

    yield from against_references(subject, reference, middle, cond, second, "a second call")


@law(
    "density",
    needs=("elementwise", "log-det", "inverse"),
    scope="value-independent",
    reference="the number 1; Gauss–Legendre with 4 and 8 nodes, whose difference bounds its error",
)
def density_integrates_to_one(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """∫ c′(x)·φ(c(x)) dx = 1 with c′ from log_det, φ the standard normal density, in float64:
    Gauss–Legendre in x over 512 cells c⁻¹(z_i), |z| ≤ 8, within 1 % plus ten times the difference
    between 4 and 8 nodes, plus the mass of the cells in which the slope varies by more than a
    factor 2: those the nodes do not resolve. Over a codomain that is declared or assumed nothing is
    asked."""
    if (
        unwrapped(subject.space(True)) is not None
        and type(unwrapped(subject.space(True))).__name__ != "_Real"
    ):
        return
    reference = subject.float64_reference()
    _, cond = case.double()
    assert cond is not None
    cond = cond[:8]
    with torch.no_grad():
        z = torch.linspace(-8, 8, CELLS + 1, dtype=torch.float64)
        parameters = cond[None].expand(CELLS + 1, *cond.shape).flatten(0, 1)
        values = z[:, None, None].expand(CELLS + 1, *cond[:, 0].shape).flatten(0, 1)
        edges, at_edges = (
            v.unflatten(0, (CELLS + 1, -1))
            for v in reference.log_slopes(values, parameters, inverse=True)
        )
        half, middle = (edges[1:] - edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2
        logs = [-at_edges[1:], -at_edges[:-1]]
        totals = []
        for nodes in NODES:
            total = torch.zeros_like(half)
            for point, weight in zip(*_gauss(nodes), strict=True):
                y, log_slope = reference.log_slopes(
                    (middle + half * point).flatten(0, 1), parameters[len(cond) :]
                )
                mass = (log_slope - y**2 / 2).exp() / math.sqrt(2 * math.pi)
                total = total + weight * half.abs() * mass.unflatten(0, (CELLS, -1))
                logs.append(log_slope.unflatten(0, (CELLS, -1)))
            totals.append(total.sum(0))
        stacked = torch.stack(logs)
        varied = stacked.amax(0) - stacked.amin(0) > math.log(2)
        masses = torch.special.ndtr(z).diff()[:, None, None] * varied
    coarse, fine = totals
    allowed = 0.01 + 10 * (fine - coarse).abs() + 2 * masses.sum(0)
    off = (fine - 1).abs()
    usable = edges.isfinite().all(0) & off.isfinite() & (allowed < 0.5)
    yield Tally(int(usable.sum()), usable.numel())
    ratio = torch.where(usable, off / allowed, torch.zeros_like(off))
    if ratio.max() > 1:
        at = int(ratio.argmax())
        message = f"the density integrates to {fine.flatten()[at].item():.6g}, not to 1"
        yield Violation(off.flatten()[at].item(), allowed.flatten()[at].item(), message)


def _gauss(nodes: int) -> tuple[list[float], list[float]]:
    import numpy as np

    points, weights = np.polynomial.legendre.leggauss(nodes)
    return points.tolist(), weights.tolist()
