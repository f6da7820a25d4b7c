"""The certificate over every condition: never exceeded, attained where moves are independent,
refused or infinite where it must be."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

import invbench
from invbench.bounds import RULES, certify
from invbench.bounds.zonotope import Zonotope
from invbench.couplings import RQ, RQBounded
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, Split, Squeeze
from tests.support.bounded_flows import (
    RADIUS,
    SIDE,
    BoundedSplit,
    Pushed,
    PushedSplit,
    Saturated,
    Told,
    latents,
    steepest,
    tiny,
    told,
)

Y = torch.zeros(1, 3, 2, 2)
FREE_OF_SHIFT = [RQBounded, lambda: RQ(bins=3)]
BOUNDED = [Pushed, Saturated, *FREE_OF_SHIFT]


def worst_of_linear(flow) -> float:
    """The largest |x| of a flow of ``Pushed`` parts, exactly: its decode is linear in latents and
    saturated shifts."""
    z = [v.requires_grad_() for v in latents(1, 0, 0.0)]
    raws, worst = told(flow), 0.0
    x = flow.decode(z, Y)
    for c in range(3):
        for i in range(4):
            for j in range(4):
                grads = torch.autograd.grad(x[0, c, i, j], [*z, *raws], retain_graph=True)
                for side in (1, -1):
                    ends = [side * RADIUS * g.sign() for g in grads[: len(z)]]
                    with torch.no_grad():
                        for raw, g in zip(raws, grads[len(z) :], strict=True):
                            raw.copy_(side * 50 * g.sign())
                        worst = max(worst, flow.decode(ends, Y)[0, c, i, j].abs().item())
                        for raw in raws:
                            raw.zero_()
    return worst


@pytest.fixture(scope="module")
def attained() -> float:
    return worst_of_linear(tiny())


class TestSound:
    @pytest.mark.parametrize("split", [BoundedSplit, PushedSplit], ids=lambda s: s.__name__)
    @pytest.mark.parametrize("design", BOUNDED, ids=["pushed", "saturated", "rq-bounded", "rq"])
    def test_no_decode_exceeds_it_whatever_the_conditioners_say(self, design, split):
        flow = tiny(design, split)
        found = certify(flow, RADIUS)
        bounds = {layer.name: layer.max_abs for layer in found.layers}
        assert found.finite and not found.reason
        for seed, scale in enumerate((1.0, 10.0, 100.0)):
            generator = torch.Generator().manual_seed(seed)
            with torch.no_grad():
                for raw in told(flow):
                    raw.copy_(scale * torch.randn(raw.shape, generator=generator))
                for name, h in flow.trace(
                    latents(64, seed, corners=bool(seed % 2)), Y.expand(64, -1, -1, -1)
                ):
                    assert h.abs().max().item() <= bounds.get(name, found.max_abs), name

    @pytest.mark.parametrize("design", BOUNDED, ids=["pushed", "saturated", "rq-bounded", "rq"])
    def test_no_ascent_on_latents_and_conditioners_exceeds_it(self, design):
        flow = tiny(design, BoundedSplit, seed=1)
        bound = certify(flow, RADIUS).max_abs
        found = steepest(flow, Y, latents(1, 3))
        assert 0.2 * bound < found <= bound  # and the ascent is one that comes near

    def test_a_half_precision_decode_stays_below_its_own_certificate(self):
        flow = tiny().half()
        bound = certify(flow, RADIUS)
        worst = 0.0
        for seed in range(20):
            with torch.no_grad():
                for raw in told(flow):
                    raw.copy_(
                        50
                        * torch.randn(
                            raw.shape, generator=torch.Generator().manual_seed(seed)
                        ).sign()
                    )
                z = latents(32, seed, corners=True, dtype=torch.float16)
                worst = max(
                    worst, flow.decode(z, Y.half().expand(32, -1, -1, -1)).abs().max().item()
                )
        assert worst <= bound.max_abs
        assert bound.max_abs > certify(tiny(), RADIUS).max_abs  # rounding counts


class TestExact:
    def test_it_is_attained_where_moves_are_independent(self, attained):
        assert attained == pytest.approx(certify(tiny(), RADIUS).max_abs, rel=1e-4)
        assert attained <= certify(tiny(), RADIUS).max_abs

    def test_a_temperature_scales_the_latents(self):
        assert certify(tiny(), 8.0, 0.5).max_abs == certify(tiny(), 4.0).max_abs
        assert certify(tiny(), 4.0, 0.5).max_abs < certify(tiny(), 4.0).max_abs

    def test_a_residual_block_and_a_prior_by_hand(self):
        class ToyPrior(nn.Module):
            def __init__(self):
                super().__init__()
                self.head = nn.Conv2d(2, 4, 1)

            def forward(self, features):
                return torch.sigmoid(self.head(features))

        flow = ConditionalFlow(
            {"norm": ActNorm(4)}, nn.Identity(), lambda y: [(4, 2, 2)], prior=ToyPrior()
        )
        found = certify(flow, 4.0)
        assert found.max_abs == pytest.approx(5.0, rel=1e-5)  # |z| ≤ 4 and a mean in [0, 1]
        assert [layer.name for layer in found.layers] == ["latent", "prior", "norm"]


# a certificate that forgets, or goes another way, at one kind of layer
def _forgets(layer, z, run):
    return z


def _no_latent(layer, z, run):
    fresh = torch.zeros(run.split_channels - z.channels, *z.centre.shape[1:])
    return z.stacked(fresh, fresh)


def _latent_alone(layer, z, run):
    fresh = torch.zeros(run.split_channels - z.channels, *z.centre.shape[1:])
    return z.stacked(fresh, fresh + run.latent)


def _mixed_up(layer, z, run):
    """Channel k·C + c in place of 4c + k."""
    order = torch.arange(z.channels).view(4, -1).T.flatten()
    return dataclasses.replace(
        z, centre=z.centre[order], generators=z.generators[order], box=z.box[order]
    ).unsqueezed()


def _encodes(layer, z, run):
    return z.mixed(layer.weight.detach().double())[0]


FAULTS = {
    "forgets couplings and injectors": (ConditionalCoupling, _forgets),
    "forgets the split's latent": (PushedSplit, _no_latent),
    "forgets the split's move": (PushedSplit, _latent_alone),
    "unsqueezes the wrong channels": (Squeeze, _mixed_up),
    "mixes with W for its inverse": (Conv1x1, _encodes),
    "forgets the 1×1": (Conv1x1, _forgets),
    "forgets ActNorm": (ActNorm, _forgets),
}


class TestPlantedFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_wrong_rule_does_not_attain_the_exact_worst_case(self, fault, attained, monkeypatch):
        kind, through = FAULTS[fault]
        known = RULES.get(kind) or RULES[Split]
        monkeypatch.setitem(RULES, kind, dataclasses.replace(known, through=through))
        assert certify(tiny(), RADIUS).max_abs != pytest.approx(attained, rel=1e-3)

    def test_forgetting_the_injector_alone_is_exceeded(self, attained):
        flow = tiny()
        forgetful = certify(
            flow, RADIUS, moves=lambda name, layer: 0.0 if name.endswith("injector") else None
        )
        assert forgetful.assumed and attained > forgetful.max_abs

    def test_forgetting_one_coupling_is_exceeded(self, attained):
        flow = tiny()
        for name in ("level1_coupling", "level2_coupling"):
            found = certify(
                flow, RADIUS, moves=lambda n, layer, name=name: 0.0 if n == name else None
            )
            assert attained > found.max_abs

    def test_forgetting_what_no_layer_has_mixed_yet_is_exceeded(self, attained, monkeypatch):
        mixed = Zonotope.mixed
        monkeypatch.setattr(
            Zonotope, "mixed", lambda z, *a: mixed(dataclasses.replace(z, box=0 * z.box), *a)
        )
        assert attained > certify(tiny(), RADIUS).max_abs


class TestShipped:
    """The bounds that the shipped ``cubic-rational-bounded`` would have if its shifts were
    saturated, for |z| ≤ 4·0.9."""

    @pytest.mark.parametrize(
        ("shift", "displacement", "largest", "intermediate"),
        [(2, 1.8, 20.1, 441), (1, 1.8, 15.2, 333), (1, 0.9, 10.8, 236)],
    )
    def test_what_saturated_shifts_would_give(self, shift, displacement, largest, intermediate):
        flow = invbench.load_flow("srflow", "cubic-rational-bounded")

        def moves(name, layer):
            return shift + displacement if isinstance(layer, (ConditionalCoupling, Split)) else None

        found = invbench.certify(flow, 4.0, 0.9, moves=moves)
        assert found.max_residual == pytest.approx(largest, abs=0.06)
        assert found.max_intermediate == pytest.approx(intermediate, abs=1)
        assert found.assumed and "float16" in found.dtypes
        # bicubic overshoots [0, 1]
        assert found.max_abs == pytest.approx(found.max_residual + 1.262, abs=0.01)

    def test_the_shipped_flow_itself_has_none(self):
        found = invbench.certify(invbench.load_flow("srflow", "cubic-rational-bounded"))
        assert found.reason == "level2_step4_coupling: CubicRationalBounded has an unbounded shift"
        assert any("exp(logs)" in layer.reason for layer in found.unbounded)

    def test_low_light_with_bounded_splines_has_one_and_keeps_it(self):
        """No split, no shift: certified under every condition. An ascent on latents and on all that
        its conditioners might say stays below."""
        flow = invbench.load_flow("llflow", "rq-bounded(bins=4)")
        found = invbench.certify(flow, RADIUS)
        assert found.max_abs == pytest.approx(60.2, abs=0.2) and found.dtypes[0] == "float16"
        for layer in flow.layers.values():
            if isinstance(layer, ConditionalCoupling):
                layer.network = Told(0, layer.network.head.out_channels)
        z = flow.sample_latents(1, torch.rand(1, 6, 16, 16), 1.0, torch.Generator().manual_seed(0))
        reached = steepest(flow, torch.rand(1, 6, 16, 16), z, steps=15)
        assert 0.1 * found.max_abs < reached <= found.max_abs


def test_a_position_has_the_same_bound_in_every_image():
    flow, small = tiny(), SIDE // 2
    wide = certify(flow, RADIUS).max_abs
    z = [
        torch.randn(16, 6, small // 2, small // 2).clamp(-4, 4),
        torch.randn(16, 24, small // 4, small // 4).clamp(-4, 4),
    ]
    with torch.no_grad():
        assert flow.decode(z, torch.zeros(16, 3, 1, 1)).abs().max().item() <= wide
