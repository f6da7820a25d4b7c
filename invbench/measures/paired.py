"""Paired comparisons of two entries on the same inputs: tests, and an interval of the mean
difference.

Inputs of one cluster (crops and severities of one photograph, inputs of one trained toy) are
dependent, so whole clusters are flipped or resampled.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

__all__ = [
    "cluster_sums",
    "holm",
    "improvement",
    "mcnemar",
    "mean_interval",
    "sign_flip",
    "sign_flips",
    "wilcoxon",
]

Array = NDArray[np.float64]
ENUMERATED, DRAWN, BOOTSTRAPS, LEVEL = 13, 9999, 2000, 0.05
AT_ONCE = 64  # columns that are flipped together
BLOCK = 2**22  # random numbers drawn at a time
HUGE = 1e9  # stands for an infinite value, so that two of them are equal


def cluster_sums(values: Array, clusters: Sequence[Hashable]) -> tuple[Array, Array]:
    """(sums of the rows of ``values`` (N, …) per cluster, (C, …); rows per cluster, (C,)), with
    clusters in order of first appearance."""
    places = {cluster: k for k, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([places[cluster] for cluster in clusters], dtype=np.int64)
    sums = np.zeros((len(places), *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums, np.bincount(index, minlength=len(places)).astype(np.float64)


def sign_flip(differences: Array, clusters: Sequence[Hashable] | None = None) -> float:
    """Two-sided p of "the two are exchangeable": the share of sign flips of whole clusters under
    which |Σ differences| is at least as large. ``differences``: (N,).

    Exact for up to 13 clusters (all 2^C flips). Beyond that 9 999 random flips with a fixed seed,
    plus the observed one (Phipson and Smyth 2010). With one 0/1 input per cluster it is McNemar's
    exact test. Infinite differences count as 1e9, NaN (∞ − ∞) as 0.
    """
    return float(sign_flips(differences[:, None], clusters)[0])


def sign_flips(differences: Array, clusters: Sequence[Hashable] | None = None) -> Array:
    """``sign_flip`` of every column of ``differences`` (N, E)."""
    finite = np.nan_to_num(differences, nan=0.0, posinf=HUGE, neginf=-HUGE)
    sums, _ = cluster_sums(finite, range(len(finite)) if clusters is None else clusters)
    moved = (sums != 0).sum(0)
    p = np.ones(sums.shape[1])
    for count in np.unique(moved[moved > 0]).tolist():
        columns = np.flatnonzero(moved == count)
        for part in np.split(columns, range(AT_ONCE, len(columns), AT_ONCE)):
            own = sums[:, part].T
            own = own[own != 0].reshape(len(part), count).T
            # equal sums in another order differ by rounding
            observed = np.abs(own.sum(0)) * (1 - 1e-9)
            reached = sum((np.abs(signs @ own) >= observed).sum(0) for signs in _flips(count))
            p[part] = reached / 2**count if count <= ENUMERATED else (reached + 1) / (DRAWN + 1)
    return p


def _flips(clusters: int) -> Iterator[Array]:
    """Signs (F, clusters) of ±1, in blocks: all of them, or 9 999 drawn with a fixed seed."""
    if clusters * DRAWN <= BLOCK:
        yield _few_flips(clusters)
        return
    rng, rows = np.random.default_rng(0), max(1, BLOCK // clusters)
    for start in range(0, DRAWN, rows):
        yield _signs(rng.integers(0, 2, (min(rows, DRAWN - start), clusters)))


@lru_cache(maxsize=8)
def _few_flips(clusters: int) -> Array:
    if clusters <= ENUMERATED:
        return _signs(np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1)
    return _signs(np.random.default_rng(0).integers(0, 2, (DRAWN, clusters)))


def _signs(bits: NDArray[np.int64]) -> Array:
    return 2 * bits.astype(np.float64) - 1


def _bootstrap_means(sums: Array, counts: Array) -> Array:
    """Means (2 000, …) of the rows behind ``sums`` (C, …) and ``counts`` (C,) under resampling of
    clusters, with a fixed seed."""
    clusters = len(counts)
    if clusters * BOOTSTRAPS <= BLOCK:
        return _weighted(_few_draws(clusters), sums, counts)
    rng, rows, share = (
        np.random.default_rng(0),
        max(1, BLOCK // clusters),
        np.full(clusters, 1 / clusters),
    )
    blocks = (
        rng.multinomial(clusters, share, min(rows, BOOTSTRAPS - start))
        for start in range(0, BOOTSTRAPS, rows)
    )
    return np.concatenate([_weighted(block.astype(np.float64), sums, counts) for block in blocks])


@lru_cache(maxsize=8)
def _few_draws(clusters: int) -> Array:
    drawn = np.random.default_rng(0).multinomial(
        clusters, np.full(clusters, 1 / clusters), BOOTSTRAPS
    )
    return drawn.astype(np.float64)


def _weighted(weights: Array, sums: Array, counts: Array) -> Array:
    n = weights @ counts
    return (weights @ sums) / (n[:, None] if sums.ndim > 1 else n)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number m (Holm 1979): max over i ≤ j of (m − i)·p_(i), i from 0,
    at most 1."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for i, place in enumerate(np.argsort(p_values, kind="stable")):
        running = max(running, (len(p_values) - i) * p_values[place])
        adjusted[place] = min(1.0, running)
    return adjusted


def mcnemar(a: Array, b: Array) -> float:
    """Two-sided exact p of McNemar (1947) for 0/1 values (N,): of the inputs on which the two
    differ, the number in favour of a is compared with a fair coin."""
    from scipy.stats import binomtest

    more, fewer = int((a > b).sum()), int((a < b).sum())
    return float(binomtest(more, more + fewer).pvalue) if more + fewer else 1.0


def wilcoxon(differences: Array, clusters: Sequence[Hashable]) -> float:
    """Two-sided p of the signed-rank test (Wilcoxon 1945) on the means of ``differences`` (N,) per
    cluster; exact for few clusters without ties. 1 where nothing differs.

    Only ranks count, and infinite differences have the largest.
    """
    from scipy.stats import wilcoxon as signed_rank

    sums, counts = cluster_sums(
        np.nan_to_num(differences, nan=0.0, posinf=HUGE, neginf=-HUGE), clusters
    )
    means = sums / counts
    return float(signed_rank(means[means != 0]).pvalue) if means.any() else 1.0


def improvement(a: Array, b: Array) -> float:
    """The probability that a is smaller than b on an input: mean of [a < b] + ½[a = b]."""
    return float(((a < b) + 0.5 * (a == b)).mean())


def mean_interval(values: Array, clusters: Sequence[Hashable]) -> tuple[float, float, float]:
    """(mean, low, high) of ``values`` (N,) over C clusters: the union of two 95 % intervals.

    The first is the expanded percentile bootstrap (Hesterberg 2015): 2 000 resamples of clusters
    with a fixed seed, tails Φ(√(C/(C − 1))·t_{C−1, 2.5 %}). The second, where all values are
    finite, is mean ± t_{C−1, 97.5 %}·√(C/(C − 1)·Σ_c (S_c − n_c·mean)²)/N, cut to their range.

    With six clusters the first covers the mean in 92 % of runs, the union in 94 %. Skewed values of
    few clusters are covered less: exponential ones in 89 % with six, in 94 % with forty. With one
    cluster the interval is (−∞, ∞).
    """
    sums, counts = cluster_sums(np.nan_to_num(values, posinf=HUGE, neginf=-HUGE), clusters)
    mean, n = float(sums.sum() / counts.sum()), len(counts)
    if n < 2:
        return mean, -math.inf, math.inf
    tail = float(ndtr(math.sqrt(n / (n - 1)) * stdtrit(n - 1, LEVEL / 2)))
    low, high = np.quantile(_bootstrap_means(sums, counts), (tail, 1 - tail))
    if np.isfinite(values).all():
        half = (
            -stdtrit(n - 1, LEVEL / 2)
            * math.sqrt(n / (n - 1) * ((sums - mean * counts) ** 2).sum())
            / len(values)
        )
        low, high = (
            min(low, max(mean - half, values.min())),
            max(high, min(mean + half, values.max())),
        )
    return mean, float(low), float(high)
