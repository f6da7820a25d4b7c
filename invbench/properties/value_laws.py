"""Laws of value: round trips, log-determinants, finiteness, accuracy, monotonicity."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.properties.conditioning import (
    SLACK,
    log_det_spread,
    magnitude,
    rounding_scale,
    unit_roundoff,
    value_spread,
)
from invbench.properties.law import Case, Violation, law
from invbench.properties.subject import Subject

COARSE = 1e-3  # in units of the data
LOST = 1e4  # a sound round trip that loses more than this many u is reported as ill-conditioned


def representable(v: Tensor, dtype: torch.dtype) -> Tensor:
    """Exact values that ``dtype`` can hold with room for an intermediate factor of four."""
    return v.isfinite() & (v.abs() <= torch.finfo(dtype).max / 4)


def _worst(
    subject: Subject, error: Tensor, unit: Tensor, valid: Tensor, natural: Tensor, what: str
) -> Iterator[Violation]:
    """A defect where error > SLACK·unit; else ill-conditioned where error > LOST·natural. NaN errors count as infinite."""
    if not error.numel():
        return
    error = torch.where(valid, error.nan_to_num(nan=torch.inf), torch.zeros_like(error))
    ratio = torch.where(error > 0, error / unit, torch.zeros_like(error)).nan_to_num(nan=0.0, posinf=torch.inf)
    at = int(ratio.argmax())
    row = at // max(1, ratio[0].numel())
    if ratio.flatten()[at] > SLACK:
        yield Violation(
            ratio.flatten()[at].item(),
            SLACK,
            f"{what} is off by {error.flatten()[at].item():.3g}, {ratio.flatten()[at].item():.3g} times what rounding explains",
            row=row,
        )
        return
    lost = (error / natural).nan_to_num(nan=0.0)
    at = int(lost.argmax())
    if lost.flatten()[at] > LOST:
        yield Violation(
            lost.flatten()[at].item(),
            LOST,
            f"{what} loses {lost.flatten()[at].item():.3g} u, all of it explained by the conditioning of the map",
            kind="ill-conditioned",
            row=at // max(1, lost[0].numel()),
        )


def _round_trip(subject: Subject, case: Case, inverse_first: bool, what: str) -> Iterator[Violation]:
    there, back = (subject.inverse, subject.forward) if inverse_first else (subject.forward, subject.inverse)
    u = unit_roundoff(subject.dtype)
    with torch.no_grad():
        middle, _ = there(case.x, case.cond)
        returned, _ = back(middle, case.cond)
        twin = subject.twin()
        x, cond = case.double()
        exact, _ = (twin.inverse if inverse_first else twin.forward)(x, cond)
        scale = rounding_scale(twin, x, cond, u, inverse_first)
        wide = middle.cpu().double()
        moved = value_spread(twin, wide, cond, u * scale, not inverse_first)
        natural = u * (magnitude(subject, x) + 1)
        # the way back rounds as well: its own scale at the middle point
        unit = natural + moved + u * rounding_scale(twin, wide, cond, u, not inverse_first)
        valid = representable(exact, subject.dtype) & representable(x, subject.dtype)
        if not subject.elementwise:
            valid = valid.flatten(1).all(1)
        error = magnitude(subject, returned.cpu().double() - x)
    yield from _worst(subject, error, unit, valid, natural, what)


@law("round-trip-x")
def round_trip_x(subject: Subject, case: Case) -> Iterator[Violation]:
    """inverse(forward(x)) = x within 30 times what rounding and the conditioning of the inverse explain."""
    yield from _round_trip(subject, case, False, "inverse(forward(x))")


@law("round-trip-z")
def round_trip_z(subject: Subject, case: Case) -> Iterator[Violation]:
    """forward(inverse(z)) = z within 30 times what rounding and the conditioning of the forward map explain: a
    backward-error test that a wrong root cannot pass."""
    yield from _round_trip(subject, case, True, "forward(inverse(z))")


@law("accuracy", needs=("wider",))
def accuracy(subject: Subject, case: Case) -> Iterator[Violation]:
    """Forward and inverse agree with the float64 twin within 30 rounding units: no precision is lost on the way."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    x, cond = case.double()
    for inverse, what in ((False, "forward"), (True, "inverse")):
        with torch.no_grad():
            value, _ = (subject.inverse if inverse else subject.forward)(case.x, case.cond)
            exact, _ = (twin.inverse if inverse else twin.forward)(x, cond)
            unit = u * rounding_scale(twin, x, cond, u, inverse)
            valid = representable(exact, subject.dtype)
            if not subject.elementwise:
                valid = valid.flatten(1).all(1)
            error = magnitude(subject, value.cpu().double() - exact)
        yield from _worst(subject, error, unit, valid, torch.full_like(error, torch.inf), what)


