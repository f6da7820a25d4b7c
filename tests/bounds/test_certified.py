"""Certified bounds of layers and flows lie above what any sample attains."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from invbench.bounds.lipschitz import (
    Interval,
    additive_jacobian_norm,
    certify_flow,
    certify_layer,
    decoder,
    full_jacobian,
)
from invbench.bounds.lipschitz.certified import _split, parameters_over
from invbench.couplings import (
    Additive,
    Affine,
    AffineExp,
    AffineFloor,
    AffineTanh,
    CubicSpline,
    ModifiedRQ,
)
from invbench.flows import (
    ActNorm,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    ConvConditioner,
    DenseConditioner,
    Split,
    Squeeze,
)
from invbench.flows.example_layers import randomized
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock
from invbench_models.srflow.model import srflow
from tests.support.draws import normal


@pytest.fixture(autouse=True)
def same_weights():
    """Layers draw their first weights from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class TestLayers:
    @pytest.mark.parametrize("design", [Additive, Affine, AffineFloor, AffineTanh, AffineExp, ModifiedRQ], ids=lambda d: d.__name__)  # fmt: skip
    @pytest.mark.parametrize("kept", [0, 2])
    def test_coupling_block_over_a_box(self, design, kept):
        layer = (
            randomized(
                ConditionalCoupling(design(), 4, kept, 2, partial(ConvConditioner, width=8)), 0, 0.1
            )
            .double()
            .eval()
        )
        generator = torch.Generator().manual_seed(1)
        centre, cond = normal(1, 4, 3, 3), normal(1, 2, 3, 3, seed=1)
        found = certify_layer(layer, Interval.around(centre, 0.2), Interval.around(cond, 8 / 255))
        n = 64
        x = centre + 0.2 * (
            2 * torch.rand(n, 4, 3, 3, generator=generator, dtype=torch.float64) - 1
        )
        c = cond + 8 / 255 * (
            2 * torch.rand(n, 2, 3, 3, generator=generator, dtype=torch.float64) - 1
        )
        jacobian = full_jacobian(lambda v: layer(v, c)[0], x)
        assert found.tier == "U2"
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward
        assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.inverse
        # and from the other side: a box of latents
        z = layer(centre, cond)[0].detach()
        found = certify_layer(
            layer, Interval.around(z, 0.1), Interval.around(cond, 8 / 255), inverse=True
        )
        z = z + 0.1 * (2 * torch.rand(n, 4, 3, 3, generator=generator, dtype=torch.float64) - 1)
        jacobian = full_jacobian(lambda v: layer.inverse(v, c)[0], z)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.inverse

    def test_parameters_over_a_box_hold_a_hundred_thousand_samples(self):
        layer = (
            randomized(
                ConditionalCoupling(ModifiedRQ(), 4, 2, 2, partial(ConvConditioner, width=8)),
                0,
                0.1,
            )
            .double()
            .eval()
        )
        kept, cond = normal(1, 2, 3, 3), normal(1, 2, 3, 3, seed=1)
        radius = 8 / 255
        box, _ = parameters_over(
            layer, Interval.around(kept, radius), Interval.around(cond, radius), (3, 3)
        )
        generator = torch.Generator().manual_seed(2)
        noise = radius * (
            2 * torch.rand(100_000, 4, 3, 3, generator=generator, dtype=torch.float64) - 1
        )
        with torch.no_grad():
            raw = layer.network(torch.cat((kept, cond), 1) + noise)
        params = raw.view(100_000, 4, 2, 3, 3).movedim(1, 0)
        assert ((box.lo <= params) & (params <= box.hi)).all()

    def test_linear_layers_are_exact(self):
        norm = randomized(ActNorm(3), 0).double()
        found = certify_layer(norm)
        assert found.forward == pytest.approx(norm.logs.max().exp().item(), rel=1e-6)
        assert found.inverse == pytest.approx(1 / norm.logs.min().exp().item(), rel=1e-6)
        conv = randomized(Conv1x1(4), 0).double()
        values = torch.linalg.svdvals(conv.weight)
        found = certify_layer(conv)
        assert found.forward == pytest.approx(values[0].item(), rel=1e-6)
        assert found.inverse == pytest.approx(1 / values[-1].item(), rel=1e-6)
        assert certify_layer(Squeeze()).forward == certify_layer(Squeeze()).inverse == 1

    def test_singular_convolution_has_no_inverse_bound_and_says_why(self):
        conv = Conv1x1(3)
        with torch.no_grad():
            conv.weight.copy_(torch.ones(3, 3))
        found = certify_layer(conv)
        assert found.inverse == math.inf and "singular" in found.reason

    def test_residual_and_orthogonal_additive_hold(self):
        torch.manual_seed(0)
        block = ResidualBlock(6, 16).double()
        found, x = certify_layer(block), normal(50, 6)
        jacobian = full_jacobian(lambda v: block(v)[0], x)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward == pytest.approx(1.7)
        assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.inverse
        mixing = randomized(
            OrthogonalAdditive(6, 0, partial(DenseConditioner, width=16, hidden=1)), 0, 0.2
        ).double()
        found, jacobian = certify_layer(mixing), full_jacobian(lambda v: mixing(v)[0], x)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward

    def test_additive_with_a_linear_shift_is_exact(self):
        layer = ConditionalCoupling(Additive(), 6, 3, 0, lambda i, o: nn.Linear(i, o)).double()
        found = certify_layer(layer, Interval.around(normal(1, 6), 1.0))
        expected = additive_jacobian_norm(torch.linalg.matrix_norm(layer.network.weight, 2).item())
        assert found.forward == pytest.approx(expected, rel=1e-6)
        assert found.inverse == pytest.approx(expected, rel=1e-6)

    def test_layer_that_cannot_be_bounded_is_named(self):
        unknown = certify_layer(nn.Tanh())
        assert math.isnan(unknown.forward) and "Tanh" in unknown.reason
        gelu = ConditionalCoupling(
            Affine(), 4, 2, 0, lambda i, o: nn.Sequential(nn.Linear(i, o), nn.GELU())
        )
        found = certify_layer(gelu, Interval.around(normal(1, 4), 0.1))
        assert math.isnan(found.inverse) and "gelu" in found.reason
        spline = ConditionalCoupling(CubicSpline(), 4, 2, 0, lambda i, o: nn.Linear(i, o))
        assert "CubicSpline" in certify_layer(spline, Interval.around(normal(1, 4), 0.1)).reason
        assert "box" in certify_layer(spline).reason

    def test_architecture_alone_bounds_an_injector(self):
        injector = ConditionalCoupling(AffineFloor(), 4, 0, 2, partial(DenseConditioner, width=4))
        found = certify_layer(injector)
        assert (found.tier, found.forward) == ("U1", 1.1) and found.inverse == pytest.approx(10)


