"""The OOD score and what it says of failures, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.metrics import roc_auc_score

import invbench
from invbench.errors import UsageError
from invbench.measures.association import auc, logistic, rank_bins
from invbench.measures.ood_score import POOLINGS, OODScore


def maps(*vectors: list[float]) -> torch.Tensor:
    """One patch of one position per vector: (B, C, 1, 1)."""
    return torch.tensor(vectors, dtype=torch.float64)[:, :, None, None]


def cross(a: float, mean: tuple[float, float], copies: int = 1) -> torch.Tensor:
    """μ ± a·e_i in two dimensions: mean μ, covariance a²/2 times the identity, which shrinkage
    leaves alone."""
    points = [
        [mean[0] + a, mean[1]],
        [mean[0] - a, mean[1]],
        [mean[0], mean[1] + a],
        [mean[0], mean[1] - a],
    ]
    return maps(*points * copies)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_score_of_isotropic_patches_is_the_distance_in_standard_deviations(pooling):
    score = OODScore.fit(cross(3.0, (10.0, -2.0)), pooling)
    # μ itself, and 5 away; a standard deviation is 3/√2
    found = score(maps([10.0, -2.0], [13.0, 2.0]))
    assert found == pytest.approx([0.0, 5 * math.sqrt(2) / 3], abs=1e-12)


def test_score_equals_the_quadratic_form_with_the_inverse_of_the_shrunk_covariance():
    generator = torch.Generator().manual_seed(0)
    train = torch.randn(50, 5, 4, 3, generator=generator) * torch.arange(1, 6)[:, None, None] + 2
    test = 3 * torch.randn(7, 5, 4, 3, generator=generator)
    u, v = (g.double().mean((2, 3)).numpy() for g in (train, test))
    sigma, shrinkage = ledoit_wolf(u)
    away = v - u.mean(0)
    score = OODScore.fit(train)
    assert score(test) == pytest.approx(
        np.sqrt(np.einsum("bi,ij,bj->b", away, np.linalg.inv(sigma), away)), rel=1e-10
    )
    assert score.shrinkage == shrinkage > 0
    assert score(test).dtype == np.float64


def test_second_moment_as_printed_overlooks_a_move_along_the_mean():
    """Sherman–Morrison on Σ + μμᵀ: d² → d² − (δᵀΣ⁻¹μ)² / (1 + μᵀΣ⁻¹μ); many copies, so that nothing
    is shrunk."""
    train, mu = cross(1.0, (40.0, 0.0), copies=5000), np.array([40.0, 0.0])
    along, across = maps([44.0, 0.0]), maps([40.0, 4.0])
    inverse = 2.0  # Σ⁻¹ = 2·identity
    expected = math.sqrt(inverse * 16 - (inverse * 4 * 40) ** 2 / (1 + inverse * mu @ mu))
    printed, centred = (OODScore.fit(train, centred=c) for c in (False, True))
    assert centred(along) == pytest.approx([4 * math.sqrt(2)])
    assert printed(along) == pytest.approx([expected], rel=0.05)
    assert expected < 0.11  # 0.1 standard deviations where the centred score sees 5.7
    assert printed.centred is False
    assert printed(across)[0] > 10 * printed(along)[0]


def test_worst_is_the_most_distant_position_and_mean_averages_it_away():
    train = cross(1.0, (0.0, 0.0))
    patch = torch.zeros(1, 2, 3, 4, dtype=torch.float64)
    patch[0, 0, 1, 2] = 6.0
    assert OODScore.fit(train, "worst")(patch) == pytest.approx([6 * math.sqrt(2)])
    assert OODScore.fit(train, "mean")(patch) == pytest.approx([6 / 12 * math.sqrt(2)])


def test_flat_keeps_positions_apart_and_the_others_do_not():
    generator = torch.Generator().manual_seed(1)
    train, patch = (
        torch.randn(200, 2, 2, 2, generator=generator),
        torch.randn(3, 2, 2, 2, generator=generator),
    )
    train[..., 0, 0] *= 9  # one position varies more
    for pooling in POOLINGS:
        score = OODScore.fit(train, pooling)
        assert np.allclose(score(patch), score(patch.flip(3)), rtol=1e-9) == (pooling != "flat")


def test_score_does_not_depend_on_the_batch():
    generator = torch.Generator().manual_seed(2)
    score = OODScore.fit(torch.randn(40, 6, 4, 4, generator=generator), "worst")
    patches = torch.randn(9, 6, 4, 4, generator=generator)
    assert score(patches) == pytest.approx(
        np.concatenate([score(p[None]) for p in patches]), rel=1e-13
    )
    assert score(patches[:0]).shape == (0,)


def test_a_condition_with_nonfinite_features_is_infinitely_far():
    score = OODScore.fit(cross(1.0, (0.0, 0.0)))
    found = score(maps([math.nan, 0.0], [math.inf, 0.0], [0.0, 0.0]))
    assert found.tolist() == [math.inf, math.inf, 0.0]


@pytest.mark.parametrize(
    ("features", "pooling", "message"),
    [
        (cross(1.0, (0.0, 0.0)), "median", "not known; known: mean, worst, flat"),
        (maps([math.nan, 1.0], [0.0, 1.0]), "mean", "not finite"),
        (maps([1.0, 1.0]), "mean", "give two or more"),
        (maps([0.0, 0.0], [0.0, 0.0]), "mean", "singular"),
        (torch.zeros(3, 2), "mean", r"shape \(3, 2\)"),
    ],
)
def test_unfit_training_features_are_refused_by_name(features, pooling, message):
    with pytest.raises(UsageError, match=message):
        OODScore.fit(features, pooling)


def test_flat_refuses_patches_of_another_size():
    score = OODScore.fit(
        torch.randn(8, 2, 2, 2, generator=torch.Generator().manual_seed(3)), "flat"
    )
    with pytest.raises(UsageError, match="length 18, but it was fitted on 8"):
        score(torch.zeros(1, 2, 3, 3))


def test_noise_lies_further_from_smooth_training_patches_than_they_do_for_a_trained_encoder():
    flow = invbench.load_flow("srflow", coupling="affine").double()
    generator = torch.Generator().manual_seed(4)
    smooth = torch.rand(64, 3, 1, 1, generator=generator, dtype=torch.float64).expand(-1, -1, 8, 8)
    noise = torch.rand(16, 3, 8, 8, generator=generator, dtype=torch.float64)
    for pooling in POOLINGS:
        score = OODScore.fit(flow.features(smooth[:48]), pooling)
        assert score(flow.features(noise)).min() > score(flow.features(smooth[48:])).max()


# two values of the score: 30 of 40 fail at e, 10 of 50 at 1
TABLE = (
    np.repeat([math.e, math.e, 1.0, 1.0], [30, 10, 10, 40]),
    np.repeat([1, 0, 1, 0], [30, 10, 10, 40]).astype(bool),
)


def test_logistic_of_a_two_by_two_table_is_the_log_odds_ratio_with_woolfs_interval():
    found = logistic(*TABLE)
    slope, error = math.log(30 * 40 / (10 * 10)), math.sqrt(1 / 30 + 1 / 10 + 1 / 10 + 1 / 40)
    assert (found.status, found.n, found.failures) == ("ok", 90, 40)
    assert found.slope == pytest.approx(slope, rel=1e-6)
    assert found.intercept == pytest.approx(math.log(10 / 40), rel=1e-6)
    assert (found.lo, found.hi) == pytest.approx(
        (slope - 1.959964 * error, slope + 1.959964 * error), rel=1e-6
    )
    assert (found.cluster_lo, found.cluster_hi) == pytest.approx(
        (found.lo, found.hi), rel=1e-6
    )  # saturated, singletons
    assert found.rate(np.array([math.e])) == pytest.approx([0.75])


def test_repeating_each_input_narrows_the_fisher_interval_but_not_that_of_clusters():
    score, failed = (np.concatenate([a, a]) for a in TABLE)
    cluster = np.tile(np.arange(90), 2)
    once, twice = logistic(*TABLE), logistic(score, failed, cluster)
    assert twice.hi - twice.lo == pytest.approx((once.hi - once.lo) / math.sqrt(2), rel=1e-6)
    assert twice.cluster_hi - twice.cluster_lo == pytest.approx(once.hi - once.lo, rel=1e-6)


@pytest.mark.parametrize(
    ("score", "failed", "status"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], "separated"),
        ([1, 2, 3, 4], [1, 1, 0, 0], "separated"),
        ([1, 2, 2, 4], [0, 0, 1, 1], "separated"),  # quasi: they touch in one value
        ([1, 2, 3, 4], [0, 0, 0, 0], "one outcome"),
        ([1, 2, 3, 4], [1, 1, 1, 1], "one outcome"),
        ([2, 2, 2, 2], [0, 1, 0, 1], "constant"),
        ([1, 2, 3, 4], [0, 1, 0, 1], "ok"),
    ],
)
def test_a_regression_without_an_estimate_says_so_and_gives_no_number(score, failed, status):
    found = logistic(np.array(score), np.array(failed))
    assert found.status == status
    assert math.isfinite(found.slope) == math.isfinite(found.lo) == (status == "ok")


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.inf])
def test_logistic_refuses_scores_without_a_finite_logarithm(wrong):
    with pytest.raises(UsageError, match="positive, finite"):
        logistic(np.array([wrong, 2.0]), np.array([0, 1]))


def test_nan_scores_and_shapes_that_differ_are_refused():
    with pytest.raises(UsageError, match="NaN"):
        rank_bins(np.array([math.nan, 1.0]), np.array([0, 1]), np.arange(2))
    with pytest.raises(UsageError, match="one of each per input"):
        rank_bins(np.array([1.0]), np.array([0, 1]), np.arange(2))


def test_auc_equals_that_of_scikit_learn_with_ties():
    rng = np.random.default_rng(0)
    score, failed = rng.integers(0, 6, 200).astype(float), rng.random(200) < 0.3
    found = auc(score, failed, np.arange(200))
    assert found.value == pytest.approx(roc_auc_score(failed, score), rel=1e-12)
    assert found.pairs == failed.sum() * (~failed).sum()
    assert found.lo < found.value < found.hi


def test_strata_take_away_what_is_only_a_difference_between_them():
    """Stratum b has higher scores and more failures; within each, failures have the middle score:
    no association there."""
    score = np.array([1, 2, 3, 11, 12, 12, 13], dtype=float)
    failed = np.array([0, 1, 0, 0, 1, 1, 0])
    within = auc(score, failed, np.arange(7), np.array(list("aaabbbb")))
    assert within.value == 0.5
    assert within.pairs == 1 * 2 + 2 * 2
    assert auc(score, failed, np.arange(7)).value == pytest.approx((1 + 0 + 2 * (2 + 1)) / 12)


def test_bootstrap_draws_clusters_not_inputs():
    score, failed = np.array([1.0, 2.0, 3.0, 4.0] * 5), np.array([0, 1, 0, 1] * 5)
    one = auc(score, failed, np.zeros(20))
    assert one.lo == one.value == one.hi == 0.75
    cluster = np.arange(20) // 2
    repeated = auc(np.tile(score, 3), np.tile(failed, 3), np.tile(cluster, 3))
    assert _ends(repeated) == pytest.approx(_ends(auc(score, failed, cluster)))
    assert repeated.lo < repeated.hi


def test_bootstrap_is_that_of_scikit_learn_with_the_drawn_weights():
    rng = np.random.default_rng(1)
    score, failed, cluster = (
        rng.integers(0, 9, 60).astype(float),
        rng.random(60) < 0.4,
        np.arange(60) // 4,
    )
    drawn = np.random.default_rng(7).multinomial(15, np.full(15, 1 / 15), 200)
    areas = [roc_auc_score(failed, score, sample_weight=weight[cluster]) for weight in drawn]
    found = auc(score, failed, cluster, resamples=200, seed=7)
    assert (found.lo, found.hi) == pytest.approx(
        tuple(np.quantile(areas, [0.025, 0.975])), rel=1e-12
    )


def _ends(found):
    return found.value, found.lo, found.hi


def test_infinite_scores_rank_highest_and_no_pair_gives_no_number():
    assert auc(np.array([math.inf, 1.0, 2.0]), np.array([1, 0, 0]), np.arange(3)).value == 1
    none = auc(np.array([1.0, 2.0]), np.array([0, 0]), np.arange(2))
    assert none.pairs == 0
    assert math.isnan(none.value)
    # a third of the resamples have no failure
    rare = auc(np.arange(50.0), np.arange(50) == 49, np.arange(50))
    assert rare.value == 1
    assert math.isnan(rare.lo)


def test_bins_run_from_the_highest_score_and_hold_every_input_once():
    score, failed = (
        np.array([5.0, 1.0, 4.0, 2.0, 3.0, 0.5, math.inf]),
        np.array([1, 0, 0, 0, 1, 0, 1]),
    )
    first, second, third = rank_bins(score, failed, np.arange(7), bins=3)
    assert [(b.first, b.last, b.n) for b in (first, second, third)] == [
        (1, 3, 3),
        (4, 5, 2),
        (6, 7, 2),
    ]
    assert (first.failures, second.failures, third.failures) == (2, 1, 0)
    assert (first.score_lo, first.score_hi) == (4.0, math.inf)
    assert (third.lo, third.hi) == pytest.approx((0.0, 1 - 0.025 ** (1 / 2)))  # 0 of 2, exact
    crops = rank_bins(np.arange(10.0), np.ones(10), np.arange(10) // 5, bins=1)[0]
    # 2 of 2 photographs, not 10 of 10 crops
    assert (crops.lo, crops.hi) == pytest.approx((0.025 ** (1 / 2), 1))
    assert len(rank_bins(score[:2], failed[:2], np.arange(2))) == 2
    assert rank_bins(score[:0], failed[:0], np.arange(0)) == []
