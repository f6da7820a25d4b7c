"""What a search found, row by row, and how much it took."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from invbench.attacks.objective import Reading, log10_largest

__all__ = ["LEVELS_SEEN", "Outcome"]

# failure levels that every reading shows: name -> log10 |x| beyond which it is reached
LEVELS_SEEN = {"F1": math.inf, "F2": 1.0}


@dataclass
class Outcome:
    """``best`` (B, D): the point of the largest ``value`` (log10); ``worst``: that of the largest |x|, ``log10_x``.

    ``first[level]``, ``first_step[level]``: evaluations and steps until |x| first reached it, infinite where it never did (censored at
    ``evaluations``). One evaluation is a pass through the flow, and a gradient is three. ``flat``: a gradient that was exactly 0 though
    the point could move. ``blind``: no finite gradient at any step, in the twin neither.
    """

    best: Tensor
    value: Tensor
    worst: Tensor
    log10_x: Tensor
    evaluations: Tensor
    steps: Tensor
    flat: Tensor
    blind: Tensor
    first: dict[str, Tensor] = field(default_factory=dict)
    first_step: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def at(cls, start: Tensor) -> Outcome:
        """Nothing seen yet."""
        lowest = torch.full((start.shape[0],), -math.inf, dtype=torch.float64, device=start.device)
        none = torch.zeros_like(lowest, dtype=torch.bool)
        never = dict.fromkeys(LEVELS_SEEN, -lowest)
        return cls(
            start.clone(),
            lowest.clone(),
            start.clone(),
            lowest.clone(),
            torch.zeros_like(lowest),
            torch.zeros_like(lowest),
            none.clone(),
            none.clone(),
            {k: v.clone() for k, v in never.items()},
            {k: v.clone() for k, v in never.items()},
        )

    def saw(self, rows: Tensor, v: Tensor, reading: Reading, passes: int, step: int) -> Tensor:
        """Take note of a reading at the points v of these rows; returns where the value is a new best."""
        self.evaluations[rows] += passes
        self.steps[rows] = step
        size = log10_largest(reading.x).to(self.log10_x)
        larger = size > self.log10_x[rows]
        self.worst[rows[larger]], self.log10_x[rows[larger]] = v[larger], size[larger]
        value = reading.value.to(self.value)
        better = value > self.value[rows]
        self.best[rows[better]], self.value[rows[better]] = v[better], value[better]
        for level, beyond in LEVELS_SEEN.items():
            now = ((size >= beyond) if math.isinf(beyond) else (size > beyond)) & self.first[level][rows].isinf()
            self.first[level][rows[now]] = self.evaluations[rows[now]]
            self.first_step[level][rows[now]] = float(step)
        return better
