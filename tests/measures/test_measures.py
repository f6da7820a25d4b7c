"""Measures against hand-computed truths."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from invbench.measures.depth import variance_profile
from invbench.measures.explosion import explosion
from invbench.measures.quality import PSNR_CEILING, displayable, lr_psnr, psnr, ssim
from invbench.measures.round_trip import round_trip_error
from invbench.measures.statistics import (
    clopper_pearson,
    median_interval,
    rate_interval,
    training_parts,
)


@pytest.mark.parametrize(("n", "upper"), [(50, 0.071), (100, 0.036), (1000, 0.0037)])
def test_none_of_n_is_not_zero(n, upper):
    """The upper end is 1 − 0.025^(1/n) (Clopper and Pearson 1934)."""
    low, high = clopper_pearson(0, n)
    assert low == 0
    assert high == pytest.approx(upper, rel=0.02)


def test_interval_of_no_observation_is_everything():
    assert clopper_pearson(0, 0) == (0.0, 1.0)


def test_interval_of_half_is_symmetric():
    low, high = clopper_pearson(5, 10)
    assert low == pytest.approx(1 - high)
    assert low == pytest.approx(0.1871, abs=1e-4)  # Clopper and Pearson's tables


def test_interval_of_a_median_is_of_order_statistics_and_takes_infinity():
    assert median_interval([3, 1, 2]) == (2, -math.inf, math.inf)
    # of ten values the second and the ninth: P(Binomial(10, 1/2) < 2) = 11/1024
    assert median_interval([float(v) for v in range(10)]) == (5, 1, 8)
    assert median_interval([0.0] * 4 + [math.inf] * 6) == (math.inf, 0.0, math.inf)
    with pytest.raises(ValueError, match="no values"):
        median_interval([])


@pytest.mark.parametrize("n", [6, 11, 40])
def test_the_interval_of_a_median_covers_it(n):
    draws = torch.rand(2000, n, generator=torch.Generator().manual_seed(n)).tolist()
    covered = sum(low <= 0.5 <= high for _, low, high in map(median_interval, draws))
    assert covered >= 0.94 * 2000


def test_explosion_counts_samples_of_each_kind_apart():
    samples = torch.zeros(6, 3, 4, 4)
    samples[1, 0, 0, 0] = math.inf
    samples[2, 0, 0, 0] = -math.inf
    samples[3, 0, 0, 0] = math.nan
    samples[4, 0, 0, 0] = 1.6
    samples[5, 0, 0, 0] = -0.6
    found = explosion(samples)
    assert (
        found.plus_inf,
        found.minus_inf,
        found.nan,
        found.out_of_range,
        found.failed_samples,
    ) == (1, 1, 1, 2, 5)
    assert found.inf
    assert found.error
    assert found.max_abs_log10 == math.inf


def test_explosion_of_values_inside_the_range_is_none_and_its_size_is_log10():
    found = explosion(torch.full((2, 3, 4, 4), 1.5))
    assert not found.inf
    assert not found.error
    assert found.max_abs_log10 == pytest.approx(math.log10(1.5))
    assert explosion(torch.zeros(2, 3)).max_abs_log10 == -math.inf


def test_nan_alone_counts_as_infinitely_large():
    assert explosion(torch.tensor([[math.nan, 0.1]])).max_abs_log10 == math.inf


def test_psnr_of_a_constant_error_is_closed_form():
    truth = torch.full((2, 3, 8, 8), 0.5)
    assert psnr(truth + 0.1, truth) == pytest.approx([20.0, 20.0], abs=1e-3)
    assert (psnr(truth, truth) == PSNR_CEILING).all()


def test_non_finite_pixels_are_shown_as_documented():
    shown = displayable(torch.tensor([math.inf, -math.inf, math.nan, 2.0, -1.0, 0.25]))
    assert shown.tolist() == [1.0, 0.0, 0.0, 1.0, 0.0, 0.25]


def test_ssim_of_an_image_with_itself_is_one_and_of_noise_is_not():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert ssim(image, image).item() == pytest.approx(1.0, abs=1e-5)
    assert ssim(image.flip(2), image).item() < 0.5


def test_lr_psnr_ignores_what_downscaling_removes():
    """A checkerboard of period 2 vanishes under an antialiased ÷ 4, up to the rounding to 8
    bits."""
    low = torch.full((1, 3, 8, 8), 128 / 255)
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2) * 2 - 1
    sample = torch.full((1, 3, 32, 32), 128 / 255) + 20 / 255 * board
    assert lr_psnr(sample, low, 4).item() > 45
    assert lr_psnr(sample + 0.1, low, 4).item() == pytest.approx(20, abs=0.3)


def test_variance_profile_starts_at_the_latent_and_ends_at_the_data(tiny_flow):
    flow = tiny_flow().eval()
    y = torch.zeros(4000, 2)
    latents = flow.sample_latents(4000, y, 2.0, torch.Generator().manual_seed(0))
    profile = variance_profile(flow, latents, y)
    assert profile[0][0] == "latent"
    assert profile[0][1] == pytest.approx(4.0, rel=0.1)
    assert profile[-1][0] == "data"
    assert [name for name, _ in profile[1:-1]] == list(flow.layers)[::-1]


def test_round_trip_error_is_small_for_a_sound_flow_and_infinite_for_nan(tiny_flow):
    flow = tiny_flow().eval()
    x, y = torch.randn(5, 2), torch.randn(5, 2)
    assert (round_trip_error(flow, x, y) < 1e-5).all()
    x[0] = math.nan
    assert round_trip_error(flow, x, y)[0] == math.inf


def test_a_rate_of_one_input_a_photograph_has_clopper_and_pearsons_interval():
    failures = np.array([[1.0] * 3 + [0.0] * 7])
    assert rate_interval(failures, np.ones((1, 10))) == (0.3, *clopper_pearson(3, 10))
    assert rate_interval(np.zeros((3, 20)), np.full((3, 20), 2.0)) == (0, *clopper_pearson(0, 20))
    assert rate_interval(np.full((1, 20), 2.0), np.full((1, 20), 2.0)) == (
        1,
        *clopper_pearson(20, 20),
    )
    assert rate_interval(np.ones((1, 1)), np.full((1, 1), 9.0))[1:] == (0, 1)


def test_parts_of_a_rates_variance_by_hand():
    """Two trainings of two photographs, one input each: u = ±½; rows differ, columns do not."""
    apart, alike = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    assert training_parts(apart, np.ones(2)) == (2 * 2 / 16, 0.0)
    assert training_parts(alike, np.ones((2, 2))) == (0.0, 0.0)
    crossed = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert training_parts(crossed, np.ones(2)) == (0.0, 4 * 1 / 16)
    assert training_parts(apart[:1], np.ones(2)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("trainings", "spread", "photographs", "rate"),
    [
        (1, 0.0, 6, 0.1),
        (1, 0.0, 20, 0.4),
        (3, 0.0, 20, 0.1),
        (3, 0.6, 20, 0.4),
        (2, 0.6, 100, 0.4),
        (5, 0.3, 12, 0.02),
    ],
)
def test_intervals_of_rates_cover_in_at_least_95_percent_of_runs(
    trainings, spread, photographs, rate
):
    """Two crops of each photograph, alike; trainings that differ; 400 runs, less 2 standard
    errors."""
    inside, limit = 0, NormalDist().inv_cdf(rate) * math.sqrt(1 + spread**2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        z = 0.9 * rng.normal(size=(1, photographs, 1)) + spread * rng.normal(size=(trainings, 1, 1))
        z = z + math.sqrt(0.19) * rng.normal(size=(trainings, photographs, 2))
        failures = (z < limit).sum(2).astype(float)
        _, low, high = rate_interval(failures, np.full(failures.shape, 2.0))
        inside += low <= rate <= high
    assert inside >= 400 * (0.95 - 2 * math.sqrt(0.95 * 0.05 / 400))
