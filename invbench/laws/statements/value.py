"""Laws of value: round trips, accuracy, finiteness, order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.declaration import Circle
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.trace import first_bad
from invbench.laws.judging.conditioning import (
    FIRST,
    Effort,
    magnitude,
    rounding_scale,
    unit_roundoff,
)
from invbench.laws.judging.overflow import overflows
from invbench.laws.judging.reference import by_autograd
from invbench.laws.judging.relation import pair
from invbench.laws.judging.verdict import per_row, rounding_violations
from invbench.laws.law import NEEDS, Tally, Violation, law
from invbench.laws.space import unwrapped
from invbench.laws.statements.log_det import against_references, log_of
from invbench.laws.subject import Subject

EXTREMES = (7, 14, 30, 100)  # powers of 2 that the condition is set to
NAMES = ("forward", "inverse")


def apart(subject: Subject, latent: bool, a: Tensor, b: Tensor) -> Tensor:
    """a − b; between angles, the short way round."""
    space = unwrapped(subject.space(latent))
    if isinstance(space, Circle):
        return torch.remainder(a - b + space.period / 2, space.period) - space.period / 2
    return a - b


def undoes(case: LawCase, inverse: bool) -> Iterator[Violation | Tally]:
    """A direction against the other one of the float64 reference, which must give its input back; and
    the loss of a round trip."""
    subject = case.subject
    what = "inverse(forward(x))" if not inverse else "forward(inverse(z))"
    v = case.wide(inverse)[0]
    u = unit_roundoff(subject.dtype)
    natural = u * (magnitude(subject, v) + 1)
    back = case.undone(inverse)[0]
    error = magnitude(subject, apart(subject, inverse, back, v))
    valid = per_row(case.valid(inverse), subject.elementwise) & per_row(
        case.representable(v), subject.elementwise
    )
    lost = ~back.reshape(len(v), -1).isfinite().all(1)
    if (suspects := lost & valid.reshape(len(v), -1).any(1)).any():
        # what is too large on the way back, or is 0 times that, is the design's; a root of a
        # negative number is not
        excused = overflows(
            subject.float64_reference(),
            not inverse,
            case.slopes(inverse)[0].cpu().double(),
            case.double()[1],
            suspects,
        )
        valid &= ~excused.reshape(-1, *[1] * (valid.ndim - 1))
    ours = magnitude(subject, apart(subject, inverse, case.back(inverse)[0].cpu().double(), v))
    loss = torch.where(valid, ours, torch.zeros_like(ours))

    def explain(row: int) -> str:
        worst = int(
            (apart(subject, inverse, back[row], v[row]).abs())
            .flatten()
            .nan_to_num(nan=torch.inf)
            .argmax()
        )
        return pair(back[row].flatten()[worst].item(), v[row].flatten()[worst].item())

    found = list(
        rounding_violations(
            error,
            case.undone_unit(inverse),
            valid,
            what,
            None,
            least=natural,
            latent=inverse,
            explain=explain,
        )
    )
    yield from found
    if not any(isinstance(said, Violation) for said in found):
        yield from _ill_conditioned(loss, natural, what, inverse)


def _ill_conditioned(lost: Tensor, natural: Tensor, what: str, latent: bool) -> Iterator[Violation]:
    """Own round trips that lose digits: never a defect here, since the two directions have been
    judged one by one."""
    found = list(
        rounding_violations(
            lost, torch.full_like(lost, torch.inf), lost.isfinite(), what, natural, latent=latent
        )
    )
    yield from (f for f in found if isinstance(f, Violation))


def _random(subject: Subject, case: LawCase, inverse: bool) -> bool:
    """Whether this direction gives something else when it is called again."""
    return bool(subject.declaration.stochastic) and not torch.equal(
        case.ours(inverse)[0], case._call(subject, inverse, case.inputs(inverse), case.cond)[0]
    )


@law(
    "round-trip-x",
    needs=("inverse",),
    reference=(
        "the inverse of the float64 reference, asked about forward's result; its error is its "
        "own conditioning there"
    ),
    trusts=(
        "that forward and inverse of the reference are not wrong alike; log-det and noise look at that"
    ),
)
def round_trip_x(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """inverse(forward(x)) = x, forward in the dtype and inverse on the float64 reference, within 30
    times what the inverse makes of the rounding of forward(x)."""
    if not _random(subject, case, True):
        yield from undoes(case, False)


@law(
    "round-trip-z",
    needs=("inverse",),
    reference=(
        "forward of the float64 reference, asked about inverse's result; its error is its own "
        "conditioning there"
    ),
    trusts=(
        "that forward and inverse of the reference are not wrong alike; log-det and noise look at that"
    ),
)
def round_trip_z(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """forward(inverse(z)) = z, inverse in the dtype and forward on the float64 reference, within 30
    times what forward makes of the rounding of inverse(z): a backward-error test that a wrong root
    cannot pass."""
    if not _random(subject, case, False):
        yield from undoes(case, True)


@law(
    "surjective",
    needs=("inverse", "real", "deterministic"),
    scope="value-independent",
    reference="forward itself: how far it reaches, under several weights and conditions",
)
def surjective(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Every latent of Rⁿ has a preimage: where inverse is not finite at a normal latent though
    forward is finite everywhere, the image of forward is too small, and a density over Rⁿ that is
    built on it does not integrate to 1."""
    latents = case.z
    value = case.exact(True)[0]
    missing = ~value.flatten(1).isfinite().all(1) & case.wide(True)[0].flatten(1).isfinite().all(1)
    missing &= ~overflows(subject.float64_reference(), True, *case.wide(True), missing)
    if not missing.any() or not case.exact(False)[0].isfinite().all():
        yield Tally(len(latents), len(latents))
        return
    row = int(missing.int().argmax())
    low, high = case.exact(False)[0].min().item(), case.exact(False)[0].max().item()
    message = (
        f"no preimage: inverse is not finite for {int(missing.sum())} of {len(missing)} normal "
        f"latents; forward stays "
        f"between {low:.4g} and {high:.4g}; declare codomain=… if that is meant"
    )
    yield Violation(float(missing.sum()), 0.0, message, row=row, latent=True)


