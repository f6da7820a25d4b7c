"""What a search found, row by row, and how much it took."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from invbench.attacks.objective import Reading, log10_largest

__all__ = ["LEVELS_SEEN", "Outcome"]

# share of the coordinates: a gradient on no more of them, or on one alone, leads nowhere
FEW = 1e-3
# failure levels that every reading shows: name -> log10 |x| beyond which it is reached
LEVELS_SEEN = {"F1": math.inf, "F2": 1.0}


@dataclass
class Outcome:
    """``best`` (B, D): the point of the largest ``value`` (log10); ``worst``: that of the largest
    |x|, ``log10_x``.

    ``first[level]``, ``first_step[level]``: evaluations and steps until |x| first reached it,
    infinite where it never did (censored at ``evaluations``). One evaluation is a pass through the
    flow, and a gradient is three. ``shares``: one (B,) per gradient, the share of the movable
    coordinates that had one, finite and not 0; NaN where none was asked for. ``steered``: some
    gradient had more than ``FEW`` of them. ``changed``: two readings of |x| differed. A row that is
    neither was not searched, whatever was found.
    """

    best: Tensor
    value: Tensor
    worst: Tensor
    log10_x: Tensor
    evaluations: Tensor
    steps: Tensor
    steered: Tensor
    changed: Tensor
    shares: list[Tensor] = field(default_factory=list)
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
            first={k: v.clone() for k, v in never.items()},
            first_step={k: v.clone() for k, v in never.items()},
        )

    @property
    def searched(self) -> Tensor:
        """Where a gradient led the way or, without one, |x| answered to what was tried, or failed
        at once."""
        return self.steered | self.changed | self.log10_x.isposinf()

    @property
    def share(self) -> Tensor:
        """(B,): the median over steps of ``shares``; 0 where no gradient was read."""
        if not self.shares:
            return torch.zeros_like(self.value)
        return torch.stack(self.shares).nanmedian(0).values.nan_to_num(0.0).to(self.value)

    def steer(self, rows: Tensor, share: Tensor, movable: Tensor) -> None:
        """Take note of a gradient: ``share`` of the ``movable`` coordinates (both (rows,)) had
        one."""
        noted = torch.full_like(self.value, math.nan)
        noted[rows] = share.to(noted)
        self.shares.append(noted)
        self.steered[rows] |= (share * movable > 1) & (share > FEW)

    def join(self, rows: Tensor, later: Outcome) -> None:
        """Add what another search of these rows found afterwards."""
        for level in LEVELS_SEEN:
            for own, spent, theirs in (
                (self.first[level], self.evaluations, later.first[level]),
                (self.first_step[level], self.steps, later.first_step[level]),
            ):
                own[rows] = torch.minimum(own[rows], spent[rows] + theirs)
        better, larger = later.value > self.value[rows], later.log10_x > self.log10_x[rows]
        self.best[rows[better]], self.value[rows[better]] = later.best[better], later.value[better]
        self.worst[rows[larger]], self.log10_x[rows[larger]] = (
            later.worst[larger],
            later.log10_x[larger],
        )
        self.evaluations[rows] += later.evaluations
        self.steps[rows] += later.steps
        self.steered[rows] |= later.steered
        self.changed[rows] |= later.changed
        for share in later.shares:
            noted = torch.full_like(self.value, math.nan)
            noted[rows] = share
            self.shares.append(noted)

    def saw(self, rows: Tensor, v: Tensor, reading: Reading, passes: int, step: int) -> Tensor:
        """Take note of a reading at the points v of these rows; returns where the value is a new
        best."""
        self.evaluations[rows] += passes
        self.steps[rows] = step
        size = log10_largest(reading.x).to(self.log10_x)
        self.changed[rows] |= (size != self.log10_x[rows]) & self.log10_x[rows].isfinite()
        larger = size > self.log10_x[rows]
        self.worst[rows[larger]], self.log10_x[rows[larger]] = v[larger], size[larger]
        value = reading.value.to(self.value)
        better = value > self.value[rows]
        self.best[rows[better]], self.value[rows[better]] = v[better], value[better]
        for level, beyond in LEVELS_SEEN.items():
            now = ((size >= beyond) if math.isinf(beyond) else (size > beyond)) & self.first[level][
                rows
            ].isinf()
            self.first[level][rows[now]] = self.evaluations[rows[now]]
            self.first_step[level][rows[now]] = float(step)
        return better
