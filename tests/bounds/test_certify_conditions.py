"""The certificate over a box of conditions: never exceeded, never looser than that over every
condition, tighter where it can be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import invbench
from invbench.bounds import certify, enclosures
from invbench.bounds.enclosures import enclosed
from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.operations import ConditionBox
from invbench.couplings import (
    Additive,
    Affine,
    AffineExp,
    AffineSoftclip,
    AffineTanh,
    AffineTwoSigmoid,
    CubicRationalBounded,
    ModifiedRQ,
    RQBounded,
    SmoothBump,
)
from invbench.errors import UsageError
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Split
from tests.support.bounded_flows import Base, BoundedSplit, Saturated, convolutional, latents
from tests.support.draws import normal

DESIGNS = [
    Additive,
    Affine,
    AffineExp,
    AffineSoftclip,
    AffineTanh,
    AffineTwoSigmoid,
    CubicRationalBounded,
    ModifiedRQ,
    RQBounded,
    SmoothBump,
    Saturated,
]
FLOWS = [Additive, Affine, AffineTanh, CubicRationalBounded, ModifiedRQ, RQBounded, Saturated]
named = {"ids": lambda d: d.__name__}


def inside(lo, hi, rows, seed):
    """Uniform in the box, every other row at corners."""
    share = torch.rand(
        rows, *lo.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    share[::2] = share[::2].round()
    return lo + share * (hi - lo)


def outside(design, reach: float, spread: float, seed: int = 0) -> int:
    """Samples of c⁻¹(v; h) that leave their enclosure, over boxes v₀ ± reach and h₀ ± spread."""
    v0, h0 = 3 * normal(1, 40, seed=seed), 2 * normal(design.n_params, 1, 40, seed=seed + 1)
    box = Interval(v0 - reach, v0 + reach), Interval(h0 - spread, h0 + spread)
    found = enclosed(design, *box, math.inf)
    assert found.finite.all()
    v, share = (
        inside(box[0].lo, box[0].hi, 512, seed),
        torch.rand(design.n_params, 512, 40, dtype=torch.float64),
    )
    share[:, ::2] = share[:, ::2].round()
    params = (h0 - spread) + 2 * spread * share
    with torch.no_grad():
        x = design.inverse(v, params)[0]
    missed = (x - found.slope * v - found.offset).abs() - found.by
    return int((missed > 1e-12 * (1 + x.abs())).sum())


class TestEnclosures:
    @pytest.mark.parametrize("design", [d for d in DESIGNS if d is not Saturated], **named)
    @pytest.mark.parametrize(
        ("reach", "spread"), [(0.0, 0.0), (1e-3, 1e-3), (0.3, 0.1), (5.0, 1.0)]
    )
    def test_every_inverse_of_the_box_lies_in_it(self, design, reach, spread):
        assert outside(design(), reach, spread) == 0

    @pytest.mark.parametrize(
        "design", [Affine, CubicRationalBounded, ModifiedRQ, RQBounded], **named
    )
    def test_a_point_has_its_own_value(self, design):
        own = design()
        v, h = 3 * normal(1, 40), normal(own.n_params, 1, 40, seed=1)
        found = enclosed(own, Interval(v, v), Interval(h, h), math.inf)
        assert (found.by <= 1e-9 * (1 + v.abs())).all()
        assert torch.allclose(found.slope * v + found.offset, own.inverse(v, h)[0], atol=1e-9)

    @pytest.mark.parametrize(
        "design", [Additive, Affine, CubicRationalBounded, ModifiedRQ], **named
    )
    def test_a_shift_of_the_wrong_sign_is_caught(self, design, monkeypatch):
        monkeypatch.setattr(
            enclosures, "_shift", lambda design, params: Interval(params.lo[-1], params.hi[-1])
        )
        monkeypatch.setattr(
            enclosures,
            "decoded_box",
            lambda design, v, params: Interval(v.lo * math.inf, v.hi * math.inf),
        )
        monkeypatch.setattr(enclosures, "SLOPES", {})
        assert outside(design(), 0.3, 0.1) > 100

    def test_a_mean_value_that_forgets_the_parameters_is_caught(self, monkeypatch):
        centred = enclosures._centred

        def forgetful(design, v, params, x):
            middle = (params.lo + params.hi) / 2
            return centred(design, v, Interval(middle, middle), x)

        monkeypatch.setattr(enclosures, "_centred", forgetful)
        assert outside(CubicRationalBounded(), 1e-3, 1e-2) > 100


class TestFlows:
    @pytest.mark.parametrize("design", FLOWS, **named)
    @pytest.mark.parametrize(("eps", "radius"), [(0.0, 4.0), (0.05, 0.5)])
    def test_no_decode_of_the_box_exceeds_it_at_any_layer(self, design, eps, radius):
        flow = convolutional(design, Split, base=Base()).double()
        y = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = certify(flow, radius, conditions=(y, eps))
        assert found.finite, found.reason
        bounds = {layer.name: layer.max_abs for layer in found.layers}
        for seed in range(3):
            ys = inside(y - eps, y + eps, 64, seed)
            z = latents(64, seed, radius, corners=seed == 1, dtype=torch.float64)
            with torch.no_grad():
                for name, h in flow.trace(z, ys):
                    assert h.abs().max().item() <= bounds[name], name

    def test_it_is_tighter_than_every_condition_and_never_looser(self):
        """As if the shifts were saturated at 2: what the injectors do under a known condition is
        less than all that they might."""
        flow = convolutional(CubicRationalBounded)
        y = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))

        def moves(name, layer):
            return 3.8 if isinstance(layer, ConditionalCoupling) else None

        every = certify(flow, 4.0, moves=moves).max_abs
        sizes = [
            certify(flow, 4.0, conditions=(y, eps), moves=moves).max_abs for eps in (0.0, 0.05, 1e3)
        ]
        assert sizes[0] < 0.9 * every
        assert sizes == sorted(sizes) and sizes[-1] <= every * (1 + 1e-6)

    def test_a_saturated_shift_is_not_taken_for_the_raw_one(self):
        """A raw t of 40 to 41 moves by 2, not by 40: the rules of free shifts are not for a class
        that states a bound of its own."""

        class Own(CubicRationalBounded):
            pass

        v, raw = (
            torch.zeros(1, 1, dtype=torch.float64),
            torch.tensor([0.0, 0.0, 40.0], dtype=torch.float64).view(3, 1, 1),
        )
        for design in (Saturated(), Own()):
            design.shift_bound = 2.0
            found = enclosed(design, Interval(v, v), Interval(raw, raw + 1), 3.8)
            assert found.slope == 1 and found.offset == 0 and found.by == 3.8

    def test_an_unbounded_design_is_bounded_over_a_box(self):
        flow = convolutional(ModifiedRQ, Split)
        assert not certify(flow).finite
        assert certify(flow, conditions=torch.rand(1, 3, 2, 2)).finite

    def test_several_conditions_have_the_worst_of_them(self):
        flow = convolutional(ModifiedRQ, Split)
        ys = torch.stack([torch.zeros(3, 2, 2), 3 * torch.ones(3, 2, 2)])
        both = certify(flow, conditions=ys)
        assert both.max_abs == max(certify(flow, conditions=y[None]).max_abs for y in ys)
        assert both.conditions == "2 boxes of conditions"

    def test_an_encoder_without_a_rule_is_said_and_bounded_for_every_condition(self):
        class Odd(nn.Module):
            def forward(self, y):
                return torch.fft.fft2(y).real[:, :2]

        flow = convolutional(Saturated)
        flow.encoder = Odd()
        found = certify(flow, conditions=torch.rand(1, 3, 2, 2))
        assert found.max_abs == certify(flow).max_abs
        assert found.notes[0].startswith("encoder: no interval rule for fft")

    def test_the_base_image_is_added(self):
        y = torch.full((1, 3, 2, 2), 10.0)
        without, with_it = (
            certify(convolutional(Saturated, base=base), conditions=y) for base in (None, Base())
        )
        assert without.max_abs == without.max_residual == with_it.max_residual
        # position by position, where not all are worst
        assert 0 < abs(with_it.max_abs - without.max_abs) <= 2.5 + 1e-3
        every = certify(convolutional(Saturated, base=Base()))
        # of images in [0, 1]
        assert every.max_abs == pytest.approx(every.max_residual + 0.25, rel=1e-6)

    def test_a_base_image_without_a_rule_leaves_the_residual(self):
        found = certify(convolutional(Saturated, base=lambda y: torch.fft.fft2(y).real))
        assert math.isfinite(found.max_residual) and math.isinf(found.max_abs)
        assert found.reason.startswith("data: no interval of it")

    def test_vectors_have_boxes_too(self):
        flow = ConditionalFlow({"norm": ActNorm(2)}, nn.Identity(), lambda y: [(2,)])
        assert certify(flow, 4.0, conditions=torch.rand(1, 2)).max_abs == pytest.approx(
            4.0, rel=1e-5
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            torch.tensor([[[[math.nan]]]]),
            (torch.zeros(1, 3, 2, 2), -1.0),
            torch.zeros(0, 3, 2, 2),
            "y",
        ],
    )
    def test_a_box_that_is_none_is_refused(self, wrong):
        with pytest.raises(UsageError, match="conditions"):
            certify(convolutional(Saturated, BoundedSplit), conditions=wrong)


def test_intervals_run_through_a_bicubic_base():
    from invbench.data.resample import bicubic

    lo = torch.rand(1, 3, 5, 7, dtype=torch.float64)
    hi = lo + 0.3 * torch.rand(1, 3, 5, 7, dtype=torch.float64)
    box = bicubic(ConditionBox(lo, hi), 4)
    x = bicubic(inside(lo, hi, 200, 0), 4)
    assert ((box.lo <= x) & (x <= box.hi)).all()
    assert (box.hi - box.lo).max() < 0.6  # 1.6 times the width of the box at most


@pytest.mark.parametrize("name", ["fs_ncsr", "glow"])
def test_the_shipped_architectures_take_boxes(name):
    """Features, noise level and base run as intervals; what stops a certificate is the affine split
    alone."""
    flow = invbench.load_flow(name, "rq-bounded(bins=4)")
    y = torch.zeros(1, 0, 16, 16) if name == "glow" else torch.rand(1, 3, 4, 4)

    def moves(layer_name, layer):
        return 3.7 if isinstance(layer, Split) else None

    every, box = (certify(flow, 4.0, 0.9, conditions=y, moves=moves) for y in (None, y))
    assert not box.notes and math.isfinite(box.max_abs)
    assert box.max_residual <= every.max_residual
    assert {layer.name for layer in certify(flow, 4.0, 0.9).unbounded} <= {
        "level1_split",
        "level2_split",
    }
