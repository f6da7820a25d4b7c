"""Confidence intervals of rates and medians."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit

__all__ = ["clopper_pearson", "median_interval", "rate_interval", "training_parts"]

Array = NDArray[np.float64]


@lru_cache(maxsize=2**16)  # a large leaderboard has few different pairs
def clopper_pearson(failures: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """(low, high): the exact two-sided interval of a rate of k failures in n (Clopper and Pearson
    1934), (0, 1) for n = 0. Raises ``ValueError`` unless 0 ≤ k ≤ n.

    The ends are quantiles of Beta(k, n − k + 1) and Beta(k + 1, n − k). Unlike scipy's
    ``binomtest(k, n).proportion_ci()``, which gives the same numbers, it takes k and n that are not
    whole, as ``rate_interval`` has. 0 of 50 has the upper limit 7.1 %.
    """
    if not 0 <= failures <= n:
        raise ValueError(f"{failures} failures of {n}")
    tail = (1 - confidence) / 2
    low = float(betaincinv(failures, n - failures + 1, tail)) if failures else 0.0
    return low, float(betaincinv(failures + 1, n - failures, 1 - tail)) if failures < n else 1.0


def rate_interval(
    failures: Array, counts: Array, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(rate, low, high) of ``failures`` among ``counts`` inputs, both (T, P): for each of P
    photographs under each of T trainings. Where trainings are the clusters, they are one row.

    It is the Clopper–Pearson interval at n*, the number of independent inputs that would say as
    much (Korn and Graubard, Survey Methodology 1998):
    n* = z²·p(1 − p)/(t²_{P−1}·V_P + t²_{T−1}·V_T), where V_P and V_T are the variances of the rate
    p over photographs and over trainings (t² as in Banerjee, Sankhyā 1960).

    t²·V_P is averaged with z²·p(1 − p)/P, its value where all inputs of a photograph are alike,
    with the weights k and 1; k photographs have a failure or, if these are fewer, a success. So
    rates of 0 and 1 have n* = P. With one training V_T is 0, and the interval is about that
    training. With one input per photograph and one training it is exactly Clopper–Pearson's. For
    fewer than two photographs it is (0, 1).
    """
    n, photos, failed = counts.sum(), counts.sum(0), failures.sum(0)
    clusters, trainings = int((photos > 0).sum()), int((counts.sum(1) > 0).sum())
    rate = float(failed.sum() / n) if n else math.nan
    if clusters < 2:
        return rate, 0.0, 1.0
    squared, alike = float((photos**2).sum()) / n**2, rate * (1 - rate)
    n_star = 1 / squared
    if alike and (trainings > 1 or photos.max() > 1):
        tail = (1 - confidence) / 2
        over = clusters / (clusters - 1) * float(((failed - rate * photos) ** 2).sum()) / n**2
        k = min(int((failed > 0).sum()), int((failed < photos).sum()))
        variance = (k * _squared_t(clusters - 1, tail) * over + alike * squared) / (k + 1)
        if trainings > 1:
            variance += _squared_t(trainings - 1, tail) * training_parts(failures, counts)[0]
        n_star = min(alike / variance, float(n))
    return rate, *clopper_pearson(rate * n_star, n_star, confidence)


@lru_cache(maxsize=2**10)
def _squared_t(freedom: int, tail: float) -> float:
    """t²/z² at one tail."""
    return float((stdtrit(freedom, tail) / ndtri(tail)) ** 2)


def training_parts(failures: Array, counts: Array) -> tuple[float, float]:
    """(V_T, V_E): the variance of a rate between trainings, and the part of it that is due to
    inputs and samples. V_T − V_E estimates σ_T²/T without bias; it may be negative. Zeros for one
    training.

    ``failures``: (T, P). ``counts``: (T, P), or (P,) where all trainings have the same. With
    u = failures − p·counts, whose sum is 0, and N inputs, V_T = T/(T − 1)·Σ_t u_t.²/N² and
    V_E = T·P·Σ r²/((T − 1)(P − 1)·N²) with r = u − u_t./P − u_.p/T.
    """
    trainings, photos = failures.shape
    if trainings < 2:
        return 0.0, 0.0
    counts = np.broadcast_to(counts, failures.shape)
    n = float(counts.sum())
    u = failures - failures.sum() / n * counts
    rows = u.sum(1, keepdims=True)
    over = trainings / (trainings - 1) * float((rows**2).sum()) / n**2
    if photos < 2:
        return over, 0.0
    left = u - rows / photos - u.sum(0, keepdims=True) / trainings
    return over, trainings * photos * float((left**2).sum()) / (
        (trainings - 1) * (photos - 1)
    ) / n**2


def median_interval(
    values: Sequence[float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """(median, low, high): the upper median, and the order statistics x_(k) and x_(n+1−k) with the
    largest k for which P(Binomial(n, ½) < k) ≤ (1 − confidence)/2.

    The interval holds for every distribution, so values may be infinite (censored). Where there is
    no k, below n = 6 at 95 %, it is (−∞, ∞). Raises ``ValueError`` for no values.
    """
    from scipy.stats import binom  # takes longer to import than a table takes to make

    if not values:
        raise ValueError("no values, no median")
    ordered, n = sorted(values), len(values)
    k = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    low, high = (ordered[k - 1], ordered[n - k]) if k > 0 else (-math.inf, math.inf)
    return statistics.median_high(ordered), low, high
