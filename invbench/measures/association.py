"""Whether a score tells which inputs fail: failure rate by rank, logistic regression and AUC (Hong,
Park, Chun, ICCV 2023, Fig. 4).

Arrays have one entry per input: ``score``, ``failed`` (bool) and ``cluster``, its photograph, since
inputs of one photograph are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from invbench.errors import UsageError
from invbench.measures.statistics import rate_interval

__all__ = ["AUC", "Logistic", "RankBin", "auc", "logistic", "rank_bins"]


@dataclass(frozen=True)
class RankBin:
    """The inputs of ranks ``first`` to ``last``; rank 1 has the highest score.

    Their scores lie in [``score_lo``, ``score_hi``]. ``lo``, ``hi``: the 95 % interval of their
    failure rate over photographs (``rate_interval``).
    """

    first: int
    last: int
    score_lo: float
    score_hi: float
    failures: int
    rate: float
    lo: float
    hi: float

    @property
    def n(self) -> int:
        return self.last - self.first + 1


def rank_bins(
    score: np.ndarray, failed: np.ndarray, cluster: np.ndarray, bins: int = 10
) -> list[RankBin]:
    """The failure rate by rank of score, in ``bins`` groups whose sizes differ by at most one, or
    in as many as there are inputs."""
    score, failed = _checked(score, failed)
    order = np.argsort(-score, kind="stable")
    found, first = [], 1
    for group in np.array_split(order, min(bins, len(order))) if len(order) else []:
        failures, n = int(failed[group].sum()), len(group)
        _, of_photograph = np.unique(np.asarray(cluster)[group], return_inverse=True)
        failed_of_each, of_each = (
            np.bincount(of_photograph, failed[group]),
            np.bincount(of_photograph),
        )
        _, low, high = rate_interval(
            failed_of_each[None].astype(np.float64), of_each[None].astype(np.float64)
        )
        ends = float(score[group].min()), float(score[group].max())
        found.append(RankBin(first, first + n - 1, *ends, failures, failures / n, low, high))
        first += n
    return found


@dataclass(frozen=True)
class Logistic:
    """log-odds of failure = ``intercept`` + ``slope``·ln(score), by maximum likelihood without
    penalty.

    ``status``: ``ok``; ``separated`` when a threshold of the score divides failures from the rest,
    so that the likelihood has no maximum; ``one outcome`` when all inputs fail or none does;
    ``constant`` when all scores are equal. All numbers are NaN unless it is ``ok``. ``lo``, ``hi``:
    Wald interval of the slope from the Fisher information, for independent inputs. ``cluster_lo``,
    ``cluster_hi``: Wald interval by the sandwich estimator of Liang and Zeger (1986), for inputs
    that are dependent within a cluster.
    """

    status: str
    n: int
    failures: int
    slope: float = math.nan
    intercept: float = math.nan
    lo: float = math.nan
    hi: float = math.nan
    cluster_lo: float = math.nan
    cluster_hi: float = math.nan

    def rate(self, score: np.ndarray) -> np.ndarray:
        """The failure rate that the regression predicts for a score."""
        return expit(self.intercept + self.slope * np.log(score))


def logistic(
    score: np.ndarray,
    failed: np.ndarray,
    cluster: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Logistic:
    """Regress failure on ln(score). Raises ``UsageError`` when a score is not positive and finite.

    Fisher information: I = Σ p(1 − p)·xxᵀ with x = (1, ln score). Sandwich: I⁻¹(Σ_c g_c g_cᵀ)I⁻¹,
    with g_c the sum of (failed − p)·x over cluster c.
    """
    score, failed = _checked(score, failed)
    if not (np.isfinite(score) & (score > 0)).all():
        raise UsageError(
            "logistic regression on ln(score) needs positive, finite scores; leave out or name "
            "the others"
        )
    n, failures = len(score), int(failed.sum())
    if failures in (0, n):
        return Logistic("one outcome", n, failures)
    log = np.log(score)
    if np.ptp(log) == 0:
        return Logistic("constant", n, failures)
    # there is no estimate when the ranges overlap in one point at most (Albert and Anderson 1984)
    bad, good = log[failed], log[~failed]
    if bad.min() >= good.max() or good.min() >= bad.max():
        return Logistic("separated", n, failures)
    centre, spread = log.mean(), log.std()
    x = np.stack([np.ones(n), (log - centre) / spread], 1)
    fit = LogisticRegression(
        C=np.inf, fit_intercept=False, tol=1e-10, solver="newton-cholesky"
    ).fit(x, failed)
    beta = fit.coef_[0]
    p = expit(x @ beta)
    inverse = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x)
    _, group = np.unique(np.arange(n) if cluster is None else cluster, return_inverse=True)
    pull = np.zeros((group.max() + 1, 2))
    np.add.at(pull, group, x * (failed - p)[:, None])
    sandwich = inverse @ (pull.T @ pull) @ inverse
    slope, z = float(beta[1] / spread), float(norm.ppf((1 + confidence) / 2))
    fisher, robust = (z * math.sqrt(cov[1, 1]) / spread for cov in (inverse, sandwich))
    intercept = float(beta[0] - slope * centre)
    ends = slope - fisher, slope + fisher, slope - robust, slope + robust
    return Logistic("ok", n, failures, slope, intercept, *map(float, ends))


@dataclass(frozen=True)
class AUC:
    """The probability that a failing input has a higher score than one that does not fail; ties
    count half, so a score without information has 1/2.

    ``pairs``: how many were compared; NaN where there are none. ``lo``, ``hi``: percentile
    bootstrap over clusters; NaN where more than one resample in ten has no pair.
    """

    value: float
    lo: float
    hi: float
    pairs: int


def auc(
    score: np.ndarray,
    failed: np.ndarray,
    cluster: np.ndarray,
    strata: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> AUC:
    """AUC over all pairs (failing, not failing), or with ``strata`` over the pairs within a
    stratum, which leaves out differences between strata.

    Without strata it equals scikit-learn's ``roc_auc_score``, which has none. Infinite scores rank
    highest. The bootstrap draws clusters with replacement: an input of a cluster that is drawn k
    times has weight k.
    """
    score, failed = _checked(score, failed)
    _, clusters = np.unique(cluster, return_inverse=True)
    count = int(clusters.max()) + 1 if len(score) else 0
    rng = np.random.default_rng(seed)
    drawn = (
        rng.multinomial(count, np.full(count, 1 / count), resamples)
        if count
        else np.zeros((resamples, 0))
    )
    weights = np.concatenate([np.ones((1, count)), drawn]).astype(float)  # row 0: the sample itself
    won, total = np.zeros(len(weights)), np.zeros(len(weights))
    _, layer = np.unique(np.zeros(len(score)) if strata is None else strata, return_inverse=True)
    for k in range(int(layer.max()) + 1 if len(score) else 0):
        bad, good = (np.flatnonzero((layer == k) & which) for which in (failed, ~failed))
        if len(bad) and len(good):
            higher = (score[bad, None] > score[good]) + 0.5 * (score[bad, None] == score[good])
            w_bad, w_good = weights[:, clusters[bad]], weights[:, clusters[good]]
            won += ((w_bad @ higher) * w_good).sum(1)
            total += w_bad.sum(1) * w_good.sum(1)
    if total[0] == 0:
        return AUC(math.nan, math.nan, math.nan, 0)
    some = total[1:] > 0
    ends = np.array([math.nan, math.nan])
    if some.mean() >= 0.9:
        tail = (1 - confidence) / 2
        ends = np.quantile(won[1:][some] / total[1:][some], [tail, 1 - tail])
    return AUC(float(won[0] / total[0]), float(ends[0]), float(ends[1]), int(total[0]))


def _checked(score: np.ndarray, failed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    score, failed = np.asarray(score, dtype=float), np.asarray(failed, dtype=bool)
    if score.shape != failed.shape or score.ndim != 1:
        raise UsageError(
            f"scores of shape {score.shape} and failures of {failed.shape}; give one of each "
            f"per input"
        )
    if np.isnan(score).any():
        raise UsageError("a score is NaN; an input that cannot be scored has the score infinity")
    return score, failed
