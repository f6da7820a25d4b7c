"""Planted traps: flows that explode where the plain gradient of the largest value is 0. The search
finds them, or says that it did not search."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.attacks import (
    AttackBudget,
    Inputs,
    ThreatModel,
    critical_radii,
    frozen,
    run_attack,
    sanity,
)
from invbench.attacks.climb import LARGE_X, climb
from invbench.attacks.gradient import apgd
from invbench.attacks.objective import OBJECTIVES, Objective, Reading, layer_sizes, log10_largest
from invbench.flows import ConditionalFlow

TAU, SHAPE = 0.9, (4, 8, 8)
BUDGET = AttackBudget(24, 3, 3, 6, 4, 8, 16, 3)


class Step(torch.nn.Module):
    """z → formula(z, y); the searches decode and never encode."""

    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def forward(self, x, cond=None):
        return x, x.new_zeros(x.shape[0])

    def inverse(self, z, cond=None):
        return self.formula(z, cond), z.new_zeros(z.shape[0])


def flow_of(*formulas) -> ConditionalFlow:
    """The formulas in the order of the decode."""
    layers = {f"step{k}": Step(formula) for k, formula in reversed(list(enumerate(formulas)))}
    return ConditionalFlow(layers, torch.nn.Identity(), lambda y: [SHAPE])


def lean(z):
    """(B, 1, 1, 1): by how many of its standard deviations in draws the mean of the first channel
    lies above 0."""
    return z[:, :1].mean((1, 2, 3), keepdim=True) * 8 / TAU


def small(z):
    return 0.1 * torch.tanh(z)


def exploding(z, by):
    return small(z) * torch.exp(by)


def at_the_latent(z, y):
    """All values below those of the latent, until the first channel leans: the largest |h| is the
    latent's own, a constant there."""
    return exploding(z, 2 * lean(z) - 4)


def constant_channel(z, y):
    h = exploding(z, 2 * lean(z) - 4)
    return torch.cat((h[:, :-1], torch.full_like(h[:, -1:], 3.0)), 1)


def saturated_tanh(z, y):
    """The gain hangs on a tanh that is 1 − 2^−25 and less away from −1: its slope is 0 in float32
    and next to nothing in float64."""
    return exploding(z, 10 + 10 * torch.tanh(20 * lean(z) - 50))


def dead_relu(z, y):
    return exploding(z, 5 * torch.relu(lean(z) - 3))


def clamped(z, y):
    return exploding(z, 5 * (lean(z) - 2).clamp(0, 4))


def detached(z, y):
    return exploding(z, 2 * lean(z.detach()) - 4)


def sign_only(z, y):
    """No coordinate has a gradient anywhere."""
    return 0.1 * z.sign() * torch.exp(2 * lean(z.sign()) / 2)


def deaf(z, y):
    """x is the same for all latents."""
    return torch.full_like(z, 0.5)


def start(flow, rows: int = 2) -> Inputs:
    y = torch.full((rows, 3, 8, 8), 0.5)
    return Inputs(y, flow.sample_latents(rows, y, TAU, torch.Generator().manual_seed(3)))


def space_of(flow, **options) -> ThreatModel:
    return ThreatModel(start(flow), ("latents",), TAU, **options)


def largest_of_all(flow, inputs, scale):
    """The objective of protocol 1: log10 of the largest |h|, the latent counted in."""
    sizes = [h.abs().flatten(1).amax(1) for _, h in flow.trace(inputs.latents, inputs.y)]
    log = torch.stack(sizes).amax(0).log10()
    h = flow.decode(inputs.latents, inputs.y)
    return Reading(log, log10_largest(h), h.detach())


ACTIVATION = Objective("activation", "", largest_of_all, 1)
TRAPS = [at_the_latent, constant_channel, saturated_tanh, dead_relu, clamped, detached, sign_only]


@pytest.mark.parametrize("trap", TRAPS, ids=lambda f: f.__name__)
def test_what_explodes_behind_a_trap_is_found(trap):
    flow, float64_reference = frozen(flow_of(trap))
    space = space_of(flow)
    before = log10_largest(flow.decode(space.origin.latents, space.origin.y))
    found = climb(flow, float64_reference, space, 24)
    assert (before < 0.6).all()
    assert (found.log10_x > 1).all() and found.searched.all()


@pytest.mark.parametrize("trap", [at_the_latent, constant_channel], ids=lambda f: f.__name__)
def test_the_objective_of_protocol_1_stands_still_there(trap):
    flow, float64_reference = frozen(flow_of(trap))
    found = apgd(flow, space_of(flow), ACTIVATION, 24, float64_reference=float64_reference)
    assert (found.log10_x < 0.6).all() and not found.steered.any()


