"""The toy's data and training recipe.

y = A x + ε, ε ~ N(0, 0.01²), is eq. 7 of Hong, Park, Chun (ICCV 2023). The paper does not state
p(x) or the training; both are ours.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from invbench.training.loop import Batches, TrainingRecipe

__all__ = ["OOD_SHIFT", "RECIPES", "A", "batches", "draw"]

A = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
NOISE = 0.01
OOD_SHIFT = 0.8  # the paper's: y_OOD = y_in + (0.8, −0.8)

RECIPES = {
    "mini": TrainingRecipe(
        data="uniform on the ring 0.5 < |x| < 0.8; y = A x + 0.01 n",
        iterations=1200,
        batch=256,
        extra={"schedule": "one-cycle"},
    ),
}


def draw(n: int, seed: int, stream: int) -> tuple[Tensor, Tensor]:
    """n pairs (x, y), (n, 2) float32 each: x uniform on the ring 0.5 < |x| < 0.8, and y = A x + ε,
    ε ~ N(0, 0.01²)."""
    rng = np.random.Generator(np.random.Philox(key=[seed, stream]))
    radius = np.sqrt(rng.uniform(0.5**2, 0.8**2, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    x = torch.from_numpy(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)).float()
    noise = torch.from_numpy(rng.standard_normal((n, 2))).float()
    return x, x @ A.T + NOISE * noise


def batches(size: str, seed: int) -> Batches:
    """step → (x, y), a function of (seed, step) alone."""
    recipe = RECIPES[size]
    return lambda step: draw(recipe.batch, seed, step)
