"""The ten samples behind a cell, drawn and decoded again, once per process."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import torch
from flow_again import FlowAgain, draw
from photographs import bicubic, eight_bits, pair
from published import cell
from torch import Tensor


def samples(design: str, case: str, seed: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, condition, samples before any clamp) of every input of the cell."""
    told = cell("sr", design, case, seed)
    settings, flow = told["spec"]["settings"], FlowAgain("srflow", design, seed)
    size, temperature = settings["crop"], settings["temperature"]
    for index, name in enumerate(told["measures"]["names"]):
        _, y = pair(case.partition("/")[0], name, size, settings["crops_per_image"])
        latents = draw(flow, settings["samples"], size, size, temperature, seed * 1_000_003 + index)
        with torch.no_grad():
            yield name, y, flow.decode(latents, y.expand(settings["samples"], -1, -1, -1))


@cache
def judged(design: str, case: str, seed: int) -> list[tuple[str, bool, float]]:
    """(name, has an error pixel, smallest LR-PSNR) of every input."""
    found = []
    for name, y, x in samples(design, case, seed):
        error = not bool(((x >= -0.5) & (x <= 1.5)).all())  # NaN is neither
        found.append((name, error, min(lr_psnr(one, y[0]) for one in x)))
    return found


def lr_psnr(sample: Tensor, y: Tensor) -> float:
    """Sample → [0, 1] (+Inf 1, −Inf and NaN 0) → 8 bits → bicubic ÷ 4 → 8 bits, against the
    condition; dB."""
    shown = eight_bits(torch.where(sample.isnan(), 0.0, sample))
    error = (eight_bits(bicubic(shown, 0.25)).double() - y.double()).square().mean().item()
    return 100.0 if error == 0 else min(100.0, -10 * torch.tensor(error).log10().item())
