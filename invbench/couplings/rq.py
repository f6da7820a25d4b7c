"""The rational-quadratic spline of Neural Spline Flows."""

from __future__ import annotations

import math

from torch import Tensor

from invbench.couplings.bins import softplus_slope
from invbench.couplings.rq_spline import RQSpline
from invbench.registry import coupling

__all__ = ["RQ"]


@coupling("rq")
class RQ(RQSpline):
    """K = 8 rational-quadratic bins on [−B, B], B = 3; linear tails of slope 1; no shift.

    Widths and heights are at least 1e-3 of the box. Knot slopes are 1e-3 + softplus, saturating at
    1e4. All but one bin may be smallest, so the curve comes near the upper left corner of the box:
    sup |c⁻¹(y) − y| = 2B·(1 − (K − 1)·floor).
    """

    slope_range = (0.0, math.inf)
    metadata = {
        "citation": "Durkan, Bekasov, Murray, Papamakarios: Neural Spline Flows, NeurIPS 2019",
        "year": 2019,
        "family": "spline",
        "formula": "8 rational-quadratic bins in (−3, 3), identity outside",
    }

    def __init__(self, bins: int = 8, box: float = 3.0, floor: float = 1e-3) -> None:
        super().__init__(bins, box, floor)
        self.displacement = 2 * self.box * (1 - (bins - 1) * floor)  # type: ignore[misc]

    def knot_slope(self, raw: Tensor) -> Tensor:
        return softplus_slope(raw, 1e-3)
