"""What a search has seen so far, row by row, and what it took."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from invbench.attacks.objective import Reading, log10_largest

__all__ = ["LEVELS_SEEN", "SearchTrace"]

# share of the coordinates: a gradient that is not 0 on so few of them, or on one, leads nowhere
FEW = 1e-3
# the failure levels that every reading shows: name -> log10 |x| beyond which it is reached
LEVELS_SEEN = {"F1": math.inf, "F2": 1.0}


@dataclass
class SearchTrace:
    """The record of a search on B rows; all tensors are (B,) but for the points.

    ``best`` (B, D): the point of the largest ``value`` (log10). ``worst`` (B, D): that of the
    largest |x|, ``log10_x``. ``evaluations``: passes through the flow; a gradient counts three.
    ``first[level]``, ``first_step[level]``: evaluations and steps until |x| first reached the
    level, infinite where it never did (censored at ``evaluations``). ``shares``: one tensor per
    gradient, the share of the movable coordinates whose gradient was finite and not 0; NaN where
    none was asked for. ``steered``: whether some gradient had more than ``FEW`` of them.
    ``changed``: whether two readings of |x| differed. A row that is neither was not searched.
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
    def at(cls, start: Tensor) -> SearchTrace:
        """The record of a search that begins at ``start`` (B, D) and has seen nothing."""
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
        """Rows on which a gradient led, or |x| changed with what was tried, or was infinite at
        once."""
        return self.steered | self.changed | self.log10_x.isposinf()

    @property
    def share(self) -> Tensor:
        """The median over steps of ``shares``; 0 where no gradient was read."""
        if not self.shares:
            return torch.zeros_like(self.value)
        return torch.stack(self.shares).nanmedian(0).values.nan_to_num(0.0).to(self.value)

    def steer(self, rows: Tensor, share: Tensor, movable: Tensor) -> None:
        """Note a gradient: a ``share`` of the ``movable`` coordinates, both (rows,), had one."""
        noted = torch.full_like(self.value, math.nan)
        noted[rows] = share.to(noted)
        self.shares.append(noted)
        self.steered[rows] |= (share * movable > 1) & (share > FEW)

    def join(self, rows: Tensor, later: SearchTrace) -> None:
        """Append the record of a later search on these rows."""
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
        """Note a reading at the points v of these rows. Returns where its value is a new best."""
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
