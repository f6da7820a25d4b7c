"""One decode of sets: what the rules of the layers share while it goes from noise to data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.moves import move_of, uncompiled
from invbench.bounds.zonotope import Zonotope
from invbench.couplings.base import Elementwise

__all__ = ["Moves", "Run", "Unruled"]

# (layer's name, layer) → a move by hand, or None
Moves = Callable[[str, nn.Module], "float | None"]


class Unruled(Exception):
    """A layer whose set behind it is not known; its text is the reason."""


@dataclass
class Run:
    """``dtype``: that in which the flow decodes; its weights are rounded to it first. ``latent``:
    largest |z|.

    ``conditions``: intervals of the features, ``like(h)`` as a flow's; None for every condition.
    ``split_channels``: how many channels a split's data side has, known ahead. ``vectors``: data
    are (B, C), without positions. ``reason``, ``move`` and ``largest_sum`` are of the present
    layer.
    """

    dtype: torch.dtype
    latent: float
    moves: Moves | None = None
    conditions: Any = None
    split_channels: int = 0
    vectors: bool = False
    name: str = ""
    reason: str = ""
    move: float = 0.0
    largest_sum: float = 0.0
    notes: dict[str, None] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        self.name, self.reason, self.move, self.largest_sum = name, "", 0.0, 0.0

    def weight(self, v: Tensor) -> Tensor:
        """As the decode has it, in float64."""
        return v.detach().to(self.dtype).double()

    def seen(self, *sizes: float) -> None:
        """Values that arise within the layer."""
        self.largest_sum = max(self.largest_sum, *(math.inf if math.isnan(v) else v for v in sizes))

    def box(self, z: Zonotope) -> Interval:
        """The values of every channel, as the conditioners take them: (1, C, H, W), or (1, C)."""
        shape = (1, z.channels) if self.vectors else (1, *z.centre.shape)
        lo, hi = (z.centre + side * z.radius for side in (-1, 1))
        return Interval(
            lo.nan_to_num(-math.inf).reshape(shape), hi.nan_to_num(math.inf).reshape(shape)
        )

    def unbounded(self, reason: str) -> None:
        self.reason = self.reason or reason

    def by_hand(self, layer: nn.Module) -> float | None:
        return None if self.moves is None else self.moves(self.name, layer)

    def declared(self, layer: nn.Module, design: Elementwise) -> tuple[float, str]:
        """(how far the design moves a value, why it is infinite)."""
        given = self.by_hand(layer)
        if given is not None:
            return given, ""
        found = move_of(uncompiled(design))
        return found.bound, found.reason

    def raw(self, network: Any, kept: Interval, layer: Any = None) -> Interval | None:
        """The conditioner's outputs over the box of conditions and of what it keeps; None where
        there is no box, or no rule."""
        if self.conditions is None:
            return None
        try:
            cond = None if layer is None else self.conditions.like(kept)
            if cond is None:
                return network(kept)  # type: ignore[no-any-return]
            seen = cond[:, layer.sees]
            return network(torch.cat((kept, seen), dim=1) if kept.shape[1] else seen)  # type: ignore[no-any-return, arg-type]
        except Exception as error:  # a stranger's network meets something that is no tensor
            self.notes[f"{self.name}: {error}; bounded for every condition"] = None
            return None
