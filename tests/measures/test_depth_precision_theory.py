"""Attribution along depth, digits left, and the one-layer theory, each against what is known."""

import math

import pytest
import torch

from invbench.couplings import Additive, Affine, AffineExp, AffineTanh
from invbench.flows import ActNorm, ConditionalFlow, Conv1x1
from invbench.flows.example_layers import randomized
from invbench.measures.depth import depth_profile, origin, variance_profile
from invbench.measures.precision import PRECISIONS, coupling_loss, flow_loss
from invbench.measures.theory import minimise, nll, optimum, optimum_with_spread
from invbench_models.srflow.model import srflow
from tests.support.draws import normal


def a_flow(scale: float) -> ConditionalFlow:
    """Three layers, the middle one an ActNorm whose inverse multiplies by ``scale``."""
    mix, norm, last = Conv1x1(2), ActNorm(2), ActNorm(2)
    with torch.no_grad():
        mix.weight.copy_(torch.eye(2))
        norm.logs.fill_(-math.log(scale))
    return ConditionalFlow(
        {"mix": mix, "norm": norm, "last": last}, torch.nn.Identity(), lambda y: [(2,)]
    )


def an_image_flow():
    flow = randomized(srflow(AffineTanh, seed=0), 1, 0.05).eval()
    return (
        flow,
        torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)),
        torch.full((2, 3, 2, 2), 0.5),
    )


class TestDepth:
    def test_layer_that_starts_the_explosion_is_named_whatever_its_kind(self):
        flow, z, y = a_flow(1e3), [normal(5, 2).float()], torch.zeros(5, 2)
        found = origin(depth_profile(flow, z, y), threshold=100)
        assert found is not None and (found.name, found.kind) == ("norm", "actnorm")
        assert found.growth == pytest.approx(1e3, rel=1e-4)
        assert origin(depth_profile(a_flow(1.0), z, y), threshold=100) is None

    def test_jacobian_norm_is_the_layers_own(self):
        records = depth_profile(
            a_flow(1e3), [normal(5, 2).float()], torch.zeros(5, 2), jacobian_norm=True
        )
        assert [r.jacobian_norm for r in records[1:4]] == pytest.approx([1, 1e3, 1], rel=1e-4)
        assert math.isnan(records[0].jacobian_norm)

    def test_not_finite_counts_as_infinite_and_as_an_origin(self):
        z = [torch.full((2, 2), 1e38)]
        found = origin(depth_profile(a_flow(1e3), z, torch.zeros(2, 2)), threshold=1e38)
        assert found is not None and found.max_abs_log10 == math.inf

    def test_agrees_with_the_variance_profile(self):
        flow, _, y = an_image_flow()
        z = flow.sample_latents(len(y), y, 0.9, torch.Generator().manual_seed(0))
        records = depth_profile(flow, z, y, jacobian_norm=True)
        assert [(r.name, r.variance) for r in records] == variance_profile(flow, z, y)
        assert {"coupling", "injector", "actnorm", "1×1", "split", "squeeze"} <= {
            r.kind for r in records
        }


class TestPrecision:
    def test_additive_loses_a_unit_and_ill_conditioned_affine_what_kappa_says(self):
        x = normal(4, 100)
        mild = coupling_loss(Additive(), x, normal(1, 4, 100), PRECISIONS["float32"])
        steep = torch.stack((torch.full((4, 100), -10.0), 1e4 * torch.ones(4, 100))).double()
        harsh = coupling_loss(AffineExp(), x, steep, PRECISIONS["float32"])
        assert all(loss.measured < 1e-6 and loss.digits > 6 for loss in mild)
        assert all(loss.kappa > 1e7 and loss.digits < 1.5 and loss.T < 5 for loss in harsh)

    @pytest.mark.parametrize("name", ["float64", "float32", "bfloat16", "float16"])
    def test_sound_design_loses_at_most_a_few_units_in_every_precision(self, name):
        losses = coupling_loss(Affine(), normal(8, 64), normal(2, 8, 64, seed=1), PRECISIONS[name])
        assert all(loss.T < 5 and loss.eta < 5 for loss in losses)

    def test_defect_shows_in_backward_error_whatever_the_conditioning(self):
        class Sloppy(Affine):
            def inverse(self, y, params):
                x, log = super().inverse(y, params)
                return x * (1 + 1e-3), log

        losses = coupling_loss(
            Sloppy(), normal(4, 64), normal(2, 4, 64, seed=1), PRECISIONS["float32"]
        )
        assert all(loss.T > 100 and loss.eta > 100 for loss in losses)

    def test_flow_in_every_precision_of_this_device(self):
        flow, x, y = an_image_flow()
        names = [name for name, p in PRECISIONS.items() if p.device == "any"]
        found = flow_loss(flow, x[:2], y[:2], names, products=12)
        digits = {name: min(loss.digits for loss in losses) for name, losses in found.items()}
        assert digits["float64"] > digits["float32"] > digits["float16"] > 0
        assert digits["float32"] > digits["autocast-bfloat16"]
        for wide, half in zip(found["float64"], found["float16"], strict=True):
            assert wide.kappa == pytest.approx(half.kappa, rel=1e-2)  # of the inputs as rounded


class TestTheory:
    @pytest.mark.parametrize("x1", [-1.3, 0.2, 2.0])
    @pytest.mark.parametrize("cap", [1.0, 0.3, 5.0])
    def test_optimum_under_a_cap_is_the_formulas(self, x1, cap):
        s, t, loss = minimise(x1, cap)
        assert (s, t, loss) == pytest.approx(optimum(x1, cap), rel=1e-5, abs=1e-6)

    def test_papers_cap_gives_the_papers_optimum(self):
        assert optimum(0.7)[:2] == (1.0, -0.7)

    def test_without_a_cap_the_loss_falls_below_any_number(self):
        losses = [nll(s, -s * 0.7, 0.7) for s in (1, 1e3, 1e6, 1e12)]
        assert losses == sorted(losses, reverse=True) and losses[-1] < -27
        assert optimum(0.7, math.inf)[2] == -math.inf
        assert minimise(0.7, None)[2] < losses[0] - 3

    def test_spread_of_the_condition_bounds_s_by_itself(self):
        s, t = optimum_with_spread(0.4, 0.01)
        assert (s, t) == pytest.approx((10, -4))
        draws = 0.4 + 0.1 * normal(200_000).numpy()
        best = min(
            (float((draws**2 + (a * draws - a * 0.4) ** 2).mean() / 2 - math.log(a)), a)
            for a in (8.0, 9.0, 10.0, 11.0, 12.0)
        )
        assert best[1] == 10.0
        assert optimum_with_spread(0.4, 0.01, cap=1.0) == (1.0, -0.4)
