"""Comparison of all pairs of entries of a case: which differ, the ranks that each entry may have,
and its tier.

An entry is a design. Its rate varies with the trainings (nested in the design), with the
photographs (crossed: all entries see the same) and with the samples that are drawn of a photograph.
docs/statistics.md has simulated error rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from invbench.measures.paired import ENUMERATED, LEVEL, holm, sign_flips
from invbench.measures.statistics import training_parts

__all__ = ["Pairwise", "banerjee", "pairwise"]

Array = NDArray[np.float64]
BENTKUS = 1 / (4 * float(ndtr(-math.sqrt(2))))  # 3.178
STEPS, DECADES = 50, 14  # of the grid of p


@dataclass(frozen=True)
class Pairwise:
    """The comparison of E entries.

    ``means`` (E,): their rates. ``apart`` (E, E): whether the rate of i is significantly lower than
    that of j. ``photographs``: how many. ``freedom``: degrees of freedom of the spread between
    trainings, 0 where no entry shows one. ``p_least``: the smallest adjusted p that so many
    photographs can give. ``difference``: by how much the median pair must differ to be told apart,
    NaN where no pair can be.
    """

    means: Array
    apart: NDArray[np.bool_] = field(repr=False)
    photographs: int
    freedom: float
    p_least: float
    difference: float

    @property
    def rank_lo(self) -> list[int]:
        """1 + the number of entries whose rate is significantly lower.

        With ``rank_hi`` these are simultaneous intervals of the ranks, of the confidence of
        ``apart`` (Mogstad, Romano, Shaikh, Wilhelm, Review of Economic Studies 2024).
        """
        return [int(v) for v in 1 + self.apart.sum(0)]

    @property
    def rank_hi(self) -> list[int]:
        """E less the number of entries whose rate is significantly higher."""
        return [int(v) for v in len(self.means) - self.apart.sum(1)]

    @property
    def tier(self) -> list[int]:
        """The length of the longest chain of entries, each significantly lower than the next, that
        ends with the entry.

        No two entries of a tier are told apart, and each of tier k + 1 is told apart from one of
        tier k.
        """
        found = np.ones(len(self.means), dtype=np.int64)
        for entry in np.argsort(self.means, kind="stable"):
            if (better := self.apart[:, entry]).any():
                found[entry] = 1 + found[better].max()
        return [int(v) for v in found]


def pairwise(entries: Sequence[Array], sizes: Array, given: bool = False) -> Pairwise:
    """Compare E entries, at a family-wise level of 5 % (Holm).

    ``entries``: per entry, (T, P) sums of 0/1 values over the inputs of each of P photographs under
    each of T trainings. ``sizes`` (P,): inputs of a photograph, the same for all entries.
    ``given``: compare the trainings at hand, by test (1) alone.

    The p of a pair is the larger of two:

    (1) The sign-flip test over photographs, given the trainings. It is exact where up to 13
    photographs differ; beyond that P(|Σ ±d| ≥ u‖d‖) ≤ 2·3.178·Φ(−u) bounds it (Bentkus and
    Dzindzalieta, Bernoulli 2015).

    (2) Where trainings show a spread, the p at which D² = t²_{P−1}·V_P + t²_ν·V_T (Banerjee,
    Sankhyā 1960, which holds its level for normal parts of any size). V_P is the variance of the
    difference D over photographs. V_T = ρ·π(1 − π)(1/T_i + 1/T_j), or what the pair itself shows if
    that is more; π is the mean of the two rates, ρ is pooled over all entries with two trainings or
    more, and ν is its degrees of freedom (Satterthwaite).
    """
    means = np.array([e.sum() / (len(e) * sizes.sum()) for e in entries])
    photos = (
        np.stack([e.mean(0) for e in entries], 1) if len(entries) else np.zeros((len(sizes), 0))
    )
    i, j = np.triu_indices(len(entries), 1)
    apart = np.zeros((len(entries), len(entries)), dtype=bool)
    n, count = len(sizes), max(1, len(i))
    p_least = min(1.0, count * _least(n)) if n > 1 else 1.0
    if n < 2 or not len(i):
        return Pairwise(means, apart, n, 0.0, p_least, math.nan)
    of_photos = _over_photographs(photos - np.outer(sizes, means), i, j) / sizes.sum() ** 2
    of_trainings, freedom = (
        (np.zeros(len(i)), 0.0) if given else _over_trainings(entries, sizes, means, i, j)
    )
    p = np.where(means[i] == means[j], 1.0, np.exp2(1.0 - _moved(photos, i, j)))
    if freedom:
        p = np.maximum(
            p, banerjee((means[i] - means[j]) ** 2, of_photos, of_trainings, n - 1, freedom)
        )
    hopeful = np.flatnonzero(_adjusted(p) < LEVEL)  # the sign-flip test can only make p larger
    p[hopeful] = np.maximum(p[hopeful], _flipped(photos, i[hopeful], j[hopeful]))
    for a, b in ((i[k], j[k]) for k in hopeful[_adjusted(p)[hopeful] < LEVEL]):
        apart[(a, b) if means[a] < means[b] else (b, a)] = True
    half = np.sqrt(
        _t(LEVEL / count, n - 1) ** 2 * of_photos
        + (_t(LEVEL / count, freedom) ** 2 * of_trainings if freedom else 0.0)
    )
    differing = half[half > 0]
    can = p_least < LEVEL and len(differing) > 0
    return Pairwise(
        means, apart, n, freedom, p_least, float(np.median(differing)) if can else math.nan
    )


def _adjusted(p: Array) -> Array:
    return np.array(holm(p.tolist()), dtype=np.float64)


def _least(photographs: int) -> float:
    """The smallest p that the sign-flip test can give: all photographs differ by the same, in one
    direction."""
    if photographs <= ENUMERATED:
        return 2.0 ** (1 - photographs)
    return float(2 * BENTKUS * ndtr(-math.sqrt(photographs)))


def _moved(photos: Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of photographs on which each pair differs."""
    moved = np.zeros(len(i), dtype=np.int64)
    for row in photos:
        moved += row[i] != row[j]
    return moved


