"""Laws of the log-determinant: against autograd, of the inverse, of a composition, and of the density it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.conditioning import SLACK, log_det_spread, magnitude, unit_roundoff
from invbench.properties.law import Violation, law
from invbench.properties.subject import Subject
from invbench.properties.verdict import beyond_rounding, per_row

COARSE = 1e-3  # in units of the data
ROWS = 64  # of a layer, for Jacobians
REPRESENTABLE_LOG = 600.0  # a slope of e^±600 is a normal float64
CELLS, NODES = 512, (4, 8)  # of the quadrature


def jacobian(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂f/∂x per row, by autograd: (B, D, D)."""
    x = x.detach().clone().requires_grad_()
    z = function(x)
    return torch.stack([_gradient(column.sum(), x).flatten(1) for column in z.flatten(1).unbind(1)], 1)


def _gradient(scalar: Tensor, x: Tensor) -> Tensor:
    if not scalar.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(scalar, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


@law("log-det")
def log_det_matches_autograd(subject: Subject, case: Case) -> Iterator[Violation]:
    """log_det = log|det ∂z/∂x| by autograd, in float64, within 1e-8 relative plus the change of log_det under rounding of x; for a
    layer also under rounding of its weights to the dtype, which moves an orthogonal matrix's determinant by some D·u."""
    twin = subject.twin()
    x, cond = case.double()
    if not subject.elementwise:
        x, cond = x[:ROWS], None if cond is None else cond[:ROWS]
    if subject.elementwise:
        leaf = x.clone().requires_grad_()
        value, log_det = twin.log_slopes(leaf, cond)
        exact = _gradient(value.sum(), leaf).abs().log()
    else:
        log_det = twin.forward(x, cond)[1]
        exact = torch.linalg.slogdet(jacobian(lambda v: twin.forward(v, cond)[0], x))[1]
    of_weights = 0.0 if subject.elementwise else unit_roundoff(subject.dtype) * x[0:1].numel()
    exact = exact.detach()
    least = of_weights + 1e-8 / SLACK * (1 + exact.abs())
    delta = unit_roundoff(torch.float64) * (magnitude(twin, x) + 1)

    def unit(rows: Tensor) -> Tensor:
        some = None if cond is None else cond[rows]
        with torch.no_grad():
            return least[rows] + log_det_spread(twin, x[rows], some, delta[rows], False)

    valid = exact.isfinite() & (exact.abs() < REPRESENTABLE_LOG)
    error = (log_det.detach() - exact).abs()
    yield from beyond_rounding(error, unit, valid, "log_det against autograd", least=least)


@law("inverse-log-det")
def inverse_log_det(subject: Subject, case: Case) -> Iterator[Violation]:
    """The inverse's log_det at forward(x) is minus the forward one, within rounding of both and of the point. Rows of a layer whose
    rounding unit exceeds 1e-3 are left out: there a float grid coarser than a spline's box decides whether an element is in it."""
    u = unit_roundoff(subject.dtype)
    twin = subject.twin()
    x, cond = case.double()
    (z, forward), (_, backward) = case.slopes(False), case.back(False)
    wide = z.cpu().double()
    elements = 1 if subject.elementwise else max(1, case.x[0:1].numel())
    least = u * (1 + forward.cpu().double().abs()) * elements

    def unit(rows: Tensor) -> Tensor:
        some = None if cond is None else cond[rows]
        of_point = case.unit(False)(rows)
        with torch.no_grad():
            there = log_det_spread(twin, x[rows], some, u * (magnitude(twin, x[rows]) + 1), False)
            back = log_det_spread(twin, wide[rows], some, of_point, True)
        coarse = torch.zeros_like(of_point) if subject.elementwise else torch.where(of_point < COARSE, 0.0, torch.inf)
        return least[rows] + there + back + coarse

    valid = per_row(case.representable(wide), subject.elementwise)
    error = (forward + backward).cpu().double().abs()
    yield from beyond_rounding(error, unit, valid, "log_det of the inverse", least=least)


@law("composed-log-det", scope="few")
def composed_log_det(subject: Subject, case: Case) -> Iterator[Violation]:
    """Applied twice, the two log_dets add up to log|det| of the whole by autograd, to 1e-6, in float64: a layer that accumulates
    log_det in a buffer, or keeps it from the last call, breaks this."""
    twin = subject.twin()
    x, cond = case.double()
    x, cond = x[:ROWS], None if cond is None else cond[:ROWS]
    with torch.no_grad():
        middle, first = twin.forward(x, cond)
        _, second = twin.forward(middle, cond)
    exact = torch.linalg.slogdet(jacobian(lambda v: twin.forward(twin.forward(v, cond)[0], cond)[0], x))[1]
    least = 1e-6 / SLACK * (1 + exact.abs())

    def unit(rows: Tensor) -> Tensor:
        found, some = least[rows], None if cond is None else cond[rows]
        with torch.no_grad():
            for v in (x[rows], middle[rows]):
                delta = unit_roundoff(torch.float64) * (magnitude(twin, v) + 1)
                spread = log_det_spread(twin, v, some, delta, False)
                found = found + (spread.flatten(1).sum(1) if subject.elementwise else spread)
        return found

    valid = exact.isfinite() & (exact.abs() < REPRESENTABLE_LOG)
    error = (first + second - exact).abs()
    yield from beyond_rounding(error, unit, valid, "the sum of two log_dets", least=least)


@law("density", needs=("elementwise",), scope="few")
def density_integrates_to_one(subject: Subject, case: Case) -> Iterator[Violation]:
    """∫ c′(x)·φ(c(x)) dx = 1 with c′ from log_det, φ the standard normal density, in float64: Gauss–Legendre in x over 512 cells
    c⁻¹(z_i), |z| ≤ 8, within 1 % plus ten times the difference between 4 and 8 nodes, plus the mass of the cells in which the slope
    varies by more than a factor 2: those the nodes do not resolve."""
    twin = subject.twin()
    _, cond = case.double()
    assert cond is not None
    cond = cond[:8]
    with torch.no_grad():
        z = torch.linspace(-8, 8, CELLS + 1, dtype=torch.float64)
        parameters = cond[None].expand(CELLS + 1, *cond.shape).flatten(0, 1)
        values = z[:, None, None].expand(CELLS + 1, *cond[:, 0].shape).flatten(0, 1)
        edges, at_edges = (v.unflatten(0, (CELLS + 1, -1)) for v in twin.log_slopes(values, parameters, inverse=True))
        half, middle = (edges[1:] - edges[:-1]) / 2, (edges[1:] + edges[:-1]) / 2
        logs = [-at_edges[1:], -at_edges[:-1]]
        totals = []
        for nodes in NODES:
            total = torch.zeros_like(half)
            for point, weight in zip(*_gauss(nodes), strict=True):
                y, log_slope = twin.log_slopes((middle + half * point).flatten(0, 1), parameters[len(cond) :])
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
    usable = edges.isfinite().all(0) & off.isfinite()
    ratio = torch.where(usable, off / allowed, torch.zeros_like(off))
    if ratio.max() > 1:
        at = int(ratio.argmax())
        message = f"the density integrates to {fine.flatten()[at].item():.6g}, not to 1"
        yield Violation(off.flatten()[at].item(), allowed.flatten()[at].item(), message)


def _gauss(nodes: int) -> tuple[list[float], list[float]]:
    import numpy as np

    points, weights = np.polynomial.legendre.leggauss(nodes)
    return points.tolist(), weights.tolist()