@law("log-det")
def log_det_matches_autograd(subject: Subject, case: Case) -> Iterator[Violation]:
    """log_det = log|det ∂z/∂x| by autograd, in float64, within 1e-8 relative plus the change of log_det under rounding of x; for a
    layer also under rounding of its weights to the dtype, which moves an orthogonal matrix's determinant by some D·u."""
    twin = subject.twin()
    x, cond = case.double()
    if not subject.elementwise:
        x, cond = x[:64], None if cond is None else cond[:64]
    x = x.requires_grad_()
    delta = unit_roundoff(torch.float64) * (magnitude(twin, x.detach()) + 1)
    if subject.elementwise:
        y, log_det = twin.log_slopes(x, cond)
        slope = _gradient(y.sum(), x)
        exact = slope.abs().log()
    else:
        z, log_det = twin.forward(x, cond)
        rows = [_gradient(column.sum(), x).flatten(1) for column in z.flatten(1).unbind(1)]
        exact = torch.linalg.slogdet(torch.stack(rows, 1))[1] if x.shape[0] else log_det
    of_weights = 0.0 if subject.elementwise else unit_roundoff(subject.dtype) * x[0:1].numel()
    with torch.no_grad():
        unit = of_weights + 1e-8 / SLACK * (1 + exact.abs()) + log_det_spread(twin, x.detach(), cond, delta, False)
        valid = exact.isfinite() & (exact.abs() < 600)
        error = (log_det - exact).abs().detach()
    yield from _worst(subject, error, unit, valid, torch.full_like(error, torch.inf), "log_det against autograd")


def _gradient(scalar: Tensor, x: Tensor) -> Tensor:
    if not scalar.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(scalar, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


@law("inverse-log-det")
def inverse_log_det(subject: Subject, case: Case) -> Iterator[Violation]:
    """The inverse's log_det at forward(x) is minus the forward one, within rounding of both and of the point. Rows of a layer whose
    rounding unit exceeds 1e-3 are left out: there a float grid coarser than a spline's box decides whether an element is in it."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    x, cond = case.double()
    with torch.no_grad():
        if subject.elementwise:
            z, forward = subject.log_slopes(case.x, case.cond)
            _, backward = subject.log_slopes(z, case.cond, inverse=True)
        else:
            z, forward = subject.forward(case.x, case.cond)
            _, backward = subject.inverse(z, case.cond)
        wide = z.cpu().double()
        scale = rounding_scale(twin, x, cond, u)
        unit = (
            u * (1 + forward.cpu().double().abs()) * max(1, case.x[0:1].numel() if not subject.elementwise else 1)
            + log_det_spread(twin, wide, cond, u * scale, True)
            + log_det_spread(twin, x, cond, u * (magnitude(twin, x) + 1), False)
        )
        valid = representable(wide, subject.dtype)
        if not subject.elementwise:
            valid = valid.flatten(1).all(1) & (u * scale < COARSE)
        error = (forward + backward).cpu().double().abs()
    yield from _worst(subject, error, unit, valid, torch.full_like(error, torch.inf), "log_det of the inverse")


@law("finite")
def finite(subject: Subject, case: Case) -> Iterator[Violation]:
    """Finite in, finite out, wherever the exact result (of the float64 twin) is representable; never NaN in float64, and no
    infinite log_det beside a finite value there."""
    twin = subject.twin()
    x, cond = case.double()
    for inverse, what in ((False, "forward"), (True, "inverse")):
        with torch.no_grad():
            value, log_det = (subject.inverse if inverse else subject.forward)(case.x, case.cond)
            value, log_det = value.cpu(), log_det.cpu()
            exact, exact_log_det = (twin.inverse if inverse else twin.forward)(x, cond)
            bad = exact.isnan() | (exact.isfinite() & ~_per_element(exact_log_det, exact).isfinite())
            if subject.dtype != torch.float64:
                due = representable(exact, subject.dtype) & _per_element(
                    representable(exact_log_det, subject.dtype), value
                )
                bad = bad | (due & ~(value.isfinite() & _per_element(log_det, value).isfinite()))
        if bad.any():
            row = int(bad.flatten(1).any(1).int().argmax())
            yield Violation(
                float(bad.sum()), 0.0, f"{what} is not finite on {int(bad.sum())} of {bad.numel()} elements", row=row
            )


def _per_element(per_row: Tensor, like: Tensor) -> Tensor:
    return per_row.reshape(-1, *[1] * (like.ndim - 1)).expand_as(like)


@law("monotone", needs=("elementwise",))
def monotone(subject: Subject, case: Case) -> Iterator[Violation]:
    """c is monotone on a sorted grid and between adjacent floats, up to 30 rounding units; and so is its inverse."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    assert case.cond is not None
    # the same parameters for every point of the grid: one parameter set per column
    x = torch.cat((case.x, torch.nextafter(case.x, torch.full_like(case.x, torch.inf)))).sort(0).values
    cond = case.cond[:1].expand(x.shape[0], *case.cond.shape[1:])
    wide_x, wide_cond = x.cpu().double(), cond.cpu().double()
    for inverse, what in ((False, "forward"), (True, "inverse")):
        with torch.no_grad():
            y = subject.log_slopes(x, cond, inverse)[0].cpu().double()
            steps = y[1:] - y[:-1]
            steps = steps * torch.where(y[-1:] < y[:1], -1.0, 1.0)
            scale = rounding_scale(twin, wide_x, wide_cond, u, inverse)
            unit = u * torch.maximum(scale[1:], scale[:-1])
            valid = steps.isfinite() & unit.isfinite()
        yield from _worst(
            subject, (-steps).clamp(min=0), unit, valid, torch.full_like(steps, torch.inf), f"order of {what}"
        )
