"""What wrong pixels of a sample look like to a viewer of the released code, which writes 8-bit
files: clip to [0, 1], times 255, cast to uint8."""

from __future__ import annotations

import math
import platform

import numpy as np
import torch
from torch import Tensor

__all__ = ["MACHINE", "appearance", "nan_level", "released"]

MACHINE = f"numpy {np.__version__}, {platform.machine()}"


def released(x: Tensor, nan: int) -> Tensor:
    """A sample as the file has it, uint8: +Inf is 255 and −Inf 0, NaN passes the clip, and what the
    cast makes of it is undefined: ``nan`` here."""
    return torch.where(x.isnan(), float(nan), x.clamp(0, 1) * 255).byte()


def nan_level() -> int:
    """What numpy makes of a NaN on this machine."""
    with np.errstate(invalid="ignore"):
        return int((np.clip(np.full(64, np.nan, np.float32), 0, 1) * 255.0).astype(np.uint8)[0])


def appearance(x: Tensor) -> dict[str, float]:
    """What wrong pixels of a sample (3, H, W) look like, per cent; NaN where there is no such
    pixel.

    ``saturated_pct``: of finite error pixels, those 0 or 1 in every channel once clamped;
    ``baseline_pct``: of other finite pixels. Of non-finite pixels, ``black_pct``: those black if
    NaN becomes 0; ``black_least_pct``: if it becomes 255; ``nan_pct``: those with a NaN.
    """
    finite = x.isfinite().all(0)
    error = ((x > 1.5) | (x < -0.5)).any(0) & finite
    saturated = ((x >= 1) | (x <= 0)).all(0)
    most, least = ((released(x, nan) == 0).all(0) for nan in (0, 255))

    def share(what: Tensor, of: Tensor) -> float:
        return 100 * what[of].double().mean().item() if bool(of.any()) else math.nan

    return {
        "saturated_pct": share(saturated, error),
        "baseline_pct": share(saturated, finite & ~error),
        "black_pct": share(most, ~finite),
        "black_least_pct": share(least, ~finite),
        "nan_pct": share(x.isnan().any(0), ~finite),
    }
