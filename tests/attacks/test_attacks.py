"""Attacks on planted flows: what explodes is found, what is bounded is not, and what hides is said
to hide."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from invbench.attacks import (
    AttackBudget,
    Inputs,
    ThreatModel,
    critical_radii,
    frozen,
    run_attack,
    run_ensemble,
    sanity,
)
from invbench.attacks.gradient import apgd, checkpoints
from invbench.attacks.gradient_free import random_search, square_attack
from invbench.attacks.objective import OBJECTIVES
from invbench.attacks.radius import DEFAULT
from invbench.errors import UsageError
from invbench.flows import ActNorm, ConditionalFlow

TAU = 0.9
BUDGET = AttackBudget(6, 3, 3, 4, 4, 8, 5, 4)


class Planted(torch.nn.Module):
    """z → x = z·gain(z, y) by a formula; encode is its exact inverse only where a test needs
    none."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, x, cond=None):
        return x, x.new_zeros(x.shape[0])

    def inverse(self, z, cond=None):
        return z * self.gain(z, cond), z.new_zeros(z.shape[0])


def flow_of(gain) -> ConditionalFlow:
    return ConditionalFlow({"planted": Planted(gain)}, torch.nn.Identity(), lambda y: [(3, 4, 4)])


def explodes(z, y):
    """1 + e^(20·mean z₀): little to see for random z, 10⁶ and more where the first channel leans to
    one side."""
    return 1 + torch.exp(20 * z[:, :1].mean((2, 3), keepdim=True) - 8)


def bounded(z, y):
    return 1 + 0.1 * torch.tanh(z)


def masked(z, y):
    """Explodes like ``explodes``, but rounding leaves no gradient along the way."""
    return torch.exp(20 * (z[:, :1].mean((2, 3), keepdim=True) * 4).round() / 4)


def inputs(flow: ConditionalFlow, rows: int = 3) -> Inputs:
    y = torch.full((rows, 3, 4, 4), 0.5)
    return Inputs(y, flow.sample_latents(rows, y, TAU, torch.Generator().manual_seed(0)))


class TestSpace:
    @pytest.mark.parametrize("radius", [math.inf, 0.3, 0.0])
    def test_projection_keeps_norm_coordinates_radius_and_pixels(self, radius):
        start = inputs(flow_of(bounded))
        space = ThreatModel(start, ("latents", "y"), TAU, radius=radius, eps=8 / 255)
        far = space.start + 100 * torch.randn(
            space.start.shape, generator=torch.Generator().manual_seed(1)
        )
        found = space.unpack(space.project(far))
        z, moved = (
            found.latents[0].flatten(1),
            (found.latents[0] - space.unpack(space.start).latents[0]).abs(),
        )
        assert (z.norm(dim=1) <= 1.05 * TAU * math.sqrt(48) * (1 + 1e-5)).all()
        assert (z.abs() <= 4 * TAU).all()
        assert moved.max() <= radius * TAU * (1 + 1e-6)
        assert (found.y - 0.5).abs().max() <= 8 / 255 + 1e-7

    def test_pixels_stay_in_the_unit_interval_and_a_start_outside_is_allowed(self):
        start = Inputs(torch.tensor([[[[0.0, 1.0, 1.5]]]]), [torch.zeros(1, 3)])
        space = ThreatModel(start, ("y",), TAU, eps=0.1)
        assert space.project(space.start + 1).tolist() == [pytest.approx([0.1, 1.0, 1.5])]
        assert space.project(space.start - 1).tolist() == [pytest.approx([0.0, 0.9, 1.4])]

    def test_one_radius_per_row(self):
        space = ThreatModel(
            inputs(flow_of(bounded), 2), ("latents",), TAU, radius=torch.tensor([0.1, 0.2])
        )
        moved = (space.project(space.start + 9) - space.start).abs().amax(1)
        assert moved[0] <= 0.1 * TAU * (1 + 1e-5) and moved[1] <= 0.2 * TAU * (1 + 1e-5)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"eps": -0.1}, "eps must be 0 or more"),
            ({"radius": -1.0}, "radius must be"),
            ({"moved": ("w",)}, "moves some of"),
        ],
    )
    def test_bad_limits_are_refused(self, change, text):
        with pytest.raises(UsageError, match=text):
            ThreatModel(
                inputs(flow_of(bounded)), **({"moved": ("latents",), "temperature": TAU} | change)
            )

    def test_a_random_row_does_not_depend_on_the_others(self):
        space = ThreatModel(inputs(flow_of(bounded)), ("latents",), TAU)
        alone = space.rows(torch.tensor([2])).random(3, [2])
        assert torch.equal(space.random(3, [0, 1, 2])[2:], alone)


