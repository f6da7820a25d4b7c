"""The one recipe of the super-resolution flow; only the coupling differs between trained models."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from invbench.conditions.folders import find_images
from invbench.conditions.images import centre_crop, read_image
from invbench.conditions.resample import bicubic, quantise
from invbench.reference_models.training import Batches, Recipe

__all__ = ["RECIPES", "batches"]

PATCH = 64
RECIPES = {
    "mini": Recipe(
        data="T91",
        iterations=3000,
        batch=8,
        extra={
            "patch": PATCH,
            "scale": 4,
            "flips": True,
            "dequantisation": "(v + U(0,1))/256",
            "schedule": "one-cycle",
        },
    )
}


def batches(size: str, seed: int) -> Batches:
    """step -> (HR patches with uniform dequantisation noise, LR patches), a function of (seed, step) alone.

    LR images are made once per photograph: bicubic ÷4, rounded to 8 bits, as in the published data sets.
    """
    recipe = RECIPES[size]
    scale = recipe.extra["scale"]
    pairs = []
    for path in find_images(recipe.data):
        high = centre_crop(read_image(path), 8)
        if min(high.shape[-2:]) >= PATCH:
            pairs.append((high, quantise(bicubic(high, 1 / scale))))

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        xs, ys = [], []
        for _ in range(recipe.batch):
            high, low = pairs[rng.integers(len(pairs))]
            top, left = (int(rng.integers(side - PATCH // scale + 1)) for side in low.shape[-2:])
            x = high[:, top * scale : top * scale + PATCH, left * scale : left * scale + PATCH]
            y = low[:, top : top + PATCH // scale, left : left + PATCH // scale]
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            x, y = torch.rot90(x, turns, (1, 2)), torch.rot90(y, turns, (1, 2))
            xs.append(x.flip(2) if mirror else x)
            ys.append(y.flip(2) if mirror else y)
        noise = torch.from_numpy(rng.random((recipe.batch, 3, PATCH, PATCH), dtype=np.float32))
        return (torch.stack(xs) * 255 + noise) / 256, torch.stack(ys)

    return batch
