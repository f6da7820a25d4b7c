"""The one-layer problem of Hong, Park, Chun (ICCV 2023, eq. 8 and 9), by formula and by
optimisation.

A conditional affine coupling on two dimensions, z = (x₁, s·x₁ + t), has for one x₁ the loss

    L(s, t) = (x₁² + (s·x₁ + t)²)/(2σ²) − log s,   s > 0.

For fixed s it is least at t = −s·x₁. There L = x₁²/(2σ²) − log s, which falls without bound as s
grows (eq. 8). Under s ≤ c it is least at (s, t) = (c, −c·x₁), with L = x₁²/(2σ²) − log c; eq. 9 is
the case c = 1. s and t depend on y alone. Where x₁ has the variance v given y, the optimum is
s = min(c, σ/√v), so a cap on s matters, and a floor does not.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize

__all__ = ["minimise", "nll", "optimum", "optimum_with_spread"]


def nll(s: float, t: float, x1: float, sigma: float = 1.0) -> float:
    """L of eq. 8 for one x₁, in nats, without the constant log(2πσ²); infinite for s ≤ 0."""
    return (x1 * x1 + (s * x1 + t) ** 2) / (2 * sigma**2) - math.log(s) if s > 0 else math.inf


def optimum(x1: float, cap: float = 1.0, sigma: float = 1.0) -> tuple[float, float, float]:
    """(s, t, loss) at the minimum of eq. 9 with s ≤ ``cap``. There is none for an infinite cap:
    (∞, −∞·x₁, −∞)."""
    if math.isinf(cap):
        return math.inf, -math.copysign(math.inf, x1), -math.inf
    return cap, -cap * x1, nll(cap, -cap * x1, x1, sigma)


def optimum_with_spread(
    mean: float, variance: float, cap: float = math.inf, sigma: float = 1.0
) -> tuple[float, float]:
    """(s, t) that minimise E[L] for x₁ with this mean and variance: s = min(cap, σ/√variance),
    t = −s·mean."""
    s = min(cap, sigma / math.sqrt(variance) if variance > 0 else math.inf)
    return s, -s * mean


def minimise(
    x1: float, cap: float | None, sigma: float = 1.0, start: tuple[float, float] = (0.5, 0.0)
) -> tuple[float, float, float]:
    """(s, t, loss) that L-BFGS-B finds from ``start``, with s in [1e-9, cap], or without an upper
    limit for None. The closed form is not used."""

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
