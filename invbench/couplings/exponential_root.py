"""The root of z + k·(e^z − 1) = ρ."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["exponential_root"]

STEPS = 5


def exponential_root(log_k: Tensor, rho: Tensor) -> Tensor:
    """z with z + k·(e^z − 1) = ρ, for log k ≤ log 99 and log k + z ≤ log 99, in float64.

    The left side h is increasing and convex. z ≤ ρ/(1 + k), because e^z − 1 ≥ z; for ρ > 0 also
    z ≤ log(1 + ρ/k), and for ρ < 0 also z ≤ ρ + k and z ≥ ρ. From the least of the upper bounds
    five steps of Halley's method, z − 2hh′/(2h′² − h·h″), reach the rounding of h: it is of third
    order, and where E = k·e^z ≫ 1 and the start is off by more than 1, a step takes 2 off. A test
    asks it on a grid of the two parameters. It is Wright's ω without the cancellation near 0.
    """
    k = torch.exp(log_k)
    # log ρ − log k, since k underflows
    rising = softplus(torch.log(rho.clamp(min=0)) - log_k)
    high = torch.minimum(rho / (1 + k), torch.where(rho > 0, rising, rho + k))
    low = torch.where(rho > 0, torch.zeros_like(rho), rho)
    z = high
    for _ in range(STEPS):
        e = torch.exp(log_k + z)
        h = z + torch.where(z.abs() < 1, k * torch.expm1(z), e - k) - rho
        slope = 1 + e
        z = z - 2 * h * slope / (2 * slope * slope - h * e)
        z = torch.minimum(torch.maximum(z, low), high)
    return z
