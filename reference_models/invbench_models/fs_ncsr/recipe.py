"""Training recipes of FS-NCSR: those of ``srflow``, with noise of a drawn level in both images and
the level in the condition."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from invbench.data.resample import bicubic
from invbench.training.loop import Batches, TrainingRecipe
from invbench_models.srflow.recipe import patches, photographs, published

__all__ = ["RECIPES", "batches"]

# σ ~ U(0, noise_level) per image, as published
RECIPES = {
    "mini": TrainingRecipe(
        iterations=3000,
        batch=8,
        lr=1e-3,
        **photographs("T91", 64, 4, "one-cycle", noise_level=0.05),
    ),
    "mini-8x": TrainingRecipe(
        iterations=2000,
        batch=8,
        lr=1e-3,
        **photographs("T91", 64, 8, "one-cycle", noise_level=0.03),
    ),
    "paper": TrainingRecipe(
        iterations=220_000, batch=16, lr=2e-4, **published(4, noise_level=0.05)
    ),
    "paper-8x": TrainingRecipe(
        iterations=250_000, batch=16, lr=2e-4, **published(8, noise_level=0.03)
    ),
}


def batches(size: str, seed: int) -> Batches:
    """step → (x + σ n, [y + bicubic(σ n), σ]), a function of (seed, step) alone. (x, y) are the
    ``patches`` of the same seed and step."""
    recipe = RECIPES[size]
    pairs, scale, most = patches(recipe, seed), recipe.extra["scale"], recipe.extra["noise_level"]

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, y = pairs(step)
        # a stream other than that of the pairs
        rng = np.random.Generator(np.random.Philox(key=[seed, step]).jumped())
        sigma = torch.from_numpy(rng.uniform(0, most, (len(x), 1, 1, 1)).astype(np.float32))
        noise = sigma * torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        level = sigma.expand(-1, 1, *y.shape[2:])
        return x + noise, torch.cat((y + bicubic(noise, 1 / scale), level), dim=1)

    return batch
