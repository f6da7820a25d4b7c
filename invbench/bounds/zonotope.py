"""The set of values that a decode can have at one layer: a zonotope per position, in float64,
widened for rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Zonotope", "roundoff"]

FLOAT64, FLOAT32 = 2.0**-53, 2.0**-24
ROUNDINGS = 4  # of one elementwise step: an exponential counts 2, a product and a sum 1 each


def roundoff(dtype: torch.dtype) -> float:
    """u, half the distance from 1 to the next number of the dtype."""
    return torch.finfo(dtype).eps / 2


@dataclass(frozen=True)
class Zonotope:
    """{c + Σ_k ξ_k·G_k + b·η : |ξ_k| ≤ 1, |η| ≤ 1 per channel}: the values of the C channels, at
    every position.

    ``centre``: c (C, H, W). ``generators``: G (C, n, H, W). ``box``: b (C, H, W), moves of single
    channels; they become generators when a layer mixes channels. Positions are independent of each
    other. ``unit``: roundoff of the dtype of the decode. Every step widens b by what rounding may
    lose, in the decode and here. Sums in half precision are taken in float32, as torch takes them.

    The radius of a channel, Σ_k |G_k| + b, is the exact worst case when the moves are independent.
    """

    centre: Tensor
    generators: Tensor
    box: Tensor
    unit: float

    @classmethod
    def around(cls, centre: Tensor, radius: Tensor, unit: float) -> Zonotope:
        """centre ± radius, both (C, H, W)."""
        return cls(
            centre.double(),
            torch.zeros(len(centre), 0, *centre.shape[1:]).double(),
            radius.double(),
            unit,
        )

    @property
    def channels(self) -> int:
        return self.centre.shape[0]

    @property
    def radius(self) -> Tensor:
        """Σ_k |G_k| + b per channel and position, (C, H, W)."""
        terms = self.generators.shape[1] + 2
        return (self.generators.abs().sum(1) + self.box) * (1 + terms * 2 * FLOAT64)

    @property
    def magnitude(self) -> Tensor:
        """Largest |value| per channel and position."""
        return (self.centre.abs() + self.radius) * (1 + 2 * FLOAT64)

    @property
    def largest(self) -> float:
        """Largest |value|; infinite where an end is NaN, since nothing is known then."""
        return self.magnitude.nan_to_num(math.inf).max().item() if self.centre.numel() else 0.0

    def scaled(self, slope: Tensor, offset: Tensor, by: Tensor) -> Zonotope:
        """The set of slope·v + offset ± by, each of a shape that broadcasts to (C, H, W)."""
        size = slope.abs() * self.magnitude + offset.abs()
        lost = ROUNDINGS * (self.unit + FLOAT64) * (size + by)
        centre, box = self.centre * slope + offset, self.box * slope.abs() + by + lost
        return replace(self, centre=centre, generators=self.generators * slope[:, None], box=box)

    def mixed(self, matrix: Tensor, error: float = 0.0) -> tuple[Zonotope, float]:
        """(the set of M v at every position, the largest |partial sum| of its products).

        ``matrix``: M (C′, C). ``error``: a bound on ‖M − M_decode‖₂, M_decode the decode's matrix.
        """
        own = torch.zeros(self.channels, *self.box.shape, dtype=torch.float64)
        own.diagonal(dim1=0, dim2=1).copy_(self.box.movedim(0, -1))
        size = self.magnitude
        sums = _times(matrix.abs(), size)
        terms = 2.01 * (self.unit + FLOAT64) + (self.channels + 2) * (
            min(self.unit, FLOAT32) + FLOAT64
        )
        lost = terms * sums + error * size.norm(dim=0)
        generators = _times(matrix, torch.cat((self.generators, own), 1))
        found = Zonotope(_times(matrix, self.centre), generators, lost, self.unit)
        return found, (sums + lost).nan_to_num(math.inf).max().item()

    def enclosed(self, start: int, slope: Tensor, offset: Tensor, by: Tensor) -> Zonotope:
        """The set where channels from ``start`` on become slope·v + offset ± by, each tensor
        (C − start, H, W), and those before stay."""
        kept = [torch.ones(start), torch.zeros(start), torch.zeros(start)]
        shape = self.centre[:start].shape
        whole = (
            torch.cat((k.double().view(-1, 1, 1).expand(shape), v.double()))
            for k, v in zip(kept, (slope, offset, by), strict=True)
        )
        return self.scaled(*whole)

    def stacked(self, centre: Tensor, radius: Tensor) -> Zonotope:
        """The set with C′ more channels behind the others: centre ± radius, (C′, H, W), independent
        of these."""
        nothing = self.generators.new_zeros(
            len(centre), self.generators.shape[1], *centre.shape[1:]
        )
        return Zonotope(
            torch.cat((self.centre, centre.double())),
            torch.cat((self.generators, nothing)),
            torch.cat((self.box, radius.double())),
            self.unit,
        )

    def unsqueezed(self) -> Zonotope:
        """Depth to space, (4C, H, W) → (C, 2H, 2W): four channels become four positions."""
        centre, box = (F.pixel_shuffle(v[None], 2)[0] for v in (self.centre, self.box))
        generators = F.pixel_shuffle(self.generators.transpose(0, 1), 2).transpose(0, 1)
        return Zonotope(centre, generators, box, self.unit)


def _times(matrix: Tensor, v: Tensor) -> Tensor:
    """M v over the first dimension, the channels."""
    return (matrix @ v.flatten(1)).unflatten(1, v.shape[1:])
