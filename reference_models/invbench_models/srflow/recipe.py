"""The training recipes of the super-resolution flow, which are the same for every coupling."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invbench.data.folders import find_images
from invbench.data.images import centre_crop, image_size, read_image
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError
from invbench.measures.bits import EIGHT_BIT
from invbench.training.loop import Batches, TrainingRecipe

# how the trainings here differ from the released options, for every coupling
DIFFERS = (
    "encoder drawn and trained from the first step (released: pretrained, fixed for half "
    "of them); noise of 1/256, not 1/32; gradients clipped"
)
__all__ = ["RECIPES", "batches", "patches", "photographs"]


def photographs(
    data: str, patch: int, scale: int, schedule: str, **extra: object
) -> dict[str, Any]:
    """The fields that all recipes on photographs share: data, patch, scale, noise and schedule."""
    drawn = {"patch": patch, "scale": scale, "flips": True, "dequantisation": EIGHT_BIT.text}
    return {"data": data, "extra": drawn | {"schedule": schedule} | extra}


def published(scale: int, **extra: object) -> dict[str, Any]:
    """Data and schedule as released. ``DIFFERS`` says what is not. ``pool`` is not either: the
    patches of 100 steps come from 48 photographs, because all 3 450 fill 40 GB of memory, and
    reading one per patch takes longer than the step."""
    return photographs(
        "DIV2K_train + Flickr2K", 160, scale, "halved", pool=[48, 100], differs=DIFFERS, **extra
    )


RECIPES = {
    "mini": TrainingRecipe(
        iterations=3000, batch=8, lr=1e-3, **photographs("T91", 64, 4, "one-cycle")
    ),
    "mini-8x": TrainingRecipe(
        iterations=2000, batch=8, lr=1e-3, **photographs("T91", 64, 8, "one-cycle")
    ),
    "medium": TrainingRecipe(
        iterations=5000, batch=16, lr=5e-4, **photographs("T91", 96, 4, "one-cycle")
    ),
    "paper": TrainingRecipe(iterations=200_000, batch=12, lr=2.5e-4, **published(4)),
    "paper-8x": TrainingRecipe(iterations=200_000, batch=16, lr=5e-4, **published(8)),
}


def batches(size: str, seed: int) -> Batches:
    """The ``patches`` of this size's recipe."""
    return patches(RECIPES[size], seed)


def patches(recipe: TrainingRecipe, seed: int) -> Batches:
    """step → (HR patches with uniform dequantisation noise, LR patches), a function of (seed, step)
    alone.

    Whole photographs are reduced, by bicubic ÷ scale, and rounded to 8 bits, as in the published
    data sets. All photographs are kept in memory, or those of the current pool. Raises
    ``UsageError`` when there are no photographs, and when none is as large as a patch.
    """
    patch, scale = recipe.extra["patch"], recipe.extra["scale"]
    found = [path for name in recipe.data.split(" + ") for path in find_images(name)]
    files = [path for path in found if min(image_size(path)) >= patch]
    if not files:
        raise UsageError(f"data set {recipe.data}: no image is {patch}×{patch} pixels or larger")
    most, steps = recipe.extra.get("pool", (len(files), recipe.iterations))

    @lru_cache(maxsize=1)
    def pairs(pool: int) -> list[tuple[Tensor, Tensor]]:
        order = np.random.Generator(np.random.Philox(key=[seed, pool]).jumped(2)).permutation(
            len(files)
        )
        highs = (centre_crop(read_image(files[i]), 8) for i in sorted(order[:most]))
        return [(high, quantise(bicubic(high, 1 / scale))) for high in highs]

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        drawn = pairs(step // steps)
        xs, ys = [], []
        for _ in range(recipe.batch):
            high, low = drawn[rng.integers(len(drawn))]
            top, left = (int(rng.integers(side - patch // scale + 1)) for side in low.shape[-2:])
            x = high[:, top * scale : top * scale + patch, left * scale : left * scale + patch]
            y = low[:, top : top + patch // scale, left : left + patch // scale]
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            x, y = torch.rot90(x, turns, (1, 2)), torch.rot90(y, turns, (1, 2))
            xs.append(x.flip(2) if mirror else x)
            ys.append(y.flip(2) if mirror else y)
        noise = torch.from_numpy(rng.random((recipe.batch, 3, patch, patch), dtype=np.float32))
        return EIGHT_BIT.of(torch.stack(xs), noise), torch.stack(ys)

    return batch