@law(
    "double-precision",
    needs=("wider", "rebuild", "inverse", "deterministic", "exact"),
    scope="value-independent",
    reference="the same round trip in float64, of a layer built in float64",
)
def double_precision(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A float64 caller gets float64 accuracy: inverse(forward(x)) of the same layer, built in
    float64, returns x within 30 rounding units of float64, log_det is float64, and that of the map
    to 1e-10. A constant of float32 or a cast on the way loses half the digits."""
    built = subject.rebuilt(torch.float64)
    x, cond = case.double()
    wide = LawCase(built, case.recipe, x, cond)
    for inverse in subject.directions:
        for out, what in zip(wide.ours(inverse), ("value", "log_det"), strict=True):
            if out.dtype != torch.float64:
                yield Violation(1, 0, f"in float64, the {what} of {NAMES[inverse]} is {out.dtype}")
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
    reference="the float64 reference; its error is 2⁻²⁹ of what is asked",
    trusts="the reference's smoothness: noise that both have is the law noise",
)
def accuracy(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Forward and inverse agree with the float64 reference (on the CPU) within 30 rounding units: no
    precision is lost on the way, on any device."""
    u = unit_roundoff(subject.dtype)
    for inverse in subject.directions:
        exact = case.exact(inverse)[0]
        got = case.ours(inverse)[0].cpu().double()
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
            case.unit(inverse),
            valid,
            NAMES[inverse],
            least=least,
            latent=inverse,
            explain=explain,
        )


@law(
    "finite",
    reference="the float64 reference, and the first torch function whose result is not finite",
)
def finite(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Finite in, finite out, wherever the exact result (of the float64 reference) is representable;
    never NaN in float64, and no infinite log_det beside a finite value there. Numbers that are too
    large for float64 on the way are no fault, nor, of a layer, are |x| beyond 2²⁰ or weights that
    make hidden values overflow: the law ``far-range`` says so."""
    if case.far:
        return
    yield from _finite(
        subject, case, excuse_overflow=not subject.elementwise and case.recipe.weights != "initial"
    )


@law("far-range", category="capability", needs=("layer",), reference="as finite")
def far_range(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A layer stays finite and accurate at |x| beyond 2²⁰ too, wherever the exact result is
    representable. A mean of squares in a conditioner (layer norm, attention) overflows there;
    declare ``data_range`` where no such data exist."""
    if case.far:
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
        inside = case.representable(case.wide(inverse)[0], latent=inverse).flatten(1).all(1)
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
                subject.float64_reference(), inverse, *case.wide(inverse), bad.flatten(1).any(1)
            ),
            exact,
        )
        missing = _missing(case, inverse) & _per_element(inside, exact)
        if excuse_overflow:
            missing &= ~_per_element(
                overflows(subject, inverse, *case.wide(inverse), missing.flatten(1).any(1)), exact
            )
        yield from _not_finite(bad, case, inverse, NAMES[inverse], reference=True)
        yield from _not_finite(missing & ~bad, case, inverse, NAMES[inverse], reference=False)


