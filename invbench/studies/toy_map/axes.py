"""The axes of the map: what the paper and the released code leave open about the toy.

Fixed are A, σ_n = 0.01, ActNorm → 1×1 → coupling with the raw y as condition, the sub-network
3 → 64 with four hidden layers of 64, and s = sigmoid(a + 2) + ε.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from invbench.studies.toy_map.shapes import SHAPES

__all__ = ["AXES", "STACKED", "Setting", "drawn", "mutated", "setting_of"]


@dataclass(frozen=True)
class Setting:
    """One toy without its seed.

    ``head``: the heads start at this multiple of PyTorch's own initialisation; 0 is the released
    one. ``decay``: of the learning rate, one of ``stack.DECAYS``. ``samples``: pairs in the
    training set; 0: every batch is new. ``conv1x1``: free, or fixed at its random rotation. ``actnorm``:
    free, fixed after the first batch, or none, the identity. ``floor``: ε of the scale.
    """

    shape: str = "ring"
    steps: int = 4
    head: float = 0.0
    lr: float = 1e-3
    decay: str = "none"
    iterations: int = 1000
    batch: int = 64
    samples: int = 0
    weight_decay: float = 0.0
    conv1x1: str = "free"
    actnorm: str = "free"
    floor: float = 1e-4
    dtype: str = "float32"


STACKED = ("steps", "iterations", "batch", "dtype")  # equal within a stack
AXES: dict[str, tuple[Any, ...]] = {  # that vary within a stack
    "shape": tuple(SHAPES),
    "head": (0.0, 0.1, 1.0, 3.0, 10.0),
    "lr": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "decay": ("none", "cosine", "halved"),
    "weight_decay": (0.0, 1e-4, 1e-2),
    "conv1x1": ("free", "fixed"),
    "actnorm": ("free", "fixed", "none"),
    "floor": (1e-4, 1e-6, 0.0),
}


def drawn(rng: np.random.Generator, base: Setting) -> Setting:
    """``base`` with every axis of ``AXES`` drawn uniformly."""
    return replace(
        base, **{name: values[rng.integers(len(values))] for name, values in AXES.items()}
    )


def mutated(rng: np.random.Generator, parent: Setting) -> Setting:
    """``parent`` with one or two of its axes drawn anew."""
    names = rng.choice(list(AXES), rng.integers(1, 3), replace=False)
    new = {name: AXES[name][rng.integers(len(AXES[name]))] for name in map(str, names)}
    return replace(parent, **new)


def setting_of(row: dict[Any, Any]) -> Setting:
    """The setting of a stored row."""
    kinds = {name: type(value) for name, value in asdict(Setting()).items()}
    return Setting(**{f.name: kinds[f.name](row[f.name]) for f in fields(Setting)})
