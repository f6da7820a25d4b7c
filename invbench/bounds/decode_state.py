"""The state of one decode of sets, which the rules of the layers share."""

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

__all__ = ["DecodeState", "Moves", "Unruled"]

# (layer's name, layer) → a move by hand, or None
Moves = Callable[[str, nn.Module], "float | None"]


class Unruled(Exception):
    """The set of values behind a layer is not known; the text is the reason."""


@dataclass
class DecodeState:
    """What holds for the whole decode, and what the present layer has noted.

    ``dtype``: that of the decode, to which weights are rounded first. ``latent``: largest |z|.
    ``moves``: as in ``certify``. ``conditions``: intervals of the features at any resolution,
    ``like(h)``; None for every condition. ``vectors``: data are (B, C), without positions.
    ``split_channels``: how many channels the present split has on its data side. ``name``,
    ``reason``, ``move``, ``largest_sum``: of the present layer, as in ``LayerBound``.
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
        """Go on to the layer of this name."""
        self.name, self.reason, self.move, self.largest_sum = name, "", 0.0, 0.0

    def weight(self, v: Tensor) -> Tensor:
        """A weight as the decode rounds it, in float64."""
        return v.detach().to(self.dtype).double()

    def seen(self, *sizes: float) -> None:
        """Note values that arise within the layer."""
        self.largest_sum = max(self.largest_sum, *(math.inf if math.isnan(v) else v for v in sizes))

    def box(self, z: Zonotope) -> Interval:
        """The interval of the values, shaped as conditioners take it: (1, C, H, W), or (1, C)."""
        shape = (1, z.channels) if self.vectors else (1, *z.centre.shape)
        lo, hi = (z.centre + side * z.radius for side in (-1, 1))
        return Interval(
            lo.nan_to_num(-math.inf).reshape(shape), hi.nan_to_num(math.inf).reshape(shape)
        )

    def unbounded(self, reason: str) -> None:
        """Note that the layer has no bound; the first reason counts."""
        self.reason = self.reason or reason

    def by_hand(self, layer: nn.Module) -> float | None:
        """The move that was given for the layer, or None."""
        return None if self.moves is None else self.moves(self.name, layer)

    def declared(self, layer: nn.Module, design: Elementwise) -> tuple[float, str]:
        """(how far the design moves a value, why that is infinite)."""
        given = self.by_hand(layer)
        if given is not None:
            return given, ""
        found = move_of(uncompiled(design))
        return found.bound, found.reason

    def raw(self, network: Any, kept: Interval, layer: Any = None) -> Interval | None:
        """An interval of the conditioner's outputs, over the box of conditions and that of the half
        that is ``kept``; None without a box, or where an operation has no rule."""
        if self.conditions is None:
            return None
        try:
            cond = None if layer is None else self.conditions.like(kept)
            if cond is None:
                return network(kept)  # type: ignore[no-any-return]
            seen = cond[:, layer.sees]
            return network(torch.cat((kept, seen), dim=1) if kept.shape[1] else seen)  # type: ignore[no-any-return, arg-type]
        except Exception as error:  # any network may meet what is no tensor
            self.notes[f"{self.name}: {error}; bounded for every condition"] = None
            return None
