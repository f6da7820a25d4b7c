"""Intervals for rates."""

from __future__ import annotations

from scipy.stats import binomtest

__all__ = ["clopper_pearson"]


def clopper_pearson(failures: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (Clopper and Pearson 1934); (0, 1) when nothing was observed.

    0 of N is not 0: the upper limit is 7.1 % for N = 50.
    """
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(failures, n).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)