class TestSearches:
    def test_gradient_search_finds_what_random_draws_do_not(self):
        flow, float64_reference = frozen(flow_of(explodes))
        space = ThreatModel(inputs(flow), ("latents",), TAU)
        found = apgd(flow, space, OBJECTIVES["output"], 10, float64_reference=float64_reference)
        control = random_search(flow, space, OBJECTIVES["output"], 30)
        assert (found.log10_x > 5).all() and (found.log10_x > control.log10_x + 2).all()
        assert (found.first_step["F2"] <= 3).all()

    def test_squares_find_it_without_a_gradient(self):
        flow, _ = frozen(flow_of(masked))
        space = ThreatModel(inputs(flow), ("latents",), TAU)
        assert (square_attack(flow, space, OBJECTIVES["output"], 60).log10_x > 1).all()

    def test_evaluations_are_counted_until_the_first_failure(self):
        flow, _ = frozen(flow_of(explodes))
        seen = []
        count = flow.layers["planted"].gain
        flow.layers["planted"].gain = lambda z, y: (seen.append(len(z)), count(z, y))[1]
        found = apgd(flow, ThreatModel(inputs(flow, 1), ("latents",), TAU), OBJECTIVES["output"], 4)
        # the last reading needs no gradient
        assert found.evaluations.item() == 3 * (len(seen) - 1) + 1
        assert found.first["F2"].item() <= found.evaluations.item()

    def test_a_gradient_that_overflows_is_taken_in_the_twin(self):
        # 1e30·z², overflow of the derivative's product in float32 but not in float64
        flow, float64_reference = frozen(flow_of(lambda z, y: 1e20 * (1e15 * z.abs() + 1)))
        space = ThreatModel(inputs(flow), ("latents",), TAU)
        found = apgd(flow, space, OBJECTIVES["output"], 3, float64_reference=float64_reference)
        assert (found.share > 0).all() and (found.value > 34).all()

    def test_checkpoints_are_those_of_apgd(self):
        assert checkpoints(100) == [22, 41, 58, 70, 80, 87, 93, 99]


class TestEnsemble:
    def test_bounded_flow_is_not_broken_and_not_flagged(self):
        flow = flow_of(bounded)
        found = run_ensemble(
            flow,
            inputs(flow),
            TAU,
            BUDGET,
            [8 / 255],
            scale=None,
            names=["latent", "latent-squares", "latent-random", "both"],
        )
        assert not any(any(f.reached(level)) for f in found for level in ("F1", "F2"))
        assert sanity(found) == []

    def test_masked_explosion_is_found_without_gradients_and_a_search_that_misses_it_is_named(self):
        flow = flow_of(masked)
        found = run_ensemble(
            flow, inputs(flow), TAU, BUDGET, [], scale=None, names=["latent", "latent-squares"]
        )
        assert all(found[0].reached("F2")) and all(found[1].reached("F2"))
        missed = replace(found[0], verdicts=found[0].before)
        assert any(text.startswith("masked: latent-squares") for text in sanity([missed, found[1]]))

    def test_flow_without_gradients_is_searched_all_the_same_and_said_so(self):
        flow = flow_of(explodes)
        flow.trace = lambda z, y: ConditionalFlow.trace(flow, [part.detach() for part in z], y)
        found = run_ensemble(
            flow, inputs(flow), TAU, BUDGET, [], scale=None, names=["latent", "latent-squares"]
        )
        assert not any(found[0].steered) and all(found[0].searched)
        assert all(found[0].reached("F2")) and all(found[1].reached("F2"))
        assert any("no gradient led" in text for text in sanity(found))

    def test_condition_attack_raises_the_share_of_unseen_latents_that_fail(self):
        # gain e^(100·(mean y − 0.5)·[z₀₀₀ > 0]): a condition moved up by 8/255 makes half of all
        # latents fail
        flow = flow_of(
            lambda z, y: torch.exp(
                100 * (y.mean((1, 2, 3), keepdim=True) - 0.5) * torch.sigmoid(20 * z[:, :1, :1, :1])
            )
        )
        found = run_attack(
            "condition", frozen(flow)[0], inputs(flow), TAU, BUDGET, eps=8 / 255, scale=None
        )
        assert max(found.clean_rate) == 0 and min(found.rate) >= 0.25
        assert all(found.reached("F2"))

    def test_unknown_attack_and_missing_image_are_refused(self):
        flow = flow_of(bounded)
        with pytest.raises(UsageError, match="did you mean 'latent'"):
            run_attack("latnet", flow, inputs(flow), TAU, BUDGET)
        with pytest.raises(UsageError, match="moves the image"):
            run_attack("image", flow, inputs(flow), TAU, BUDGET, eps=0.1)


def test_critical_radius_of_a_linear_threshold_is_found_by_bisection():
    """x = z·10^(8·mean(z − z⁰)/τ): |x| > 10 from a mean shift of about (1 − log10 max|z|)/8 τ on,
    and never within less."""
    flow = flow_of(bounded)
    start = inputs(flow, 2)
    z0 = start.latents[0]
    flow.layers["planted"].gain = lambda z, y: (
        10 ** (8 / TAU * (z - z0[: len(z)]).mean((1, 2, 3), keepdim=True))
    )
    one = Inputs(start.y[:1], [z0[:1]])
    norm = ActNorm(3)  # an identity, so that the trace has two layers
    flow.layers["norm"] = norm
    own, float64_reference = frozen(flow)
    found = critical_radii(
        own,
        ThreatModel(one, ("latents",), TAU),
        12,
        bisections=6,
        scale=None,
        levels={"F2": DEFAULT["F2"]},
        float64_reference=float64_reference,
    )
    (radius,) = found.levels["F2"]
    largest = z0[:1].abs().max().item()
    ideal = (1 - math.log10(largest)) / 8
    assert 0.6 * ideal <= radius <= 1.6 * ideal
    assert critical_radii(
        own,
        ThreatModel(one, ("latents",), TAU),
        4,
        2,
        {"F1": DEFAULT["F1"]},
        None,
        float64_reference,
    ).levels["F1"] == [math.inf]
