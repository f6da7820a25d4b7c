"""The training recipes of the low-light flow, which are the same for every coupling."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from invbench.data.conditions import with_equalised
from invbench.data.pair_files import lowlight_pairs
from invbench.errors import UsageError
from invbench.measures.bits import LLFLOW
from invbench.training.loop import Batches, TrainingRecipe

__all__ = ["RECIPES", "batches"]


def _recipe(iterations: int, batch: int, lr: float, patch: int, schedule: str) -> TrainingRecipe:
    extra = {"patch": patch, "flips": True, "dequantisation": LLFLOW.text, "schedule": schedule}
    return TrainingRecipe("LOL our485", iterations, batch, lr, extra=extra)


RECIPES = {
    "mini": _recipe(10_000, 6, 1e-3, 64, "one-cycle"),
    "small": _recipe(45_000, 16, 5e-4, 160, "halved"),
    "paper": _recipe(40_000, 16, 5e-4, 160, "halved"),
}


def batches(size: str, seed: int) -> Batches:
    """step → (x, y), a function of (seed, step) alone.

    x: crops at normal exposure with dequantisation noise, (B, 3, p, p). y: the same crops of the
    dark photograph beside its equalisation, (B, 6, p, p); the whole photograph is equalised, then
    cropped. Raises ``UsageError`` when the pairs are not there, and when none is as large as a
    crop.
    """
    recipe = RECIPES[size]
    patch = int(recipe.extra["patch"])
    pairs = [
        ((pair.high * 255).round().byte(), (with_equalised(pair.low) * 255).round().byte())
        for pair in lowlight_pairs("LOL", "train")
        if min(pair.high.shape[-2:]) >= patch
    ]
    if not pairs:
        raise UsageError(f"data set LOL train: no pair is {patch}×{patch} pixels or larger")

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rng = np.random.Generator(np.random.Philox(key=[seed, step]))
        xs: list[Tensor] = []
        ys: list[Tensor] = []
        for _ in range(recipe.batch):
            high, low = pairs[rng.integers(len(pairs))]
            top, left = (int(rng.integers(side - patch + 1)) for side in high.shape[-2:])
            turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
            for image, kept in ((high, xs), (low, ys)):
                part = torch.rot90(image[:, top : top + patch, left : left + patch], turns, (1, 2))
                kept.append(part.flip(2) if mirror else part)
        noise = torch.from_numpy(rng.random((recipe.batch, 3, patch, patch), dtype=np.float32))
        return LLFLOW.of(torch.stack(xs) / 255, noise), torch.stack(ys) / 255

    return batch
