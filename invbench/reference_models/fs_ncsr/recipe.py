"""The recipe of the noise-conditioned flow: ``srflow``'s, with noise of a drawn level in both images and the level in the condition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from invbench.conditions.resample import bicubic
from invbench.reference_models.srflow import recipe as srflow
from invbench.reference_models.training import Batches

__all__ = ["RECIPES", "batches"]

SIGMA = 0.05  # σ ~ U(0, 0.05) per image, as published for 4×
RECIPES = {size: replace(r, extra={**r.extra, "noise_level": SIGMA}) for size, r in srflow.RECIPES.items()}


def batches(size: str, seed: int) -> Batches:
    """step -> (x + σ n, [y + bicubic(σ n), σ]), a function of (seed, step) alone; (x, y) are ``srflow``'s of the same seed and step."""
    pairs, scale = srflow.batches(size, seed), RECIPES[size].extra["scale"]

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, y = pairs(step)
        rng = np.random.Generator(np.random.Philox(key=[seed, step]).jumped())  # not the stream that drew the pairs
        sigma = torch.from_numpy(rng.uniform(0, SIGMA, (len(x), 1, 1, 1)).astype(np.float32))
        noise = sigma * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        level = sigma.expand(-1, 1, *y.shape[2:])
        return x + noise, torch.cat((y + bicubic(noise, 1 / scale), level), dim=1)

    return batch
