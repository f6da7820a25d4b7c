"""Log-determinants by a second way, each with a bound of its own error.

By autograd: J in float64, log|det J| by LU. An entry of J is off by about u·(‖J‖ + |z| + 1); a
slope that is a difference of larger numbers, as that of sigmoid or tanh in a tail, is off by u·|y|.
A change E of J moves log|det J| by at most D·‖E‖/σmin. The spread of the reference at a few
neighbours a rounding away is added, which shows numbers that cancel inside the layer.

By differences: (f(x + h) − f(x − h))/2h, extrapolated from h and h/2. It needs values only; its
error is read from the two steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.laws.judging.jacobian import (
    LARGE,
    SAFETY,
    UNSURE,
    Map,
    U,
    determinants,
    gradient_of,
    jacobian,
)
from invbench.laws.subject import Subject

__all__ = [
    "LogDetReference",
    "by_autograd",
    "by_differences",
    "slope_by_autograd",
    "slope_by_differences",
]

NEIGHBOURS = 5  # points a rounding away, at which the reference is taken again
STEPS = (2.0**-13, 2.0**-17, 2.0**-21)  # of differences, relative to 1 + |x|
REPRESENTABLE_LOG = 600.0  # a slope of e^±600 is a normal float64


@dataclass(frozen=True)
class LogDetReference:
    """log|det J| per row (log-slope per element, for a coupling), a bound of its error, and the
    sign of the determinant."""

    value: Tensor
    error: Tensor
    sign: Tensor | None = None


def by_autograd(function: Map, x: Tensor, neighbours: int = NEIGHBOURS) -> LogDetReference:
    """For the map of a layer, (B, …) → (B, …), in float64. Undecided where J is not square."""
    with torch.no_grad():
        z = function(x).flatten(1)
    j = jacobian(function, x).detach()
    if j.shape[1] != j.shape[2]:
        nothing = x.new_full((len(x),), torch.nan)
        return LogDetReference(nothing, torch.full_like(nothing, torch.inf))
    sign, value, error = determinants(j, SAFETY * U * (z.abs().amax(1) + 1))
    generator = torch.Generator().manual_seed(0)
    for _ in range(neighbours):
        step = (
            4
            * U
            * (1 + x.abs())
            * (2 * torch.randint(0, 2, x.shape, generator=generator).to(x) - 1)
        )
        moved = determinants(jacobian(function, x + step).detach(), torch.zeros_like(value))[1]
        error = torch.maximum(error, 8 * (moved - value).abs().nan_to_num(nan=torch.inf))
    usable = value.isfinite() & (value.abs() < REPRESENTABLE_LOG * j.shape[1])
    return LogDetReference(
        value, torch.where(usable, error.nan_to_num(nan=torch.inf), torch.inf), sign
    )


def by_differences(function: Map, x: Tensor) -> LogDetReference:
    """For the map of a layer, from values alone. Per row, the step that agrees best with its
    half."""
    rows, d = len(x), x[0].numel()
    best = x.new_full((rows,), torch.nan)
    error = torch.full_like(best, torch.inf)
    sign = torch.zeros_like(best)
    with torch.no_grad():
        size = function(x).flatten(1).abs().amax(1) + 1
        for step in STEPS if d <= LARGE else STEPS[1:2]:
            whole, half = (_differences(function, x, step * k) for k in (1.0, 0.5))
            if whole.shape[1] != whole.shape[2]:
                return LogDetReference(best, error)
            fine = (4 * half - whole) / 3
            off = (half - whole).abs().flatten(1).amax(1) / 3 + U * size / step
            its_sign, log_det, its_error = determinants(fine, off)
            its_error = torch.where(its_error < UNSURE * d, 4 * its_error, torch.inf).nan_to_num(
                nan=torch.inf
            )
            better = (its_error < error) & log_det.isfinite()
            best, error = (
                torch.where(better, log_det, best),
                torch.where(better, its_error, error),
            )
            sign = torch.where(better, its_sign, sign)
    return LogDetReference(best, error, sign)


def _differences(function: Map, x: Tensor, step: float) -> Tensor:
    """Central differences (B, D_out, D_in), row by row, so that no row is computed beside another's
    neighbours."""
    d = x[0].numel()
    jacobians = []
    for row in x:
        h = step * 2.0 ** (1 + row.abs().flatten()).log2().round()
        moved = torch.diag_embed(h).reshape(d, *row.shape)
        values = function(torch.cat((row + moved, row - moved))).flatten(1)
        jacobians.append(((values[:d] - values[d:]) / (2 * h[:, None])).T)
    return torch.stack(jacobians)


def slope_by_autograd(
    reference: Subject, x: Tensor, cond: Tensor, inverse: bool = False
) -> LogDetReference:
    """log|c′| per element of a coupling."""
    leaf = x.detach().clone().requires_grad_()
    value, _ = reference.log_slopes(leaf, cond, inverse)
    slope = gradient_of(value.sum(), leaf).detach().abs()
    with torch.no_grad():
        shift = (
            reference.log_slopes(torch.zeros_like(x), cond, inverse)[0].abs().nan_to_num(nan=0.0)
        )
    error = SAFETY * U * (value.detach().abs() + shift + 1 + slope * x.abs()) / slope
    log_slope = slope.log()
    usable = log_slope.isfinite() & (log_slope.abs() < REPRESENTABLE_LOG)
    return LogDetReference(
        log_slope, torch.where(usable, error.nan_to_num(nan=torch.inf), torch.inf)
    )


def slope_by_differences(
    reference: Subject, x: Tensor, cond: Tensor, inverse: bool = False
) -> LogDetReference:
    """log|c′| per element from values alone: the step that agrees best with its half."""
    best, error = torch.full_like(x, torch.nan), torch.full_like(x, torch.inf)
    with torch.no_grad():
        value = reference.log_slopes(x, cond, inverse)[0].abs()
        for step in (2.0**-10, *STEPS, 2.0**-26):
            h = step * 2.0 ** (1 + x.abs()).log2().round()
            slopes = []
            for k in (h, h / 2):
                up, down = (reference.log_slopes(x + s * k, cond, inverse)[0] for s in (1, -1))
                slopes.append((up - down) / (2 * k))
            fine = ((4 * slopes[1] - slopes[0]) / 3).abs()
            off = (slopes[1] - slopes[0]).abs() / 3 + U * (value + 1) / h
            its_error = torch.where(off / fine < UNSURE, 4 * off / fine, torch.inf).nan_to_num(
                nan=torch.inf
            )
            better = its_error < error
            best, error = (
                torch.where(better, fine.log(), best),
                torch.where(better, its_error, error),
            )
    return LogDetReference(best, error)
