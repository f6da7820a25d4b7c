"""A shift that is free, or saturates smoothly."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import shift

__all__ = ["bounded_shift", "shift_option"]


def shift_option(name: str, value: float | None, own: float) -> float:
    """The bound T of the option ``shift`` of the design ``name``; ``own``: what None stands for.
    Raises ``ValueError`` unless it is a positive number, or ``own``."""
    if value is None or value == own:
        return own
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{name}: shift must be a positive number or None, got {value!r}")
    return float(value)


def bounded_shift(raw: Tensor, bound: float) -> Tensor:
    """t = T·tanh(raw/T), T = ``bound``: |t| ≤ T, of slope 1 at 0; for T = Inf, t = raw.

    ±Inf gives ±T; with T = Inf it gives NaN, as a free ``shift`` does.
    """
    return shift(raw) if bound == math.inf else bound * torch.tanh(raw / bound)
