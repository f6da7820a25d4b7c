"""Random numbers by seed and place: the same on every machine and at every batch size."""

from __future__ import annotations

import numpy as np

__all__ = ["stream_seed", "uniform"]

STREAMS = 1_000_003  # a prime: streams of neighbouring seeds do not meet below that number


def uniform(seed: int, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform numbers in (0, 1), float64, of ``shape``, from the counter-based generator Philox.

    The first rows do not depend on how many are drawn.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, stream]))
    return np.clip(rng.random(shape), 2.0**-54, 1 - 2.0**-53)


def stream_seed(seed: int, index: int) -> int:
    """The seed of stream ``index`` of ``seed``: seed·1 000 003 + index.

    A row that draws from a stream of its own does not depend on the batch that it came in.
    """
    return seed * STREAMS + index