def test_growth_goes_on_where_the_largest_x_is_a_constant():
    """The layer before the last explodes; the last puts a constant beside it that is larger than x
    until then."""
    widened = lambda h, y: torch.cat((h[:, :-1], torch.full_like(h[:, -1:], 3.0)), 1)  # noqa: E731
    flow, float64_reference = frozen(flow_of(lambda z, y: exploding(z, 2 * lean(z) - 1), widened))
    stuck = apgd(
        flow, space_of(flow), OBJECTIVES["output"], 12, float64_reference=float64_reference
    )
    led = apgd(flow, space_of(flow), OBJECTIVES["growth"], 12, float64_reference=float64_reference)
    assert not stuck.steered.any() and (stuck.log10_x < 0.6).all()
    assert led.steered.all() and (led.log10_x > 1).all()
    assert (
        climb(flow, float64_reference, space_of(flow), 24).first_step["F2"] <= 12
    ).all()  # growth has the first half of the steps


def test_sizes_of_layers_are_answers_of_the_flow_and_not_the_latent():
    flow, _ = frozen(flow_of(at_the_latent, lambda h, y: 2 * h))
    inputs = start(flow)
    sizes, x = layer_sizes(flow, inputs)
    largest = x.abs().flatten(1).amax(1).log10()
    assert torch.allclose(
        sizes, torch.stack((largest - math.log10(2), largest, largest), 1), atol=1e-6
    )


def test_the_share_of_coordinates_with_a_gradient_is_noted_at_every_step():
    flow, _ = frozen(flow_of(at_the_latent))
    stuck = apgd(flow, space_of(flow), ACTIVATION, 5)
    led = apgd(flow, space_of(flow), OBJECTIVES["output"], 5)
    assert len(stuck.shares) == len(led.shares) == 5
    assert torch.stack(stuck.shares).max() <= 1 / 256 + 1e-9
    assert (led.share >= 1 / 4).all() and led.steered.all()


def test_a_flow_that_answers_to_nothing_was_not_searched_and_has_no_radius():
    flow, float64_reference = frozen(flow_of(deaf))
    found = run_attack(
        "latent", flow, start(flow), TAU, BUDGET, float64_reference=float64_reference, scale=None
    )
    assert found.searched == [False, False] and not any(found.reached("F2"))
    assert any("did not search" in flag for flag in sanity([found]))
    radii = critical_radii(
        flow, space_of(flow), 4, 2, scale=None, float64_reference=float64_reference
    )
    assert all(math.isnan(r) for r in radii.levels["F2"])


def test_a_bounded_flow_was_searched_and_has_an_infinite_radius():
    flow, float64_reference = frozen(flow_of(lambda z, y: small(z)))
    found = run_attack(
        "latent", flow, start(flow), TAU, BUDGET, float64_reference=float64_reference, scale=None
    )
    assert found.searched == found.steered == [True, True] and sanity([found]) == []
    radii = critical_radii(
        flow, space_of(flow), 4, 2, scale=None, float64_reference=float64_reference
    )
    assert radii.levels["F2"] == [math.inf, math.inf]


def test_only_a_row_with_nothing_to_show_goes_on():
    """Two rows: one fails at once; the other, without any gradient, goes on to the squares and
    spends more."""
    formula = lambda z, y: torch.where(y[:, :1, :1, :1] > 0.5, at_the_latent(z, y), sign_only(z, y))  # noqa: E731
    flow, float64_reference = frozen(flow_of(formula))
    inputs = start(flow)
    inputs.y[0] = 0.9
    found = climb(flow, float64_reference, ThreatModel(inputs, ("latents",), TAU), 12)
    assert found.steered.tolist() == [True, False] and found.searched.all()
    assert found.evaluations[1] > found.evaluations[0]


def test_a_condition_is_moved_though_every_latent_is_larger_than_x():
    """Protocol 1 counted the latent in: with |z| up to 3.6 above all of x, no latent of eight had a
    gradient by y."""
    flow, float64_reference = frozen(
        flow_of(lambda z, y: small(z) * torch.exp(600 * (y.mean((1, 2, 3), keepdim=True) - 0.52)))
    )
    found = run_attack(
        "condition",
        flow,
        start(flow),
        TAU,
        BUDGET,
        eps=8 / 255,
        float64_reference=float64_reference,
        scale=None,
    )
    assert found.steered == [True, True] and min(found.rate) > 0.9 and max(found.clean_rate) == 0


def test_phases_share_the_steps_and_the_counts_go_on():
    flow, float64_reference = frozen(flow_of(lambda z, y: small(z)))
    found = climb(flow, float64_reference, space_of(flow), 7)
    # a gradient counts three, and each phase ends with a reading
    first = 3 * 7 + len(LARGE_X.first)
    # nothing to show: a quarter of the steps more, and the squares
    assert found.steps.tolist() == [7 + 2 + 6] * 2
    assert found.evaluations.tolist() == [first + 3 * 2 + 1 + 7] * 2
