"""Changes of tone and colour, pixel by pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.corruptions.base import Batch, corruption

__all__: list[str] = []


def blend(y: Tensor, other: Tensor, share: float) -> Tensor:
    """(1 − a)·y + a·other, a = ``share``."""
    return (1 - share) * y + share * other


@corruption("clean", (0.0,))
def clean(batch: Batch) -> Tensor:
    """y itself."""
    return batch.low


@corruption("brightness", (0.1, 0.2, 0.3, 0.4, 0.5))
def brightness(batch: Batch) -> Tensor:
    """min(y + b, 1)."""
    return (batch.low + batch.strength).clamp(0, 1)


@corruption("contrast", (0.75, 0.5, 0.3, 0.15, 0.05))
def contrast(batch: Batch) -> Tensor:
    """m + c·(y − m), m the mean of all values of the image: fog."""
    mean = batch.one_by_one(torch.mean)[:, None, None, None]
    return (mean + batch.strength * (batch.low - mean)).clamp(0, 1)


@corruption("gamma", (1.25, 1.5, 2.0, 3.0, 4.0))
def gamma(batch: Batch) -> Tensor:
    """y^γ; γ is a multiple of 1/4, so that roots and products do, which every device rounds
    alike."""
    root = batch.low.clamp(0, 1).sqrt().sqrt()
    result = root
    for _ in range(round(4 * batch.strength) - 1):
        result = result * root
    return result


@corruption("colour-cast", (0.1, 0.2, 0.4, 0.6, 0.9))
def colour_cast(batch: Batch) -> Tensor:
    """clamp(y·(1 + a·d_c), 0, 1), d uniform in [−1, 1]³ per image: light of another colour (von
    Kries)."""
    d = batch.low.new_tensor(batch.numbers(3)) * 2 - 1
    return (batch.low * (1 + batch.strength * d)[:, :, None, None]).clamp(0, 1)


@corruption("channel-swap", (0.2, 0.4, 0.6, 0.8, 1.0))
def channel_swap(batch: Batch) -> Tensor:
    """(1 − a)·(r, g, b) + a·(g, b, r)."""
    return blend(batch.low, batch.low[:, [1, 2, 0]], batch.strength)


@corruption("binarise", (0.2, 0.4, 0.6, 0.8, 1.0))
def binarise(batch: Batch) -> Tensor:
    """(1 − a)·y + a·[y > 1/2]: at severity 5 every channel is 0 or 1."""
    return blend(batch.low, (batch.low > 0.5).to(batch.low), batch.strength)


@corruption("out-of-range", (1.25, 1.5, 2.0, 3.0, 4.0))
def out_of_range(batch: Batch) -> Tensor:
    """a·y, not clamped: a condition outside [0, 1], as a wrong scale in a pipeline gives."""
    return batch.strength * batch.low
