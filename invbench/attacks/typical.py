"""Latents that cannot be told from draws of N(0, τ²I): a set that a search may be held to, and how
improbable a latent is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

__all__ = ["LEVEL", "TypicalSet", "kolmogorov"]

LEVEL = 0.01  # share of draws whose covariances lie outside the set
DRAWS = 1000  # simulated for the means, the deviations and the limit of the covariances
# between two positions: none, then four neighbours, whose opposites have the same covariances
LAGS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1))
HALVINGS = 7  # of the way from the start

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TypicalSet:
    """Latents with the marginals of a draw and with covariances that draws show.

    Latents are rows (B, D): parts of ``shapes``, one after another.

    *Marginals*: each channel of each part has the values of the start, a draw of N(0, τ²I), in
    another order. Permutations of coordinates are exact symmetries of N(0, τ²I), so norm, mean,
    variance and every quantile of a channel are those of a draw, to the bit.

    *Covariances*: with u = z/τ and n positions, C(k) = Σ_p u_p u_{p+k}ᵀ/√n between the channels of
    positions k apart, for k = 0 and the eight neighbours. The statistics are the largest |entry|
    and the root mean square of each C(k) of each part, without the diagonal of C(0), which the
    marginals fix. Each is standardised by its mean and deviation in 1 000 draws, and the largest is
    the ``excess``. In the set it is at most ``limit``, which one draw in 100 exceeds, or at most
    that of the start where the start's is larger.

    A part of one position (a vector) counts as one channel: its order is free, and it has no
    neighbours.
    """

    shapes: tuple[Shape, ...]
    temperature: float

    def nearest(self, v: Tensor, start: Tensor) -> Tensor:
        """A point of the set near v, (B, D).

        It has the values of ``start`` in the order of v, which is the nearest such point
        (rearrangement inequality). Where its covariances are too large, it takes the order of
        start + s·(v − start), with the largest s = j/2⁷ that halving finds.
        """
        found = self._ordered(v, start)
        limit = self.excess(start).clamp(min=self.limit)
        outside = (self.excess(found) > limit).nonzero().flatten()
        if not len(outside):
            return found
        origin, step, limit = start[outside], v[outside] - start[outside], limit[outside]
        best = origin.clone()
        low, high = torch.zeros_like(limit), torch.ones_like(limit)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            tried = self._ordered(origin + middle[:, None].to(step) * step, origin)
            inside = self.excess(tried) <= limit
            best = torch.where(inside[:, None], tried, best)
            low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
        return found.index_copy(0, outside, best)

    def excess(self, z: Tensor) -> Tensor:
        """(B,): by how many standard deviations the most unusual covariance statistic of z exceeds
        its mean among draws."""
        mean, deviation, _ = _simulated(self.shapes)
        found = _statistics(z / self.temperature, self.shapes)
        if not found.shape[1]:
            return torch.zeros(len(z), dtype=torch.float64, device=z.device)
        return ((found - mean.to(found)) / deviation.to(found)).amax(1)

    @property
    def limit(self) -> float:
        """The (1 − ``LEVEL``) quantile of ``excess`` among draws."""
        return _simulated(self.shapes)[2]

    def _ordered(self, v: Tensor, start: Tensor) -> Tensor:
        """The values of ``start`` in the order of v, channel by channel."""
        parts = []
        for own, given in zip(
            _channels(v, self.shapes), _channels(start, self.shapes), strict=True
        ):
            place = own.argsort(dim=-1, stable=True)
            parts.append(torch.empty_like(own).scatter(-1, place, given.sort(-1).values).flatten(1))
        return torch.cat(parts, 1)


def kolmogorov(z: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(D, log10 P), each (B,): the Kolmogorov–Smirnov distance of the coordinates of z (B, n) to
    N(0, τ²), and log10 of P = min(1, 2·exp(−2nD²)).

    P bounds the probability that a draw is as far away (Massart 1990).
    """
    n = z.shape[1]
    ordered = (z.double() / temperature).sort(1).values
    at = torch.special.ndtr(ordered)
    steps = torch.arange(n + 1, dtype=torch.float64, device=z.device) / n
    distance = torch.maximum((steps[1:] - at).amax(1), (at - steps[:-1]).amax(1))
    return distance, ((math.log(2) - 2 * n * distance**2) / math.log(10)).clamp(max=0)


def _channels(z: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """The parts, (B, channels, positions) each; a vector is one channel."""
    pieces = z.split([math.prod(shape) for shape in shapes], 1)
    return [
        piece.reshape(len(z), shape[0] if len(shape) > 1 else 1, -1)
        for piece, shape in zip(pieces, shapes, strict=True)
    ]


def _statistics(u: Tensor, shapes: Sequence[Shape]) -> Tensor:
    """The largest |entry| and the root mean square of each C(k): (B, number of them), float64."""
    found = []
    for part, shape in zip(_channels(u.double(), shapes), shapes, strict=True):
        if len(shape) != 3:
            continue
        channels, height, width = shape
        image = part.reshape(len(u), channels, height, width)
        for down, right in LAGS:
            if down >= height or abs(right) >= width:
                continue
            left, shifted = max(-right, 0), max(right, 0)
            wide = width - abs(right)
            a = image[:, :, : height - down, left : left + wide].flatten(2)
            b = image[:, :, down:, shifted : shifted + wide].flatten(2)
            c = (a @ b.transpose(1, 2)) / math.sqrt(a.shape[2])
            if (down, right) == (0, 0):
                row, column = torch.triu_indices(channels, channels, 1, device=u.device)
                c = c[:, row, column]
            c = c.flatten(1)
            if c.shape[1]:
                found += [c.abs().amax(1), c.square().mean(1).sqrt()]
    return torch.stack(found, 1) if found else u.new_zeros(len(u), 0, dtype=torch.float64)


@lru_cache(maxsize=16)
def _simulated(shapes: tuple[Shape, ...]) -> tuple[Tensor, Tensor, float]:
    """(mean, standard deviation, limit of the excess) of the statistics, from ``DRAWS`` draws with
    a fixed seed."""
    size, generator = sum(map(math.prod, shapes)), torch.Generator().manual_seed(0)
    draws = [
        _statistics(torch.randn(20, size, generator=generator), shapes) for _ in range(DRAWS // 20)
    ]
    found = torch.cat(draws)
    if not found.shape[1]:
        return found.new_zeros(0), found.new_ones(0), 0.0
    mean, deviation = found.mean(0), found.std(0)
    return mean, deviation, float(((found - mean) / deviation).amax(1).quantile(1 - LEVEL))