def _over_photographs(deviations: Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> Array:
    """P/(P − 1)·Σ_p (b_pi − b_pj)² for each pair, b (P, E) the deviations from the means."""
    n, products = len(deviations), deviations.T @ deviations
    own = np.diag(products)
    return np.maximum(0.0, n / (n - 1) * (own[i] + own[j] - 2 * products[i, j]))


def _over_trainings(
    entries: Sequence[Array], sizes: Array, means: Array, i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[Array, float]:
    """(V_T of every pair, ν); zeros and 0 where no entry has two trainings that differ."""
    counts = np.array([len(e) for e in entries], dtype=np.float64)
    w, more = means * (1 - means), counts - 1
    weight = float(more @ w)
    if not weight:
        return np.zeros(len(i)), 0.0
    shown, noise = np.array([training_parts(e, sizes) for e in entries]).T
    rho = max(0.0, float(more @ ((shown - noise) * counts)) / weight)
    pooled = (means[i] + means[j]) / 2
    spread = rho * pooled * (1 - pooled) * (1 / counts[i] + 1 / counts[j])
    own = np.maximum(shown - noise, 0.0)
    return np.maximum(spread, own[i] + own[j]), float(weight**2 / (more @ w**2))


def _flipped(photos: Array, i: NDArray[np.int64], j: NDArray[np.int64]) -> Array:
    """The sign-flip p of pairs: exact where up to 13 photographs differ, else an upper bound."""
    differences = photos[:, i] - photos[:, j]
    few = (differences != 0).sum(0) <= ENUMERATED
    p = np.ones(len(i))
    p[few] = sign_flips(differences[:, few])
    many = differences[:, ~few]
    p[~few] = np.minimum(1.0, 2 * BENTKUS * ndtr(-np.abs(many.sum(0)) / np.sqrt((many**2).sum(0))))
    return p


def banerjee(
    squared: Array, of_photos: Array, of_trainings: Array, photos: int, freedom: float
) -> Array:
    """The p at which ``squared`` = t²_{P−1}·V_P + t²_ν·V_T, rounded up to a grid of 50 steps per
    decade down to 1e-14; by bisection."""
    a, b = _squares(photos), _squares(round(freedom, 2))
    low, high = np.zeros(len(squared), dtype=np.int64), np.full(len(squared), len(a) - 1)
    while (low < high).any():  # the last step at which the pair is still told apart
        middle = (low + high + 1) // 2
        apart = squared > a[middle] * of_photos + b[middle] * of_trainings
        low, high = np.where(apart, middle, low), np.where(apart, high, middle - 1)
    return 10.0 ** (-low / STEPS)


@lru_cache(maxsize=2**10)
def _squares(freedom: float) -> Array:
    """t² of every two-sided p of the grid."""
    return np.asarray(stdtrit(freedom, 10.0 ** (-np.arange(STEPS * DECADES + 1) / STEPS) / 2) ** 2)


def _t(level: float, freedom: float) -> float:
    return float(-stdtrit(freedom, level / 2))
