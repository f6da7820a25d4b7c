"""The mean and the scale of a split's Gaussian over a box of its conditioner's outputs."""

from __future__ import annotations

import torch

from invbench.bounds.lipschitz.interval import Interval
from invbench.flows import BoundedSplit, Split

__all__ = ["moments_over"]

WIDER = 1e-14  # relative, and absolute near 0: of some roundings in float64


def moments_over(split: Split, raw: Interval) -> Interval:
    """An interval of (mean, logs), in the channels of ``raw``. ``split``: of the affine or the
    bounded formula, whose moments increase with their raw values by a slope of 1 at most, so that
    the ends are those of the box, and a bound on the Jacobian of ``raw`` is one of the moments."""
    if type(split) is not BoundedSplit:
        return raw
    lo, hi = (torch.cat(split.moments(end), dim=1) for end in (raw.lo, raw.hi))
    return Interval(lo - WIDER * (1 + lo.abs()), hi + WIDER * (1 + hi.abs()), raw.gain)
