"""The one recipe of the unconditional flow: ``srflow``'s photographs, patches and noise, without their conditions."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from invbench.reference_models.glow.model import sizes_only
from invbench.reference_models.srflow import recipe as srflow
from invbench.reference_models.training import Batches

__all__ = ["RECIPES", "batches"]

RECIPES = srflow.RECIPES | {"mini": replace(srflow.RECIPES["mini"], iterations=2000)}


def batches(size: str, seed: int) -> Batches:
    """step -> (x, sizes only), a function of (seed, step) alone; x is ``srflow``'s of the same seed and step."""
    pairs = srflow.batches(size, seed)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        x, _ = pairs(step)
        return x, sizes_only(x)

    return batch
