"""The verdict on a point: a plain decode in the flow's own dtype, one input at a time, so that a
replay computes the same bits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.attacks.objective import log10_largest
from invbench.attacks.threat_model import Inputs
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.quality import lr_psnr
from invbench.measures.round_trip import round_trip_error

__all__ = ["LEVELS", "AttackVerdict", "judge", "plain_output", "power"]

LEVELS = {
    "F1": "an element of x is not finite",
    "F2": "some |x| > 10",
    "F3": "the round trip x → z → x̂ errs by more than 1/255 somewhere",
    "F4": "LR-PSNR against the clean condition is below 20 dB",
}
LARGE, GREY_LEVEL, POOR = 1.0, 1 / 255, 20.0  # log10 |x|; of a pixel; dB


def power(log10: float) -> str:
    """A size as people read it: ``10^2.4``, or ``not finite``."""
    return f"10^{log10:.1f}" if log10 < math.inf else "not finite"


@dataclass(frozen=True)
class AttackVerdict:
    """How one input fares.

    ``log10_x``: log10 of the largest |x|, infinite when x is not finite. ``round_trip``: largest
    |x̂ − x|. ``lr_psnr``: in dB, NaN where there is no condition to compare with. ``error``: a
    pixel lies above 1.5 or below −0.5 or is not finite (Hong, Park, Chun, ICCV 2023, Table 1).
    """

    log10_x: float
    round_trip: float
    lr_psnr: float
    error: bool

    @property
    def levels(self) -> dict[str, bool]:
        """Which of ``LEVELS`` are reached."""
        return {
            "F1": math.isinf(self.log10_x) and self.log10_x > 0,
            "F2": self.log10_x > LARGE,
            "F3": self.round_trip > GREY_LEVEL,
            "F4": self.lr_psnr < POOR,
        }


@torch.no_grad()
def plain_output(flow: ConditionalFlow, inputs: Inputs) -> Tensor:
    """x of one input: the decode of its latents, or for an image the decode of its encode."""
    latents = inputs.latents if inputs.x is None else flow.encode(inputs.x, inputs.y)[0]
    return flow.decode(latents, inputs.y)


@torch.no_grad()
def judge(
    flow: ConditionalFlow, inputs: Inputs, clean: Tensor | None = None, scale: int = 4
) -> list[AttackVerdict]:
    """One verdict per row. ``clean``: conditions (B, 3, h, w), which samples ``scale`` times as
    large are compared with by LR-PSNR; None for no such comparison."""
    found = []
    for row in range(inputs.y.shape[0]):
        one = inputs.rows(torch.tensor([row], device=inputs.y.device))
        x = plain_output(flow, one)
        data = x if one.x is None else one.x
        psnr = (
            math.nan
            if clean is None
            else lr_psnr(x.float().cpu(), clean[row : row + 1].float().cpu(), scale).item()
        )
        size = log10_largest(x).item()
        error = round_trip_error(flow, data, one.y).item() if math.isfinite(size) else math.inf
        found.append(AttackVerdict(size, error, psnr, explosion(x).error))
    return found