class TestDepth:
    def test_aligned_product_is_tight_and_a_rotated_one_is_slack(self):

        def flow(turn):
            layers = {}
            for k in range(2):
                norm = ActNorm(2).double()
                with torch.no_grad():
                    norm.logs.copy_(torch.tensor([-1.0, 1.0]))
                layers[f"norm{k}"] = norm
                if k == 0:
                    mix = Conv1x1(2).double()
                    with torch.no_grad():
                        c, s = math.cos(turn), math.sin(turn)
                        mix.weight.copy_(torch.tensor([[c, -s], [s, c]]))
                    layers["mix"] = mix
            return ConditionalFlow(layers, nn.Identity(), lambda y: [(2,)])

        y, z = torch.zeros(1, 2, dtype=torch.float64), normal(1, 2)
        box = [Interval.around(z, 0.1)]
        for turn, tight in ((0.0, True), (math.pi / 2, False)):
            subject = flow(turn)
            f, point = decoder(subject, [z], y)
            truth = torch.linalg.matrix_norm(full_jacobian(f, point), 2).item()
            above = certify_flow(subject, box, Interval(y, y))
            assert truth <= above.value == pytest.approx(math.e**2)
            assert (above.value <= 1.001 * truth) == tight
            assert not above.vacuous

    def test_vacuous_bound_and_missing_rule_are_labelled(self):
        flow = randomized(srflow(Affine, seed=0), 1, 0.3).double()
        y = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        latents = [
            Interval.around(v, 1.0)
            for v in flow.sample_latents(1, y, 1.0, torch.Generator().manual_seed(0))
        ]
        assert certify_flow(flow, latents, Interval.around(y, 8 / 255)).vacuous
        flow.encoder.append(nn.GELU())
        found = certify_flow(flow, latents, Interval.around(y, 8 / 255))
        assert found.vacuous and "gelu" in found.layers[-1].reason

    def test_split_is_bounded_like_a_block(self):

        split = randomized(Split(4, partial(ConvConditioner, width=8)), 0, 0.1).double().eval()
        z1, eps = normal(1, 2, 3, 3), normal(1, 2, 3, 3, seed=1)
        found, box = _split("split", split, Interval.around(z1, 0.1), Interval.around(eps, 0.1))

        def inverse(v):
            return split.inverse(v[:, :2], v[:, 2:])[0]

        generator = torch.Generator().manual_seed(2)
        v = torch.cat((z1, eps), 1) + 0.1 * (
            2 * torch.rand(40, 4, 3, 3, generator=generator, dtype=torch.float64) - 1
        )
        jacobian = full_jacobian(inverse, v)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.inverse
        assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.forward
        assert box.contains(inverse(v).detach())
