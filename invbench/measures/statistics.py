"""Intervals for rates and medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from scipy.special import betaincinv

__all__ = ["clopper_pearson", "median_interval"]


@lru_cache(maxsize=2**16)  # a large leaderboard asks for few different pairs very often
def clopper_pearson(failures: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (Clopper and Pearson 1934): quantiles (1 ∓ confidence)/2 of Beta(k, n − k + 1) and Beta(k + 1, n − k);
    (0, 1) when nothing was observed.

    0 of N is not 0: the upper limit is 7.1 % for N = 50.
    """
    if not 0 <= failures <= n:
        raise ValueError(f"{failures} failures of {n}")
    tail = (1 - confidence) / 2
    low = float(betaincinv(failures, n - failures + 1, tail)) if failures else 0.0
    return low, float(betaincinv(failures + 1, n - failures, 1 - tail)) if failures < n else 1.0


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """(median, low, high): the upper median and the order statistics x_(k), x_(n+1−k) with P(Binomial(n, ½) < k) ≤ (1 − confidence)/2.

    Holds for every distribution, so values may be infinite (censored). Without a k, for n < 6 at 95 %, the interval is (−inf, inf).
    Raises ``ValueError`` for no values.
    """
    from scipy.stats import binom  # takes longer to import than a table takes to make

    if not values:
        raise ValueError("no values, no median")
    ordered, n = sorted(values), len(values)
    k = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    low, high = (ordered[k - 1], ordered[n - k]) if k > 0 else (-math.inf, math.inf)
    return statistics.median_high(ordered), low, high
