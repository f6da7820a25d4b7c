"""Lower bounds on a Lipschitz constant, with the point and direction that attain them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.bounds.lipschitz.linear_map import LinearMap, Map

__all__ = ["Witness", "difference_quotient", "steepest_pair", "volume_bound"]


@dataclass(frozen=True)
class Witness:
    """``value[i]`` = ‖Jv‖/‖v‖ at row i of ``point`` along row i of ``direction``, under row i of
    ``cond`` where there is one (tier L0).

    It is true up to the rounding of one product; ``confirmed`` computes it in another dtype.
    """

    value: Tensor
    point: Tensor
    direction: Tensor
    cond: Tensor | None = None

    def confirmed(self, f: Map, dtype: torch.dtype = torch.float64) -> Tensor:
        """‖Jv‖/‖v‖ with f computed in ``dtype``, (B,); NaN for a direction that is zero or not
        finite."""
        v = self.direction.to(dtype)
        image = LinearMap(f, self.point.to(dtype)).times(v)
        return image.flatten(1).double().norm(dim=1) / v.flatten(1).double().norm(dim=1)

    def worst(self) -> Witness:
        """The row with the largest value."""
        row = int(self.value.nan_to_num(nan=-1.0).argmax())
        keep = slice(row, row + 1)
        return Witness(
            self.value[keep],
            self.point[keep],
            self.direction[keep],
            None if self.cond is None else self.cond[keep],
        )


def difference_quotient(f: Map, a: Tensor, b: Tensor) -> Tensor:
    """‖f(a) − f(b)‖/‖a − b‖ per row (tier L0): a lower bound on Lip(f) over the segment, up to the
    rounding of the difference. 0 for equal points, NaN where f is not finite.
    """
    apart = (a - b).double().flatten(1).norm(dim=1)
    with torch.no_grad():
        moved = (f(a).double() - f(b).double()).flatten(1).norm(dim=1)
    return torch.where(
        apart > 0, moved / apart.clamp(min=1e-300), torch.where(moved.isnan(), moved, 0.0)
    )


def steepest_pair(
    f: Map, x: Tensor, radius: float = 1.0, scales: int = 8, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """(the largest difference quotient per row of x, the partner that attains it): a lower bound on
    Lip(f) (tier L0). NaN where f is not finite at any partner.

    Partners of a row are x + radius·4^−k·v with random unit vectors v, k < ``scales``, and the next
    row.
    """
    generator = torch.Generator().manual_seed(seed)
    best, partner = (
        torch.full(x.shape[:1], math.nan, dtype=torch.float64, device=x.device),
        x.clone(),
    )
    for k in range(scales + 1):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        v = v / v.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        other = x.roll(1, 0) if k == scales else x + radius * 4.0**-k * v
        found = difference_quotient(f, x, other)
        better = found.isfinite() & ~(found <= best)
        best = torch.where(better, found, best)
        partner = torch.where(better.view(-1, *[1] * (x.ndim - 1)), other, partner)
    return best, partner


def volume_bound(log_det: Tensor, dimensions: int) -> Tensor:
    """exp(−log_det/D) ≤ σmax(J⁻¹) (tier L0): the largest singular value is at least the geometric
    mean of all.

    ``log_det``: of the forward map, (B,). It costs nothing, and is weak where a flow expands some
    directions and contracts others.
    """
    return torch.exp(-log_det.double() / dimensions)
