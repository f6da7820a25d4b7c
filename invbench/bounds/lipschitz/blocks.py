"""Norms of a coupling block from elementwise bounds.

The Jacobian of x ↦ [x₁, c(x₂; NN(x₁))] is [[I, 0], [B, D]], with D = diag(c′) and
B = ∂c/∂params·∂params/∂x₁.
"""

from __future__ import annotations

import math

__all__ = ["additive_jacobian_norm", "block_norm"]


def block_norm(beta: float, delta: float) -> float:
    """n₂(β, δ), an upper bound on ‖[[I, 0], [B, D]]‖ over all ‖B‖ ≤ β and ‖D‖ ≤ δ. It is attained
    when both norms are reached in a common direction.

    n₂² = (T + √(T² − 4δ²))/2 with T = 1 + β² + δ². Since T² − 4δ² = (β² + (1 − δ)²)(β² + (1 + δ)²),
    n₂ = (√(β² + (1 − δ)²) + √(β² + (1 + δ)²))/2, where nothing cancels. The inverse block is
    [[I, 0], [−D⁻¹B, D⁻¹]], so its norm is at most n₂(‖D⁻¹B‖, 1/min c′).
    """
    if not (math.isfinite(beta) and math.isfinite(delta)):
        return math.inf
    return (math.hypot(beta, 1 - delta) + math.hypot(beta, 1 + delta)) / 2


def additive_jacobian_norm(m: float) -> float:
    """(m + √(m² + 4))/2, the norm of the Jacobian of an additive coupling in both directions, m
    bounding that of its shift. Exact for a linear shift of norm m."""
    return (m + math.sqrt(m * m + 4)) / 2
