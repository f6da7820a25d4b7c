"""A bound on the Jacobian of a network's activation by the network's input, carried along with the
activation's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.bounds.lipschitz.operator_norm import ROUNDING, convolution_norm, matrix_norm

__all__ = ["Gain"]


@dataclass(frozen=True)
class Gain:
    """J = diag(g)·M with ‖M‖₂ ≤ 1 and one g per channel; or, just behind a linear map, J = K·M with
    its ``kernel`` K, over inputs of ``size`` positions.

    K is kept until the next nonlinear operation, so that the per-channel scales a of an ActNorm
    multiply it: ‖diag(a)K‖ is smaller than max|a|·‖K‖.
    """

    g: Tensor | None
    kernel: Tensor | None = None
    size: tuple[int, ...] = ()

    @classmethod
    def identity(cls, channels: int) -> Gain:
        return cls(torch.ones(channels, dtype=torch.float64))

    @property
    def channels(self) -> int:
        return int((self.g if self.g is not None else self.kernel).shape[0])  # type: ignore[union-attr]

    def settled(self) -> Tensor:
        """g, (channels,); that of a kernel is its norm."""
        if self.g is not None:
            return self.g
        assert self.kernel is not None
        norm = (
            convolution_norm(self.kernel, *self.size)
            if self.kernel.ndim == 4
            else matrix_norm(self.kernel)
        )  # type: ignore[call-arg]
        return torch.full((self.channels,), norm, dtype=torch.float64)

    @property
    def norm(self) -> float:
        return self.settled().max().item() if self.channels else 0.0

    def __getitem__(self, channels: slice) -> Gain:
        if self.kernel is not None:
            return Gain(None, self.kernel[channels], self.size)
        return Gain(self.settled()[channels])

    def scaled(self, by: Tensor) -> Gain:
        """The gain behind an elementwise map whose slope is at most ``by``, (B, C, …)."""
        largest = by.movedim(1, 0).flatten(1).amax(1) * ROUNDING
        same_everywhere = bool(
            (by == by.amax([d for d in range(by.ndim) if d != 1], keepdim=True)).all()
        )
        if self.kernel is not None and same_everywhere:
            return Gain(
                None, self.kernel * largest.view(-1, *[1] * (self.kernel.ndim - 1)), self.size
            )
        return Gain((self.settled() * largest).nan_to_num(math.inf, math.inf))

    def through(self, weight: Tensor, size: tuple[int, ...]) -> Gain:
        """The gain behind the linear map ``weight``, (outputs, inputs) or (outputs, inputs, k, l)
        over ``size`` positions."""
        return Gain(None, weight * self.settled().view(1, -1, *[1] * (weight.ndim - 2)), size)

    @staticmethod
    def total(parts: Sequence[Gain]) -> Gain | None:
        """The gain of a sum of parts; a single part keeps its kernel."""
        if len(parts) < 2:
            return parts[0] if parts else None
        channels = max(part.channels for part in parts)
        return Gain(torch.full((channels,), sum(part.norm for part in parts), dtype=torch.float64))

    @staticmethod
    def stacked(parts: Sequence[tuple[Gain | None, int]]) -> Gain | None:
        """The gain of channels put side by side, as (gain, channels) each: ‖[M₁; M₂]‖ ≤ √2 where
        both depend on the input."""
        moving = sum(gain is not None for gain, _ in parts)
        if not moving:
            return None
        columns = [
            torch.zeros(n, dtype=torch.float64) if gain is None else gain.settled()
            for gain, n in parts
        ]
        return Gain(torch.cat(columns) * math.sqrt(moving))
