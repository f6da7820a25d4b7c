"""All pairs of entries: by hand where that can be, and never more false findings than stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import t as student

from invbench.measures import pairwise as module
from invbench.measures.contrast import contrast
from invbench.measures.paired import mean_interval, sign_flip
from invbench.measures.pairwise import banerjee, pairwise


def entries(rates, photographs, seed=0, trainings=1, spread=0.0, crops=2):
    """Entries of ``rates``: failing inputs (T, P) of a probit with shared photographs, own
    photographs, and trainings of standard deviation ``spread``; entries of one rate are
    exchangeable."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=photographs)[None, :, None]
    found = []
    for rate in rates:
        own = rng.normal(size=(1, photographs, 1))
        trained = spread * rng.normal(size=(trainings, 1, 1))
        z = (
            0.7 * shared
            + 0.5 * own
            + trained
            + 0.5 * rng.normal(size=(trainings, photographs, crops))
        )
        limit = math.sqrt(0.49 + 0.25 + spread**2 + 0.25) * ndtri(rate)
        found.append((z < limit).sum(2).astype(float))
    return found


def test_clearly_different_entries_have_their_own_ranks_and_tiers():
    found = pairwise(entries([0.02, 0.5, 0.98], 80), np.full(80, 2.0))
    assert (found.rank_lo, found.rank_hi, found.tier) == ([1, 2, 3], [1, 2, 3], [1, 2, 3])
    assert found.apart.tolist() == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]


def test_nothing_to_tell_apart():
    found = pairwise([np.zeros((2, 8))] * 3, np.ones(8))
    assert (found.rank_lo, found.rank_hi, found.tier) == ([1, 1, 1], [3, 3, 3], [1, 1, 1])
    alone = pairwise([np.zeros((1, 8))], np.ones(8))
    assert (alone.rank_lo, alone.rank_hi, alone.tier) == ([1], [1], [1])


def test_six_photographs_tell_two_entries_apart_and_no_three():
    never, always = np.zeros((1, 6)), np.ones((1, 6))
    assert pairwise([never, always], np.ones(6)).tier == [1, 2]
    three = pairwise([never, always, always], np.ones(6))
    assert (
        three.tier == [1, 1, 1] and three.p_least == 3 * 2 / 2**6 and math.isnan(three.difference)
    )


def test_a_tier_holds_nobody_who_is_told_apart_from_another_of_it():
    """0, 6 and 12 of 24 photographs: only the ends are told apart, so the middle shares the first
    tier, and the last is behind the first alone."""
    values = [np.r_[np.ones(k), np.zeros(24 - k)][None] for k in (0, 6, 12)]
    found = pairwise(values, np.ones(24))
    assert found.apart.tolist() == [
        [False, False, True],
        [False, False, False],
        [False, False, False],
    ]
    assert (found.tier, found.rank_lo, found.rank_hi) == ([1, 1, 2], [1, 1, 2], [2, 3, 3])


def test_the_bound_for_many_photographs_lies_above_the_exact_test(monkeypatch):
    monkeypatch.setattr(module, "ENUMERATED", 0)
    rng = np.random.default_rng(0)
    for _ in range(50):
        photos = np.stack((rng.integers(0, 3, 13), rng.integers(0, 3, 13)), 1).astype(float)
        exact = sign_flip(photos[:, 0] - photos[:, 1])
        assert float(module._flipped(photos, np.array([0]), np.array([1]))[0]) >= exact * (1 - 1e-9)


def test_with_one_part_banerjees_p_is_students():
    p = banerjee(np.array([9.0, 1.0]), np.array([1.0, 1.0]), np.zeros(2), 7, 4)
    assert p == pytest.approx(2 * student.sf([3.0, 1.0], 7), rel=0.05)
    assert (p >= 2 * student.sf([3.0, 1.0], 7)).all()


def test_a_training_that_reverses_the_order_leaves_designs_together():
    """Two designs, three trainings each, 60, 40 and 20 % against 50, 30 and 10 %; photographs alone
    would tell them apart."""
    rng = np.random.default_rng(0)
    order = rng.permutation(60)

    def trained(rate):
        return (order < 60 * rate).astype(float)

    a, b = (
        np.stack([trained(rate) for rate in rates])
        for rates in ((0.6, 0.4, 0.2), (0.45, 0.25, 0.05))
    )
    assert pairwise([a, b], np.ones(60), given=True).tier == [2, 1]
    found = pairwise([a, b], np.ones(60))
    assert found.tier == [1, 1] and found.freedom == pytest.approx(4, abs=0.2)


