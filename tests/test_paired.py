"""Paired comparisons: exact where they can be checked by hand, and honest in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from invbench.measures.paired import cluster_sums, holm, improvement, rank_intervals, sign_flip, tiers
from invbench.measures.statistics import clopper_pearson


def errors(rates, n, seed, clusters=None):
    """0/1 errors (n, entries) whose inputs differ in difficulty; with ``clusters``, inputs of one cluster share theirs."""
    rng = np.random.default_rng(seed)
    hard = rng.random(n) if clusters is None else rng.random(clusters)[np.arange(n) % clusters]
    return np.stack([(0.5 * hard + 0.5 * rng.random(n) < rate).astype(float) for rate in rates], 1)


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 2), (3, 3), (0, 1)])
def test_one_input_per_cluster_is_mcnemars_exact_test(wins, losses):
    differences = np.array([1.0] * wins + [-1.0] * losses + [0.0] * 30)
    assert sign_flip(differences) == pytest.approx(binomtest(wins, wins + losses).pvalue)


def test_many_clusters_are_drawn_and_near_the_exact_test():
    differences = np.array([1.0] * 25 + [-1.0] * 8)
    assert sign_flip(differences) == pytest.approx(binomtest(25, 33).pvalue, abs=2e-3)
    assert sign_flip(differences) == sign_flip(differences)


def test_a_cluster_counts_once():
    differences = np.ones(60)
    assert sign_flip(differences) < 1e-3
    assert sign_flip(differences, [0, 1, 2] * 20) == 0.25


def test_infinite_values_are_worst_and_equal_to_each_other():
    a, b = np.array([math.inf, math.inf, 1.0] * 6), np.array([math.inf, 2.0, 1.0] * 6)
    with np.errstate(invalid="ignore"):
        assert sign_flip(a - b) == pytest.approx(2 / 2**6)
    assert improvement(b, a) == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert tiers(np.stack((a, b), 1), range(18)) == [2, 1]


def test_nothing_to_tell_apart():
    assert sign_flip(np.zeros(5)) == 1 == sign_flip(np.zeros(0))
    assert tiers(np.zeros((4, 3)), range(4)) == [1, 1, 1]
    assert rank_intervals(np.zeros((4, 3)), range(4)) == ([1, 1, 1], [3, 3, 3])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_cluster_sums_keep_the_order_of_appearance():
    sums, counts = cluster_sums(np.array([1.0, 2.0, 4.0]), ["b", "a", "b"])
    assert sums.tolist() == [5.0, 2.0] and counts.tolist() == [2.0, 1.0]


def test_clearly_different_entries_have_their_own_ranks_and_tiers():
    values = errors([0.05, 0.5, 0.95], 80, 0)
    assert rank_intervals(values, range(80)) == ([1, 2, 3], [1, 2, 3])
    assert tiers(values, range(80)) == [1, 2, 3]


@pytest.mark.parametrize("clusters", [None, 12], ids=["independent", "clustered"])
def test_identical_entries_are_told_apart_in_at_most_5_percent_of_runs(clusters):
    """400 simulated leaderboards of three entries with the same rate: share in which not all are in one tier; 5 % ± 2 standard errors."""
    n = 60
    ids = range(n) if clusters is None else [k % clusters for k in range(n)]
    apart = sum(max(tiers(errors([0.3] * 3, n, seed, clusters), ids)) > 1 for seed in range(400))
    assert apart <= 400 * 0.05 + 2 * math.sqrt(400 * 0.05 * 0.95)


def test_intervals_of_rates_cover_in_at_least_94_percent_of_runs():
    for rate in (0.02, 0.3, 0.9):
        counts = np.random.default_rng(0).binomial(50, rate, 2000)
        intervals = {k: clopper_pearson(int(k), 50) for k in set(counts.tolist())}
        assert np.mean([intervals[k][0] <= rate <= intervals[k][1] for k in counts.tolist()]) >= 0.94


def test_rank_intervals_cover_the_true_rank():
    """Ranks of four entries with rates 0.2 … 0.5 on 60 inputs: the true rank lies inside in at least 94 % of 300 runs."""
    rates, inside = [0.2, 0.3, 0.4, 0.5], 0
    for seed in range(300):
        low, high = rank_intervals(errors(rates, 60, seed), range(60))
        inside += sum(lo <= true <= hi for lo, hi, true in zip(low, high, (1, 2, 3, 4), strict=True))
    assert inside >= 0.94 * 1200
