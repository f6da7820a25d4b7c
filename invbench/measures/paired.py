"""Paired comparisons of entries that saw the same inputs: a test, intervals of ranks, tiers.

Inputs that share a cluster (crops and severities of one photograph, inputs of one trained toy) are no independent evidence: whole
clusters are flipped or drawn again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["cluster_sums", "holm", "improvement", "mean_interval", "rank_intervals", "sign_flip", "tiers"]

Array = NDArray[np.float64]
ENUMERATED, DRAWN, BOOTSTRAPS, LEVEL = 13, 9999, 2000, 0.05
HUGE = 1e9  # stands for an infinite value: worse than any finite one, equal to another infinite one


def cluster_sums(values: Array, clusters: Sequence[Hashable]) -> tuple[Array, Array]:
    """(sums (C, …) of the rows of ``values`` (N, …) per cluster, rows per cluster (C,)), clusters in order of first appearance."""
    places = {cluster: k for k, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([places[cluster] for cluster in clusters], dtype=np.int64)
    sums = np.zeros((len(places), *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums, np.bincount(index, minlength=len(places)).astype(np.float64)


def sign_flip(differences: Array, clusters: Sequence[Hashable] | None = None) -> float:
    """Two-sided p of "the two are exchangeable", from the sum of paired ``differences`` (N,) when signs of whole clusters are flipped.

    Exact for up to 13 clusters (all 2^C flips); beyond that 9 999 random flips of a fixed seed, the observed one counted (Phipson and Smyth 2010).
    With one 0/1 input per cluster it is McNemar's exact test. Infinite differences count as 1e9, NaN (∞ − ∞) as 0.
    """
    finite = np.nan_to_num(differences, nan=0.0, posinf=HUGE, neginf=-HUGE)
    sums, _ = cluster_sums(finite, range(len(finite)) if clusters is None else clusters)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    if len(sums) <= ENUMERATED:
        bits = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, (DRAWN, len(sums)))
    flipped = np.abs((2.0 * bits - 1.0) @ sums)
    # sums of the same numbers in another order differ by rounding
    reached = int((flipped >= abs(sums.sum()) * (1 - 1e-9)).sum())
    return reached / len(bits) if len(sums) <= ENUMERATED else (reached + 1) / (len(bits) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): max over smaller ones of (m − i)·p_(i), at most 1."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for i, place in enumerate(np.argsort(p_values, kind="stable")):
        running = max(running, (len(p_values) - i) * p_values[place])
        adjusted[place] = min(1.0, running)
    return adjusted


def improvement(a: Array, b: Array) -> float:
    """Probability that a is smaller than b on an input, ties half: mean of [a < b] + ½[a = b]."""
    return float(((a < b) + 0.5 * (a == b)).mean())


def rank_intervals(values: Array, clusters: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """95 % intervals (low, high) of the rank by mean, 1 the smallest, of the columns of ``values`` (N, E): bootstrap over clusters.

    Each of 2 000 draws of a fixed seed ranks the means of the same clusters for all entries; equal means share the better rank in ``low`` and the
    worse one in ``high``.
    """
    sums, counts = cluster_sums(np.nan_to_num(values, posinf=HUGE), clusters)
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), BOOTSTRAPS)
    weights = np.vstack((np.ones(len(counts)), drawn)).astype(np.float64)
    means = (weights @ sums) / (weights @ counts)[:, None]
    better = (means[:, None, :] < means[:, :, None] - 1e-12).sum(2)
    worse = (means[:, None, :] > means[:, :, None] + 1e-12).sum(2)
    low = np.minimum(1 + np.quantile(better, LEVEL / 2, axis=0, method="lower"), 1 + better[0])
    high = np.maximum(
        values.shape[1] - np.quantile(worse, LEVEL / 2, axis=0, method="lower"), values.shape[1] - worse[0]
    )
    return low.astype(int).tolist(), high.astype(int).tolist()


def tiers(values: Array, clusters: Sequence[Hashable]) -> list[int]:
    """Tier of each column of ``values`` (N, E), 1 the smallest means: the best entry opens a tier, and those that the sign-flip test, Holm-adjusted
    at 5 %, cannot tell from it share it; the rest go on in the same way."""
    found, tier = [0] * values.shape[1], 0
    means = np.nan_to_num(values, posinf=HUGE).mean(0)
    left = sorted(range(values.shape[1]), key=lambda e: means[e])
    while left:
        tier, leader, others = tier + 1, left[0], left[1:]
        found[leader] = tier
        with np.errstate(invalid="ignore"):  # ∞ − ∞
            p = holm([sign_flip(values[:, e] - values[:, leader], clusters) for e in others])
        for entry, adjusted in zip(others, p, strict=True):
            if adjusted >= LEVEL:
                found[entry] = tier
        left = [entry for entry in others if not found[entry]]
    return found


def mean_interval(values: Array, clusters: Sequence[Hashable]) -> tuple[float, float, float]:
    """(mean, low, high) of ``values`` (N,): 95 % percentile bootstrap over clusters, 2 000 draws of a fixed seed."""
    sums, counts = cluster_sums(np.nan_to_num(values, posinf=HUGE, neginf=-HUGE), clusters)
    weights = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), BOOTSTRAPS)
    means = (weights @ sums) / (weights @ counts)
    low, high = np.quantile(means, (LEVEL / 2, 1 - LEVEL / 2))
    return float(sums.sum() / counts.sum()), float(low), float(high)
