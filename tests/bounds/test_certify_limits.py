"""Where there is no certificate: layers and designs without a bound, false claims, dtypes that
overflow."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from invbench.bounds import certify
from invbench.couplings import Additive, Affine, CubicRational, CubicRationalBounded
from invbench.cures.guard import guard
from invbench.errors import UsageError
from invbench.flows import ActNorm, ConditionalFlow, Conv1x1, Split
from tests.support.bounded_flows import RADIUS, BoundedSplit, Pushed, Saturated, latents, tiny

Y = torch.zeros(1, 3, 2, 2)


class TestUnbounded:
    @pytest.mark.parametrize(
        ("design", "reason"),
        [
            (Affine, "unbounded displacement"),
            (CubicRational, "unbounded displacement"),
            (Additive, "unbounded shift"),
            (CubicRationalBounded, "unbounded shift"),
        ],
    )
    def test_a_design_that_is_free_is_named_with_its_layer(self, design, reason):
        found = certify(tiny(design))
        assert math.isinf(found.max_abs) and math.isinf(found.max_intermediate) and not found.dtypes
        assert found.reason == f"level2_coupling: {design.__name__} has an {reason}"
        assert {layer.name for layer in found.unbounded} == {
            f"level{level}_{kind}" for level in (1, 2) for kind in ("injector", "coupling")
        }

    def test_the_affine_split_is_named(self):
        found = certify(tiny(Pushed, Split))
        assert (
            found.reason == "level1_split: the affine split's exp(logs) is unbounded"
            and math.isinf(found.max_abs)
        )
        before = {layer.name: layer.max_abs for layer in found.layers}
        assert math.isfinite(before["level2_squeeze"]) and math.isinf(before["level1_split"])

    def test_a_design_that_says_nothing_has_no_bound(self):
        class Silent(Pushed):
            displacement = None

        assert "declares no displacement" in certify(tiny(Silent)).reason

    def test_an_unknown_layer_and_a_subclass_with_its_own_formula(self):
        class Own(ActNorm):
            def inverse(self, z, cond=None):
                return z**3, z.flatten(1).sum(1)

        class Named(ActNorm):
            pass

        for layer, bounded in ((nn.Identity(), False), (Own(4), False), (Named(4), True)):
            flow = ConditionalFlow(
                {"first": ActNorm(4), "odd": layer}, nn.Identity(), lambda y: [(4, 2, 2)]
            )
            found = certify(flow)
            assert found.finite == bounded
            assert (
                bounded
                or found.reason == f"odd: no rule for a layer of type {type(layer).__name__}"
            )

    def test_weights_that_are_not_numbers_and_a_singular_mixing(self):
        for spoil, said in ((math.nan, "finite"), (0.0, "singular")):
            flow = tiny()
            with torch.no_grad():
                flow.layers["level1_conv1x1"].weight.fill_(spoil)
            found = certify(flow)
            assert (
                math.isinf(found.max_abs)
                and said in found.reason
                and found.reason.startswith("level1_conv1x1")
            )

    def test_a_flow_that_decodes_in_its_own_way(self):
        class Other(ConditionalFlow):
            def decode(self, latents, y):
                return 1e9 * super().decode(latents, y)

        flow = Other({"norm": ActNorm(4)}, nn.Identity(), lambda y: [(4, 2, 2)])
        assert certify(flow).reason == "decode: Other has a decode of its own"
        assert "no rule for a flow of type Identity" in certify(nn.Identity()).reason

    def test_a_guarded_flow_has_the_certificate_of_its_clamps(self):
        flow = tiny(Affine, Split)
        x = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        guarded = guard(flow, [(x, Y.expand(8, -1, -1, -1))])
        found = certify(guarded)
        assert found.max_abs == guarded.bound().max_abs < 2 and found.notes
        with torch.no_grad():
            wild = guarded.decode([1e6 * z for z in latents(8, 0)], 1e3 * torch.randn(8, 3, 2, 2))
        assert wild.abs().max().item() <= found.max_abs
        assert not certify(flow).finite


class TestRefused:
    def test_a_displacement_that_is_exceeded(self):
        class Boasts(Saturated):
            def __init__(self):
                super().__init__()
                self.displacement = 0.5

        with pytest.raises(
            UsageError,
            match=r"Boasts declares displacement = 0\.5 and its inverse moves a value by 1",
        ):
            certify(tiny(Boasts))

    def test_a_shift_that_is_exceeded(self):
        class Boasts(CubicRationalBounded):
            def __init__(self):
                super().__init__()
                self.shift_bound, self.shift_of = 1.0, lambda params: params[2]

        with pytest.raises(UsageError, match=r"Boasts declares displacement \+ shift_bound"):
            certify(tiny(Boasts))

    def test_a_reach_that_is_exceeded(self):
        class Boasts(BoundedSplit):
            def reach(self, radius):
                return 2 + radius

        with pytest.raises(UsageError, match="Boasts declares reach"):
            certify(tiny(Pushed, Boasts))

    @pytest.mark.parametrize("radius", [0.0, -1.0, math.nan, math.inf])
    def test_a_radius_that_is_none(self, radius):
        with pytest.raises(UsageError, match="radius must be a positive number"):
            certify(tiny(), radius)


class TestDtypes:
    def test_half_precision_is_left_out_where_it_overflows(self):
        flow = tiny()
        assert certify(flow, RADIUS).dtypes == ("float16", "bfloat16", "float32", "float64")
        with torch.no_grad():
            flow.layers["level1_actnorm"].logs.fill_(-9.0)
        assert certify(flow, RADIUS).dtypes == ("bfloat16", "float32", "float64")
        x = tiny().half()
        x.load_state_dict(flow.state_dict())
        assert (
            x.decode(
                latents(8, 0, corners=True, dtype=torch.float16), Y.half().expand(8, -1, -1, -1)
            )
            .isinf()
            .any()
        )

    def test_a_sum_that_overflows_counts_though_its_value_does_not(self):
        flow = ConditionalFlow(
            {"down": ActNorm(2), "mix": Conv1x1(2), "up": ActNorm(2)},
            nn.Identity(),
            lambda y: [(2, 2, 2)],
        )
        with torch.no_grad():  # z → 3e4·z → a difference of two times 3e4 → back to z
            flow.layers["up"].logs.fill_(-math.log(2.5e4))
            flow.layers["mix"].weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
            flow.layers["down"].logs.fill_(math.log(2.5e4))
        found = certify(flow, 4.0)
        assert (
            found.max_abs < 10 and found.max_intermediate > 65504 and "float16" not in found.dtypes
        )
