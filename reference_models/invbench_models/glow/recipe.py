"""The training recipe of the unconditional flow: photographs, patches and noise of ``srflow``,
without conditions."""

from __future__ import annotations

from torch import Tensor

from invbench.data.conditions import sizes_only
from invbench.training.loop import Batches, TrainingRecipe
from invbench_models.srflow.recipe import patches, photographs

__all__ = ["RECIPES", "batches"]

RECIPES = {
    "mini": TrainingRecipe(
        iterations=2000, batch=8, lr=1e-3, **photographs("T91", 64, 4, "one-cycle")
    )
}


def batches(size: str, seed: int) -> Batches:
    """step → (x, ``sizes_only(x)``), a function of (seed, step) alone. x is that of the ``patches``
    of the same seed and step."""
    pairs = patches(RECIPES[size], seed)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, _ = pairs(step)
        return x, sizes_only(x)

    return batch
