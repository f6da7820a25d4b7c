"""Paired comparisons: exact where they can be checked by hand, and honest in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import wilcoxon as signed_rank

from invbench.measures import paired
from invbench.measures.paired import (
    cluster_sums,
    holm,
    improvement,
    mcnemar,
    mean_interval,
    sign_flip,
    wilcoxon,
)


def errors(rates, n, seed, clusters=None):
    """0/1 errors (n, entries) whose inputs differ in difficulty; with ``clusters``, inputs of one
    cluster share theirs."""
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


def test_nothing_to_tell_apart():
    assert sign_flip(np.zeros(5)) == 1 == sign_flip(np.zeros(0))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_cluster_sums_keep_the_order_of_appearance():
    sums, counts = cluster_sums(np.array([1.0, 2.0, 4.0]), ["b", "a", "b"])
    assert sums.tolist() == [5.0, 2.0] and counts.tolist() == [2.0, 1.0]


def test_mcnemar_counts_the_inputs_on_which_two_differ():
    a, b = (
        np.array([1.0] * 7 + [0.0] * 2 + [1.0] * 20),
        np.array([0.0] * 7 + [1.0] * 2 + [1.0] * 20),
    )
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(2 * (1 + 9 + 36) / 2**9)
    assert mcnemar(a, a) == 1.0


def test_wilcoxon_ranks_the_means_of_clusters():
    assert wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), range(6)) == pytest.approx(2 / 2**6)
    crops = np.array([0.5, 1.5, 2.0, 2.0, 3.0, 3.0, -1.0, -3.0])
    assert wilcoxon(crops, "aabbccdd") == pytest.approx(signed_rank([1.0, 2.0, 3.0, -2.0]).pvalue)
    assert wilcoxon(np.array([1.0, 2.0, 3.0, math.inf]), range(4)) == wilcoxon(
        np.array([1.0, 2.0, 3.0, 9.0]), range(4)
    )
    assert wilcoxon(np.zeros(4), range(4)) == 1.0


@pytest.mark.parametrize("test", ["mcnemar", "wilcoxon"])
def test_entries_with_one_rate_differ_in_at_most_5_percent_of_runs(test):
    """400 pairs of entries that fail alike, 60 inputs each: 5 % ± 2 standard errors."""
    found = 0
    for seed in range(400):
        values = (
            errors([0.3, 0.3], 60, seed)
            if test == "mcnemar"
            else np.random.default_rng(seed).exponential(1, (60, 2))
        )
        p = (
            mcnemar(*values.T)
            if test == "mcnemar"
            else wilcoxon(values[:, 0] - values[:, 1], range(60))
        )
        found += p < 0.05
    assert found <= 400 * 0.05 + 2 * math.sqrt(400 * 0.05 * 0.95)


@pytest.mark.parametrize("clusters", [6, 12, 40])
def test_intervals_of_mean_differences_cover_in_at_least_94_percent_of_runs(clusters):
    """Normal differences of clusters of two inputs that share half of the variance; 600 runs, less
    2 standard errors."""
    inside = 0
    for seed in range(600):
        rng = np.random.default_rng(seed)
        values = 0.3 + np.repeat(rng.normal(size=clusters), 2) + rng.normal(size=2 * clusters)
        _, low, high = mean_interval(values, [k // 2 for k in range(2 * clusters)])
        inside += low <= 0.3 <= high
    assert inside >= 600 * (0.94 - 2 * math.sqrt(0.94 * 0.06 / 600))


def test_many_clusters_are_drawn_in_blocks_as_at_once(monkeypatch):
    values = errors([0.2, 0.4], 150, 0)
    whole = (
        sign_flip(values[:, 0] - values[:, 1]),
        mean_interval(values[:, 0], range(150)),
    )
    monkeypatch.setattr(paired, "BLOCK", 10_000)
    blocks = (
        sign_flip(values[:, 0] - values[:, 1]),
        mean_interval(values[:, 0], range(150)),
    )
    assert blocks == whole
