"""Patterns that are laid over the condition, or take its place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.corruptions.base import Batch, corruption
from invbench.corruptions.tone import blend
from invbench.data.images import OTHER_KINDS, embedded

__all__: list[str] = []


def _grid(y: Tensor) -> tuple[Tensor, Tensor]:
    """Row numbers (h, 1) and column numbers (w,) of the pixels."""
    return torch.arange(y.shape[-2], device=y.device)[:, None], torch.arange(
        y.shape[-1], device=y.device
    )


@corruption("constant", (0.2, 0.4, 0.6, 0.8, 1.0))
def constant(batch: Batch) -> Tensor:
    """(1 − a)·y + a·colour, one colour per image, uniform in [0, 1]³: at severity 5 no picture is
    left."""
    return blend(batch.low, batch.uniform()[:, :, :1, :1].expand_as(batch.low), batch.strength)


@corruption("checkerboard", (0.1, 0.25, 0.5, 0.75, 1.0))
def checkerboard(batch: Batch) -> Tensor:
    """(1 − a)·y + a·board, board = (row + column) mod 2: the highest frequency there is."""
    rows, columns = _grid(batch.low)
    return blend(
        batch.low, ((rows + columns) % 2).to(batch.low).expand_as(batch.low), batch.strength
    )


@corruption("stripes", (0.1, 0.25, 0.5, 0.75, 1.0))
def stripes(batch: Batch) -> Tensor:
    """(1 − a)·y + a·(⌊k/w⌋ mod 2), k the row or the column, w = 1, 2 or 4 pixels: both drawn per
    image."""
    rows, columns = (axis.expand(batch.low.shape[-2:]) for axis in _grid(batch.low))
    drawn = [
        (rows if u < 0.5 else columns) // (1, 2, 4)[int(3 * v)] % 2 for u, v in batch.numbers(2)
    ]
    return blend(
        batch.low, torch.stack(drawn).to(batch.low)[:, None].expand_as(batch.low), batch.strength
    )


@corruption("gradient", (0.2, 0.4, 0.6, 0.8, 1.0))
def gradient(batch: Batch) -> Tensor:
    """(1 − a)·y + a·ramp, ramp from 0 to 1 across the image, its direction uniform on the circle
    per image: (p·d − min)/(max − min)."""
    rows, columns = (axis.double() for axis in _grid(batch.low))
    height, width = batch.low.shape[-2:]
    ramps = []
    for (u,) in batch.numbers(1):
        down, right = math.sin(2 * math.pi * u), math.cos(2 * math.pi * u)
        start = min(down, 0) * (height - 1) + min(right, 0) * (width - 1)
        length = abs(down) * (height - 1) + abs(right) * (width - 1)
        ramps.append((rows * down + columns * right - start) / max(length, 1e-12))
    ramp = torch.stack(ramps).to(batch.low).clamp(0, 1)[:, None]
    return blend(batch.low, ramp.expand_as(batch.low), batch.strength)


def _mirrored(start: int, count: int, size: int, device: torch.device) -> Tensor:
    """``count`` places from ``start`` on, going back and forth between 0 and size − 1."""
    places = torch.arange(start, start + count, device=device) % (2 * size)
    return torch.where(places < size, places, 2 * size - 1 - places)


@corruption("cross-data-set", (0.2, 0.4, 0.6, 0.8, 1.0))
def cross_data_set(batch: Batch) -> Tensor:
    """(1 − a)·y + a·t, t a crop at a random place of a picture of another kind, which ships with
    scikit-image: gravel, printed page, moon, galaxies, stained tissue, retina; mirrored where it is
    smaller. At severity 5 the data set is another one."""
    height, width = batch.low.shape[-2:]
    taken = []
    for u, v, w in batch.numbers(3):
        other = embedded(OTHER_KINDS[int(u * len(OTHER_KINDS))]).to(batch.low)
        rows, columns = (
            _mirrored(int(share * max(size - count, 0)), count, size, other.device)
            for share, size, count in zip((v, w), other.shape[-2:], (height, width), strict=True)
        )
        taken.append(other[:, rows][:, :, columns])
    return blend(batch.low, torch.stack(taken), batch.strength)
