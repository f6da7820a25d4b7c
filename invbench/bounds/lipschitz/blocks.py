"""From elementwise bounds to a coupling block (numerics.md, section 3)."""

from __future__ import annotations

import math

__all__ = ["additive_jacobian_norm", "block_norm"]


def block_norm(beta: float, delta: float) -> float:
    """n2(β, δ) ≥ ‖[[I, 0], [B, D]]‖ for every ‖B‖ ≤ β, ‖D‖ ≤ δ; attained when both have a common
    direction.

    n2² = (T + sqrt(T² − 4δ²))/2, T = 1 + β² + δ²; with T² − 4δ² = (β² + (1 − δ)²)(β² + (1 + δ)²)
    nothing cancels. The inverse block is [[I, 0], [−D⁻¹B, D⁻¹]]: n2(‖D⁻¹B‖, 1/min c′).
    """
    if not (math.isfinite(beta) and math.isfinite(delta)):
        return math.inf
    return (math.hypot(beta, 1 - delta) + math.hypot(beta, 1 + delta)) / 2


def additive_jacobian_norm(m: float) -> float:
    """(m + sqrt(m² + 4))/2, exact for an additive coupling with a linear shift of norm m, in both
    directions."""
    return (m + math.sqrt(m * m + 4)) / 2
