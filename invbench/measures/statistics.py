"""Intervals for rates and medians."""

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


@lru_cache(maxsize=2**16)  # a large leaderboard asks for few different pairs very often
def clopper_pearson(failures: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a rate (Clopper and Pearson 1934): quantiles (1 ∓ confidence)/2
    of Beta(k, n − k + 1) and Beta(k + 1, n − k); (0, 1) when nothing was observed. Numbers need not
    be whole: ``rate_interval``.

    0 of N is not 0: the upper limit is 7.1 % for N = 50.
    """
    if not 0 <= failures <= n:
        raise ValueError(f"{failures} failures of {n}")
    tail = (1 - confidence) / 2
    low = float(betaincinv(failures, n - failures + 1, tail)) if failures else 0.0
    return low, float(betaincinv(failures + 1, n - failures, 1 - tail)) if failures < n else 1.0


def rate_interval(
    failures: Array, counts: Array, confidence: float = 0.95
) -> tuple[float, float, float]:
    """(rate, low, high) of inputs that fail, (T, P) of ``counts`` of each of P photographs under
    each of T trainings; one row where trainings are the clusters themselves.

    Clopper–Pearson's interval at n* inputs, as many independent ones as would say as much (Korn and
    Graubard, Survey Methodology 1998): n* = z² p(1 − p)/(t²_{P−1} V_P + t²_{T−1} V_T), V_P and V_T
    of p over photographs and over trainings (t² as in Banerjee, Sankhyā 1960). t² V_P is averaged,
    with weight k against 1, with z² p(1 − p)/P, what it is where all inputs of a photograph are
    alike; k photographs have a failure (or, if fewer, a success). So 0 and 100 % have n* = P. Of
    one training, V_T is 0: the interval is that training's. One input each under one training:
    exactly Clopper–Pearson's. (0, 1) for fewer than two photographs.
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
    """(V_T, V_E): the variance of a rate as its trainings show it, and how much of that any two
    halves of a training would show (inputs and what is drawn), so that V_T − V_E estimates σ_T²/T
    without bias, and may be negative. Zeros for one training.

    ``failures`` (T, P); ``counts`` (T, P), or (P,) for the same under all. With u = failures − p ·
    counts (whose sum is 0) and N inputs, V_T = T/(T − 1) Σ_t u_t.²/N², and V_E = T P Σ r²/((T −
    1)(P − 1) N²) from r = u − u_t./P − u_.p/T.
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
    """(median, low, high): the upper median and the order statistics x_(k), x_(n+1−k) with
    P(Binomial(n, ½) < k) ≤ (1 − confidence)/2.

    Holds for every distribution, so values may be infinite (censored). Without a k, for n < 6 at 95
    %, the interval is (−inf, inf). Raises ``ValueError`` for no values.
    """
    from scipy.stats import binom  # takes longer to import than a table takes to make

    if not values:
        raise ValueError("no values, no median")
    ordered, n = sorted(values), len(values)
    k = int(binom.ppf((1 - confidence) / 2, n, 0.5))
    low, high = (ordered[k - 1], ordered[n - k]) if k > 0 else (-math.inf, math.inf)
    return statistics.median_high(ordered), low, high
