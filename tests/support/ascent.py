"""The worst that a design can be made to do: slopes and displacement by gradient ascent over x and
raw parameters, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from invbench.couplings import Elementwise

STEPS, STARTS, RATE = 80, 64, 0.5
# of the raw parameters that the ascent starts from: mild to saturated
SCALES = (1.0, 4.0, 16.0, 60.0)


@dataclass(frozen=True)
class Reached:
    """Lower bounds on what is possible: the least and the largest c′, and the largest |c(x) − t −
    x|."""

    low: float
    high: float
    moved: float

    def contradictions(self, design: Elementwise, slack: float = 1e-9) -> list[str]:
        """Which of the design's declared constants are wrong, in words; ``slack`` is for
        rounding."""
        assert design.slope_range is not None and design.displacement is not None
        low, high = design.slope_range
        found = []
        if self.low < low * (1 - slack):
            found.append(f"a slope of {self.low:.6g}, declared at least {low:.6g}")
        if self.high > high * (1 + slack):
            found.append(f"a slope of {self.high:.6g}, declared at most {high:.6g}")
        if self.moved > design.displacement * (1 + slack) + 1e-12:
            found.append(f"a displacement of {self.moved:.6g}, declared {design.displacement:.6g}")
        return found


def worst(design: Elementwise, shifted: bool, box: float = 3.0) -> Reached:
    """Adam from 256 seeded starts with |x| ≤ 1.1·box, a quarter each for log c′, −log c′, c(x) − x
    and x − c(x); every step counts.

    ``shifted``: the last parameter is the shift t, which is kept at 0.
    """
    generator = torch.Generator().manual_seed(0)
    count = 4 * STARTS
    scale = torch.tensor(SCALES, dtype=torch.float64).repeat(STARTS)
    p = torch.randn(design.n_params, count, generator=generator, dtype=torch.float64) * scale
    x = box * (2.2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1.1)
    p, x = p.requires_grad_(), x.requires_grad_()
    sign = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(STARTS)
    ascent: Any = torch.optim.Adam(
        [{"params": [p], "lr": RATE}, {"params": [x], "lr": 0.03 * box}], maximize=True
    )
    low, high, moved = math.inf, 0.0, 0.0
    for _ in range(STEPS):
        y, log_slope = design(x, torch.cat((p[:-1], torch.zeros_like(p[-1:]))) if shifted else p)
        slope, step = log_slope.detach().exp(), y - x
        low, high = min(low, slope.min().item()), max(high, slope.max().item())
        moved = max(moved, step.detach().abs().max().item())
        ascent.zero_grad()
        # the additive log-slope has no gradient of its own
        (
            (sign * (log_slope + 0 * x)[: 2 * STARTS]).sum() + (sign * step[2 * STARTS :]).sum()
        ).backward()
        for v in (p, x):
            if v.grad is not None:
                v.grad.nan_to_num_(0.0, 0.0, 0.0)
        ascent.step()
    return Reached(low, high, moved)
