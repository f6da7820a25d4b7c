"""Certified slopes of a logit of logistics: closed-form truths, nothing found beyond them, within
the stated slack of what is found."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.couplings import LogisticMixture, mixture_slopes
from invbench.couplings.mixture_logit import mixture_logit
from invbench.couplings.mixture_slopes import SLACK
from tests.support.draws import normal


def mixture(pi, mean, scale):
    columns = (torch.tensor(v, dtype=torch.float64)[:, None] for v in (pi, mean, scale))
    pi, mean, scale = columns
    return pi.log(), mean, -scale.log()


def drawn(n, seed):
    """Five components with means within ±8 and scales between e^−7 and e^7."""
    return (
        torch.log_softmax(3 * normal(5, n, seed=seed), 0),
        8 * torch.tanh(normal(5, n, seed=seed + 1)),
        (4 * normal(5, n, seed=seed + 2)).clamp(-7, 7),
    )


def test_one_component_has_the_slope_one_over_its_scale_everywhere():
    low, high = mixture_slopes.mixture_slopes(*mixture([1.0], [0.3], [2.0]))
    assert low.item() == pytest.approx(0.5, rel=2 * SLACK) and low <= 0.5
    assert high.item() == pytest.approx(0.5, rel=1e-12)


def test_two_equal_components_have_their_least_slope_half_way():
    """At the middle F = 1/2 and F′ = σ(5)·σ(−5), so the slope is 4·σ(5)·σ(−5)."""
    low, high = mixture_slopes.mixture_slopes(*mixture([0.5, 0.5], [-5.0, 5.0], [1.0, 1.0]))
    truth = 4 * math.exp(-5) / (1 + math.exp(-5)) ** 2
    assert truth * math.exp(-2 * SLACK) <= low.item() <= truth
    assert high.item() == pytest.approx(1, rel=1e-12)


def found(parts, rounds=60):
    """Least and largest slope at points around every component, refined around the extremes."""
    log_pi, mean, log_rate = parts
    z = torch.sinh(torch.linspace(-5, 5, 401, dtype=torch.float64))[:, None]
    x = (
        torch.cat([m + z * torch.exp(-r) for m, r in zip(mean, log_rate, strict=True)])
        .sort(0)
        .values
    )
    logs = mixture_logit(x, log_pi[:, None], mean[:, None], log_rate[:, None])[1]
    extremes = []
    for sign in (1, -1):
        at = (sign * logs).argmin(0)
        a, b = (x.gather(0, (at + step).clamp(0, len(x) - 1)[None])[0] for step in (-1, 1))
        for _ in range(rounds):  # golden section would do; thirds are simpler
            p, q = a + (b - a) / 3, b - (b - a) / 3
            hp, hq = (sign * mixture_logit(v, *parts)[1] for v in (p, q))
            a, b = torch.where(hp < hq, a, p), torch.where(hp < hq, q, b)
        extremes.append(
            torch.minimum(sign * mixture_logit(a, *parts)[1], (sign * logs).amin(0)) * sign
        )
    tail = log_rate.amin(0)
    return torch.minimum(extremes[0], tail).exp(), torch.maximum(extremes[1], tail).exp()


@pytest.mark.parametrize("seed", [0, 10])
def test_bounds_hold_and_are_as_tight_as_stated(seed):
    parts = drawn(500, seed)
    low, high = mixture_slopes.mixture_slopes(*parts)
    least, most = found(parts)
    assert (low <= least * (1 + 1e-9)).all() and (most <= high * (1 + 1e-9)).all()
    # a search that refines one place may miss the extreme, the bound may not
    assert ((least / low).log() <= 2 * SLACK).double().mean() > 0.99
    assert ((high / most).log() <= 2 * SLACK).double().mean() > 0.99


def test_the_place_that_a_grid_around_the_components_missed_is_within_the_bound():
    """A narrow component at −8, wide ones beside it: the least slope lies at x = 153, between the
    points of a grid of scales that had been widened by 0.3 %; it said 2.4470e-05."""
    params = torch.zeros(14, 1, dtype=torch.float64)
    params[:, 0] = torch.tensor(RAW, dtype=torch.float64)
    (low,), _ = LogisticMixture().slope_bounds(params)
    at = torch.tensor([153.1], dtype=torch.float64)
    slope = LogisticMixture()(at, params)[1].exp().item()
    assert slope < 2.43e-5
    assert slope * math.exp(-2 * SLACK) <= low.item() <= slope


# logits of π, raw means, log-scales, a, t
RAW = (-28.4, 54.7, 1.4, 50.6, 46.5, -49.2, 36.7, -15.9, 42.5, -26.8, -51.0, 0.536, -22.2, 0.0)


@pytest.mark.parametrize("spoiled", ["_variance", "_weight"])
def test_a_bound_without_one_of_its_terms_is_found_out(monkeypatch, spoiled):
    monkeypatch.setattr(
        mixture_slopes,
        spoiled,
        lambda first, *rest: 0 * first if spoiled == "_weight" else 0 * first.sum(0),
    )
    parts = drawn(500, 0)
    low, high = mixture_slopes.mixture_slopes(*parts)
    least, most = found(parts)
    assert not ((low <= least * (1 + 1e-9)).all() and (most <= high * (1 + 1e-9)).all())
