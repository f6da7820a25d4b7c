"""Claim C2: the one-layer problem of the paper's eq. 8 and 9, by formula and by optimisation.

One conditional affine coupling on two dimensions, z = (x₁, s·x₁ + t), has for one x₁ the loss

    L(s, t) = (x₁² + (s·x₁ + t)²)/(2σ²) − log s,   s > 0.

Over t alone the minimum is at t = −s·x₁, and there L = x₁²/(2σ²) − log s, which falls without bound
as s grows: eq. 8. With s ≤ c the minimum is at (s, t) = (c, −c·x₁) with value x₁²/(2σ²) − log c; c
= 1 is the paper's eq. 9. Both (s, t) are functions of y alone, so with x₁ known only up to a
conditional variance v the optimum is s = min(c, σ/√v): a floor never enters, a cap does.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize

__all__ = ["minimise", "nll", "optimum", "optimum_with_spread"]


def nll(s: float, t: float, x1: float, sigma: float = 1.0) -> float:
    """Eq. 8 for one x₁, in nats without the constant log(2πσ²). Infinite for s ≤ 0."""
    return (x1 * x1 + (s * x1 + t) ** 2) / (2 * sigma**2) - math.log(s) if s > 0 else math.inf


def optimum(x1: float, cap: float = 1.0, sigma: float = 1.0) -> tuple[float, float, float]:
    """(s, t, loss) at the minimum of eq. 9 with s ≤ ``cap``; (inf, −inf·x₁, −inf) for an infinite
    cap: no minimum exists."""
    if math.isinf(cap):
        return math.inf, -math.copysign(math.inf, x1), -math.inf
    return cap, -cap * x1, nll(cap, -cap * x1, x1, sigma)


def optimum_with_spread(
    mean: float, variance: float, cap: float = math.inf, sigma: float = 1.0
) -> tuple[float, float]:
    """(s, t) minimising E[L] over x₁ with this mean and variance: s = min(cap, σ/√variance), t =
    −s·mean."""
    s = min(cap, sigma / math.sqrt(variance) if variance > 0 else math.inf)
    return s, -s * mean


def minimise(
    x1: float, cap: float | None, sigma: float = 1.0, start: tuple[float, float] = (0.5, 0.0)
) -> tuple[float, float, float]:
    """(s, t, loss) found by L-BFGS-B from ``start``, s in [1e-9, cap], or no upper limit for None;
    nothing of the formula is used."""

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        s, t = v
        pull = (s * x1 + t) / sigma**2
        return nll(s, t, x1, sigma), np.array([pull * x1 - 1 / s, pull])

    found = minimize(
        loss,
        np.array(start),
        jac=True,
        bounds=[(1e-9, cap), (None, None)],
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return float(found.x[0]), float(found.x[1]), float(found.fun)