def _singular_points(case: LawCase, inverse: bool, rows: Tensor) -> Tensor:
    """Rows at which the map itself has slope 0 or ∞ and beside which log_det is finite, as x³ at
    0."""
    reference, excused = case.subject.float64_reference(), torch.zeros_like(rows)
    v, cond = case.wide(inverse)
    for row in rows.nonzero()[:16, 0].tolist():
        some = None if cond is None else cond[row : row + 1]
        log = by_autograd(
            lambda x, some=some: reference.direction(inverse)(x, some)[0], v[row : row + 1], 0
        ).value  # type: ignore[misc]
        beside = [
            case._call(reference, inverse, v[row : row + 1] + k * 1e-3 * (1 + v[row].abs()), some)[
                1
            ]
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
    """A coupling's raw parameters of ±2⁷ … ±2¹⁰⁰ raise nothing, and give a finite result wherever
    that of the float64 reference is finite and representable: a network may output anything."""
    yield from _under_extremes(subject, case)


@law(
    "extreme-layer-conditions",
    category="capability",
    needs=("real-condition", "layer"),
    scope="value-independent",
    reference="the float64 reference",
)
def extreme_layer_conditions(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A condition of ±2⁷ … ±2¹⁰⁰ of a layer raises nothing, and gives a finite result wherever that
    of the float64 reference is finite and representable."""
    yield from _under_extremes(subject, case)


def _under_extremes(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    assert case.cond is not None
    sign = torch.where(case.cond < 0, -1.0, 1.0).to(case.cond)
    for power in EXTREMES:
        size = min(2.0**power, torch.finfo(subject.dtype).max / 8)
        extreme = LawCase(subject, case.recipe, case.x, sign * size)
        for inverse in subject.directions:
            what = f"{NAMES[inverse]} under a condition of ±2^{power}"
            yield from _not_finite(
                _missing(extreme, inverse), extreme, inverse, what, reference=False
            )


def _missing(case: LawCase, inverse: bool) -> Tensor:
    """Where the exact result is representable and ours is not finite. Of a layer, the whole row
    must be: where one element overflows, so do the hidden values that the others and the log_det
    are made of."""
    if case.subject.dtype == torch.float64:
        return torch.zeros_like(case.exact(inverse)[0], dtype=torch.bool)
    exact_log, (value, log_det) = case.exact(inverse)[1], (v.cpu() for v in case.ours(inverse))
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
    value, log_det = (v.cpu() for v in (case.exact(inverse) if reference else case.ours(inverse)))
    exact, exact_log = case.exact(inverse)
    which = "value" if not value[row].isfinite().all() else "log_det"
    got = value[row].flatten() if which == "value" else log_det[row].reshape(1)
    right = exact[row].flatten() if which == "value" else exact_log[row].reshape(1)
    at = int((~got.isfinite()).int().argmax())
    subject = case.subject.float64_reference() if reference else case.subject
    v = case.wide(inverse)[0][row : row + 1].to(subject.device, subject.dtype)
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


@law(
    "monotone",
    needs=("elementwise",),
    reference="the order of floats; rounding by the float64 reference",
)
def monotone(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """c is monotone on a sorted grid and between adjacent floats, up to 30 rounding units; and so
    is its inverse."""
    u = unit_roundoff(subject.dtype)
    reference = subject.float64_reference()
    assert case.cond is not None
    for inverse in subject.directions:
        # the same parameters for every point of the grid: one parameter set per column
        some = case.inputs(inverse)[:256]
        x = (
            torch.cat((some, torch.nextafter(some, torch.full_like(some, torch.inf))))
            .sort(0)
            .values
        )
        cond = case.cond[:1].expand(x.shape[0], *case.cond.shape[1:])
        with torch.no_grad():
            y = subject.log_slopes(x, cond, inverse)[0].cpu().double()
            steps = y[1:] - y[:-1]
            steps = steps * torch.where(y[-1:] < y[:1], -1.0, 1.0)
            unit = _larger_of_neighbours(
                reference, x.cpu().double(), cond.cpu().double(), u, inverse, subject
            )
            said = list(
                rounding_violations(
                    (-steps).clamp(min=0),
                    unit,
                    steps.isfinite(),
                    f"order of {NAMES[inverse]}",
                    least=u,
                )
            )
        yield from said  # outside: what hears it must not go on without gradients


def _larger_of_neighbours(
    reference: Subject, x: Tensor, cond: Tensor, u: float, inverse: bool, subject: Subject
) -> Callable[[Tensor, Effort], Tensor]:
    tolerance = subject.declaration.tolerance or 0.0

    def unit(rows: Tensor, effort: Effort = FIRST) -> Tensor:
        both = torch.cat((rows, rows + 1))
        scale = rounding_scale(reference, x[both], cond[both], u, inverse, effort=effort)
        value = reference.log_slopes(x[both], cond[both], inverse)[0]
        return torch.maximum(*(u * scale + tolerance / 4 * (1 + value.abs())).chunk(2))

    return unit
