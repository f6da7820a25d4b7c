"""Inputs by recipe: a small frozen record draws thousands of rows, the same on every machine and at
every batch size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from invbench.uniform import uniform

__all__ = ["CONDITION_PATTERNS", "PATTERNS", "InputRecipe"]


def _normal(u: np.ndarray) -> np.ndarray:
    return np.asarray(ndtri(u))


def _knots(u: np.ndarray) -> np.ndarray:
    """Box edges and simple fractions, moved by a few relative steps of 2⁻²³: there piecewise maps
    change formula."""
    points = np.array([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0])
    where = points[np.minimum((u * 7).astype(int), 6)]
    steps = np.floor((u * 7 % 1) * 9) - 4
    return where * (1 + steps * 2.0**-23)


# pattern -> uniform numbers in (0, 1) to values of magnitude about 1
PATTERNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": _normal,
    "box": lambda u: 2 * u - 1,
    "log": lambda u: np.sign(u - 0.5) * 2.0 ** (-40 * np.abs(2 * u - 1)),
    "tails": lambda u: np.sign(u - 0.5) * (1 + np.abs(_normal(u))),
    "knots": _knots,
    "zeros": lambda u: np.where(u < 0.5, 0.0, -0.0),
}
CONDITION_PATTERNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "zeros": lambda u: np.zeros_like(u),
    "normal": _normal,
    "box": PATTERNS["box"],
    "saturated": lambda u: np.sign(u - 0.5),
}


@dataclass(frozen=True)
class InputRecipe:
    """Inputs for a layer: ``pattern · 2^log2_scale`` for x, ``cond_pattern · 2^cond_log2_scale``
    for the condition. Weights: ``initial``, or a pattern of ``laws.weights.WEIGHTS`` at
    ``2^log2_weights``.

    ``materialise`` makes the tensors on the CPU in float64 and then rounds them, so a float32 case
    has a float64 reference with exactly the same values.
    """

    pattern: str = "normal"
    log2_scale: int = 0
    cond_pattern: str = "normal"
    cond_log2_scale: int = 0
    rows: int = 1024
    seed: int = 0
    weights: str = "initial"
    log2_weights: int = 0

    def materialise(
        self, event_shape: tuple[int, ...], cond_shape: tuple[int, ...] | None, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor | None]:
        """x: (rows, *event_shape) and the condition (rows, *cond_shape) or None, both of ``dtype``,
        finite."""
        limit = torch.finfo(dtype).max
        x = self.draws(event_shape).clamp(-limit, limit).to(dtype)
        if cond_shape is None:
            return x, None
        return x, self.draws(cond_shape, condition=True).clamp(-limit, limit).to(dtype)

    def draws(
        self, shape: tuple[int, ...], condition: bool = False, stream: int | None = None
    ) -> Tensor:
        """(rows, *shape) in float64, before rounding and before placing in a space. ``stream`` 2 is
        for latents of their own."""
        pattern = CONDITION_PATTERNS[self.cond_pattern] if condition else PATTERNS[self.pattern]
        log2_scale = self.cond_log2_scale if condition else self.log2_scale
        stream = int(condition) if stream is None else stream
        values = (
            pattern(uniform(self.seed, stream, (self.rows, math.prod(shape)))) * 2.0**log2_scale
        )
        return torch.from_numpy(np.ascontiguousarray(values)).reshape(self.rows, *shape)

    def as_dict(self) -> dict[str, str | int]:
        return asdict(self)
