"""Numbers by seed and place, the same on every machine and at every batch size."""

from __future__ import annotations

import numpy as np

__all__ = ["uniform"]


def uniform(seed: int, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in (0, 1), float64, counter-based (Philox): the first rows do not depend on
    how many are drawn."""
    rng = np.random.Generator(np.random.Philox(key=[seed, stream]))
    return np.clip(rng.random(shape), 2.0**-54, 1 - 2.0**-53)