def test_an_entry_trained_once_is_given_the_spread_of_the_others():
    several = entries([0.3, 0.3, 0.3], 40, trainings=4, spread=1.0)
    once = entries([0.02], 40, 1)
    sizes = np.full(40, 2.0)
    lone = pairwise([e[:1] for e in several] + once, sizes)
    assert lone.freedom == 0 and pairwise(several + once, sizes).freedom > 5
    assert (
        pairwise(several + once, sizes).difference
        > pairwise(several + once, sizes, given=True).difference
    )


@pytest.mark.parametrize(
    ("count", "photographs", "trainings", "spread"),
    [
        (2, 20, 1, 0.0),
        (2, 100, 2, 0.6),
        (3, 12, 3, 0.6),
        (7, 20, 3, 0.6),
        (23, 20, 1, 0.0),
        (30, 12, 2, 0.3),
    ],
)
def test_entries_of_one_rate_are_told_apart_in_at_most_5_percent_of_runs(
    count, photographs, trainings, spread
):
    """300 simulated cases, whole family; 5 % ± 2 standard errors."""
    sizes = np.full(photographs, 2.0)
    wrong = sum(
        pairwise(entries([0.3] * count, photographs, seed, trainings, spread), sizes).apart.any()
        for seed in range(300)
    )
    assert wrong <= 300 * 0.05 + 2 * math.sqrt(300 * 0.05 * 0.95)


def test_one_training_each_and_a_spread_is_what_nobody_can_see():
    """The limit that the documents state: with one training each, the claim is of these trainings,
    and fails for designs."""
    sizes = np.full(100, 2.0)
    wrong = sum(
        pairwise(entries([0.3] * 3, 100, seed, 1, 1.0), sizes).apart.any() for seed in range(50)
    )
    assert wrong > 25


def test_rank_intervals_hold_all_true_ranks_in_at_least_95_percent_of_runs():
    rates, inside = [0.1, 0.25, 0.4, 0.55], 0
    for seed in range(300):
        found = pairwise(entries(rates, 60, seed, 3, 0.2), np.full(60, 2.0))
        inside += all(
            lo <= true <= hi
            for lo, hi, true in zip(found.rank_lo, found.rank_hi, (1, 2, 3, 4), strict=True)
        )
    assert inside >= 300 * (0.95 - 2 * math.sqrt(0.95 * 0.05 / 300))


@pytest.mark.parametrize("trainings", [(3, 3), (1, 3)])
def test_a_difference_covers_what_designs_differ_by(trainings):
    """Normal values of 12 photographs, trainings of standard deviation 1; 400 runs, less 2 standard
    errors of 95 %."""
    inside = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        a, b = (
            rng.normal(size=(t, 1)) + rng.normal(size=12) + rng.normal(size=(t, 12))
            for t in trainings
        )
        found = contrast(1.0 + a[:, None] - b[None], range(12))
        inside += found.low <= 1.0 <= found.high
        assert found.overall
    assert inside >= 400 * (0.95 - 2 * math.sqrt(0.95 * 0.05 / 400))


def test_a_mean_covers_what_a_design_reaches_and_photographs_alone_do_not():
    """Normal values of 12 photographs under 3 trainings of standard deviation 1; 400 runs, less 2
    standard errors of 95 %."""
    inside = alone = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        values = 5.0 + rng.normal(size=(3, 1)) + rng.normal(size=12) + rng.normal(size=(3, 12))
        found = contrast(values, range(12))
        _, low, high = mean_interval(values.mean(0), range(12))
        inside += found.low <= 5.0 <= found.high
        alone += low <= 5.0 <= high
        assert found.overall
    assert inside >= 400 * (0.95 - 2 * math.sqrt(0.95 * 0.05 / 400))
    assert alone < 400 * 0.8


def test_a_mean_of_one_training_is_that_of_photographs():
    values = np.random.default_rng(0).normal(size=(1, 12))
    found = contrast(values, range(12))
    assert (found.mean, found.low, found.high) == mean_interval(
        values[0], range(12)
    ) and not found.overall
