"""Lower bounds never exceed the truth, upper bounds never fall below it: against closed forms and full decompositions in float64."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from invbench.couplings import RQ, Additive, Affine, AffineExp, AffineFloor, AffineTanh, ModifiedRQ, RQBounded
from invbench.flows import ActNorm, ConditionalCoupling, Conv1x1, ConvConditioner, DenseConditioner, Split, Squeeze
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.registered import shaken
from invbench.flows.residual import ResidualBlock
from invbench.measures.lipschitz import (
    Interval,
    Unsupported,
    additive_stretch,
    block_norm,
    certify_flow,
    certify_layer,
    decoder,
    difference_quotient,
    encoder,
    full_jacobian,
    gaussian_estimate,
    largest_stretch,
    volume_bound,
)
from invbench.measures.lipschitz.certified import parameters_over
from invbench.measures.lipschitz.operator_norm import convolution_norm, matrix_norm
from invbench.measures.lipschitz.parameter_box import decoded_box, over_box, rational_quadratic_range
from invbench.reference_models.srflow.model import srflow

BOUNDED = [Additive, Affine, AffineFloor, AffineExp, AffineTanh, ModifiedRQ, RQ, RQBounded]


@pytest.fixture(autouse=True)
def same_weights():
    """Layers draw their first weights from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exactly(f, x):
    """σmax per row by the full Jacobian."""
    return torch.linalg.matrix_norm(full_jacobian(f, x), 2)


class TestLower:
    def test_of_an_orthogonal_map_is_one(self):
        q = torch.linalg.qr(normal(8, 8))[0]
        assert largest_stretch(lambda x: x @ q.T, normal(5, 8)).value.sub(1).abs().max() < 1e-12

    def test_of_a_diagonal_map_is_its_largest_entry(self):
        d = torch.tensor([0.1, 3.0, -7.0, 2.0], dtype=torch.float64)
        assert largest_stretch(lambda x: x * d, normal(3, 4)).value.sub(7).abs().max() < 1e-9

    def test_never_exceeds_the_truth_and_comes_within_one_per_cent(self):
        x = normal(64, 24)
        a, b = normal(24, 24, seed=1), normal(24, 24, seed=2)

        def f(v):
            return torch.tanh(v @ a) @ b + 3 * v

        found, truth = largest_stretch(f, x, products=30).value, exactly(f, x)
        assert (found <= truth * (1 + 1e-12)).all()
        assert (found >= 0.99 * truth).all()

    def test_ten_thousand_small_jacobians(self):
        matrices = normal(10_000, 4, 4) * torch.exp(2 * normal(10_000, 1, 4, seed=3))
        f = lambda x: (matrices @ x[..., None])[..., 0]  # noqa: E731
        found, truth = largest_stretch(f, normal(10_000, 4)).value, torch.linalg.matrix_norm(matrices, 2)
        assert (found <= truth * (1 + 1e-12)).all()
        assert (found >= truth * (1 - 1e-6)).all()

    def test_row_does_not_depend_on_its_batch(self):
        a = normal(6, 6)
        f = lambda v: torch.sin(v @ a)  # noqa: E731
        x = normal(4, 6)
        assert torch.allclose(largest_stretch(f, x).value[2:3], largest_stretch(f, x[2:3]).value, rtol=1e-12)

    def test_float32_result_is_confirmed_by_a_float64_twin(self):
        a = normal(12, 12)
        witness = largest_stretch(lambda v: torch.tanh(v @ a.to(v)), normal(3, 12).float())
        assert torch.allclose(witness.confirmed(lambda v: torch.tanh(v @ a.to(v))), witness.value, rtol=1e-5)

    def test_worst_row_keeps_its_own_condition(self):
        scale = torch.tensor([[1.0], [5.0], [2.0]], dtype=torch.float64)
        worst = largest_stretch(lambda v: v * scale, normal(3, 4), cond=scale).worst()
        assert worst.cond.item() == 5 and worst.value.item() == pytest.approx(5)

    def test_row_that_is_not_finite_has_no_bound(self):
        x = normal(3, 4)
        x[1, 0] = math.inf
        found = largest_stretch(lambda v: v * 2, x).value
        assert found[1].isnan() and found[[0, 2]].sub(2).abs().max() < 1e-12

    def test_constant_map_stretches_nothing(self):
        assert largest_stretch(torch.zeros_like, normal(2, 3)).value.tolist() == [0, 0]

    def test_too_few_products_are_refused(self):
        with pytest.raises(ValueError, match="too few"):
            largest_stretch(lambda v: v, normal(1, 2), products=2)

    def test_quotient_of_a_linear_map_is_below_its_norm_and_zero_for_equal_points(self):
        a, x, y = normal(5, 5), normal(100, 5, seed=1), normal(100, 5, seed=2)
        y[0] = x[0]
        found = difference_quotient(lambda v: v @ a.T, x, y)
        assert found[0] == 0 and (found[1:] > 0).all() and (found <= matrix_norm(a)).all()

    def test_volume_bound_is_below_the_truth_and_tight_for_a_similarity(self):
        a = normal(6, 6)
        log_det = torch.linalg.slogdet(a)[1][None]
        assert volume_bound(log_det, 6) <= torch.linalg.matrix_norm(torch.linalg.inv(a), 2)
        assert volume_bound(torch.tensor([6 * math.log(0.25)]), 6).item() == pytest.approx(4)

    def test_gaussian_estimate_lies_above_in_all_but_a_thousandth(self):
        a = normal(6, 6)
        found = gaussian_estimate(lambda v: v @ a.T, normal(20_000, 6), probes=1)
        assert (found < torch.linalg.matrix_norm(a, 2)).double().mean() <= 0.1

    def test_mini_flow_both_ways_within_one_per_cent_of_the_full_svd(self):
        flow = shaken(srflow(AffineTanh, seed=0), 1, 0.05).double().eval()
        y = torch.rand(1, 3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        y = y[..., :2, :2]
        x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        with torch.no_grad():
            latents, log_det = flow.encode(x, y)
        f, z = decoder(flow, latents, y)
        inverse, forward = full_jacobian(f, z), full_jacobian(encoder(flow, y), x)
        assert torch.allclose(inverse @ forward, torch.eye(192, dtype=torch.float64), atol=1e-6)
        for g, point, matrix in ((f, z, inverse), (encoder(flow, y), x, forward)):
            truth = torch.linalg.matrix_norm(matrix, 2)
            found = largest_stretch(g, point, products=30).value
            assert 0.99 * truth <= found <= truth * (1 + 1e-10)
        assert volume_bound(log_det, 192) <= torch.linalg.matrix_norm(inverse, 2)
        above = certify_flow(flow, [Interval(v, v) for v in latents], Interval(y, y))
        assert above.value >= torch.linalg.matrix_norm(inverse, 2).item()


class TestNorms:
    @pytest.mark.parametrize("size", [(2, 2), (5, 3), (8, 8), (40, 40)])
    def test_convolution_norm_lies_above_and_near(self, size):
        kernel = normal(3, 2, 3, 3)
        conv = lambda x: nn.functional.conv2d(x, kernel, padding=1)  # noqa: E731
        bound = convolution_norm(kernel, *size)
        attained = largest_stretch(conv, normal(1, 2, *size), products=60).value.item()
        assert attained <= bound <= (1.03 if min(size) >= 40 else 2) * attained

    def test_block_norm_is_attained_by_aligned_parts(self):
        for beta, delta in ((0.3, 2.0), (5.0, 0.01), (0.0, 3.0), (0.0, 0.5)):
            matrix = torch.tensor([[1.0, 0.0], [beta, delta]], dtype=torch.float64)
            assert block_norm(beta, delta) == pytest.approx(torch.linalg.matrix_norm(matrix, 2).item(), rel=1e-12)

    def test_block_norm_bounds_ten_thousand_blocks(self):
        b, d = normal(10_000, 3, 3), torch.exp(normal(10_000, 3, seed=1))
        eye, zero = torch.eye(3, dtype=torch.float64).expand(10_000, 3, 3), torch.zeros(10_000, 3, 3)
        blocks = torch.cat((torch.cat((eye, zero), 2), torch.cat((b, torch.diag_embed(d)), 2)), 1)
        truth, betas = torch.linalg.matrix_norm(blocks, 2), torch.linalg.matrix_norm(b, 2)
        bounds = torch.tensor([block_norm(p, q) for p, q in zip(betas.tolist(), d.amax(1).tolist(), strict=True)])
        assert (truth <= bounds * (1 + 1e-12)).all()

    def test_additive_stretch_is_exact_both_ways(self):
        m = normal(3, 3)
        matrix = torch.eye(6, dtype=torch.float64)
        matrix[3:, :3] = m
        expected = additive_stretch(torch.linalg.matrix_norm(m, 2).item())
        for j in (matrix, torch.linalg.inv(matrix)):
            assert torch.linalg.matrix_norm(j, 2).item() == pytest.approx(expected, rel=1e-12)

    def test_norm_of_nan_is_infinite(self):
        assert matrix_norm(torch.full((2, 2), math.nan)) == math.inf


class TestInterval:
    def test_network_over_a_box_holds_every_sample(self):
        network = shaken(ConvConditioner(3, 4, 8), 0).double().eval()
        centre = normal(1, 3, 5, 5)
        box = network(Interval.around(centre, 0.1))
        samples = centre + 0.1 * (2 * torch.rand(2000, 3, 5, 5, generator=torch.Generator().manual_seed(1)) - 1)
        with torch.no_grad():
            assert box.contains(network(samples))
            seen = network(samples)
            assert (box.hi - box.lo).max() < 50 * (seen.amax(0) - seen.amin(0)).max()

    def test_point_gives_a_point(self):
        network = shaken(DenseConditioner(3, 4, 8), 0).double().eval()
        x = normal(1, 3)
        box = network(Interval(x, x))
        assert box.contains(network(x).detach()) and (box.hi - box.lo).max() < 1e-10

    def test_jacobian_is_bounded_along_the_way(self):
        network = shaken(ConvConditioner(3, 4, 8), 0).double().eval()
        centre = normal(1, 3, 4, 4)
        bound = network(Interval.around(centre, 0.05, seeded=True)).norm_of_jacobian
        points = centre + 0.05 * (2 * torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(1)) - 1)
        attained = largest_stretch(network, points.double()).value.max().item()
        assert attained <= bound <= 30 * attained

    @pytest.mark.parametrize("name", ["exp", "sigmoid", "tanh", "atan", "relu"])
    def test_elementary_functions(self, name):
        lo = 3 * normal(500)
        hi = lo + torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        box = getattr(torch, name)(Interval(lo[None], hi[None]))
        for share in torch.linspace(0, 1, 20, dtype=torch.float64):
            assert box.contains(getattr(torch, name)(lo + share * (hi - lo))[None])

    def test_operation_without_a_rule_is_named(self):
        with pytest.raises(Unsupported, match="cumsum"):
            torch.cumsum(Interval(torch.zeros(1, 2), torch.ones(1, 2)), 1)
        with pytest.raises(Unsupported, match="gelu"):
            nn.GELU()(Interval(torch.zeros(1, 2), torch.ones(1, 2)))

    def test_order_of_ends_is_checked_and_nan_is_everything(self):
        with pytest.raises(ValueError, match="lo <= hi"):
            Interval(torch.ones(1, 2), torch.zeros(1, 2))
        whole = Interval(torch.tensor([[math.nan]]), torch.tensor([[1.0]]))
        assert whole.lo.item() == -math.inf

    def test_unbounded_input_stays_a_bound(self):
        network = shaken(DenseConditioner(2, 3, 4), 0).double().eval()
        box = network(Interval(torch.full((1, 2), -math.inf), torch.full((1, 2), math.inf)))
        assert box.lo.isinf().all() and box.hi.isinf().all()


def a_box(design, n, seed, width=1.0):
    lo = 2 * normal(design.n_params, n, seed=seed)
    return Interval(
        lo, lo + width * torch.rand(lo.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    )


class TestDesigns:
    @pytest.mark.parametrize("design", BOUNDED, ids=lambda d: d.__name__)
    @pytest.mark.parametrize("width", [0.0, 0.2, 2.0])
    def test_slopes_and_sensitivities_hold_for_samples_of_the_box(self, design, width):
        design = design()
        params = a_box(design, 300, 1, width)
        x_lo, x_hi = torch.full((300,), -1.0, dtype=torch.float64), torch.full((300,), 1.5, dtype=torch.float64)
        found = over_box(design, params, Interval(x_lo, x_hi))
        generator = torch.Generator().manual_seed(2)
        for _ in range(30):
            p = params.lo + (params.hi - params.lo) * torch.rand(params.shape, generator=generator, dtype=torch.float64)
            x = x_lo + (x_hi - x_lo) * torch.rand(300, generator=generator, dtype=torch.float64)
            p = p.requires_grad_()
            y, log_slope = design(x, p)
            slope = log_slope.detach().exp()
            assert (found.low * (1 - 1e-9) <= slope).all() and (slope <= found.high * (1 + 1e-9)).all()
            (by_params,) = torch.autograd.grad(y.sum(), p)
            if found.by_params is not None:
                size = by_params.norm(dim=0)
                assert (size <= found.by_params * (1 + 1e-9)).all()
                assert (size / slope <= found.by_params_inverse * (1 + 1e-9)).all()
            held = decoded_box(design, Interval(y.detach(), y.detach()), params)
            assert (held.lo <= x + 1e-9).all() and (x - 1e-9 <= held.hi).all()

    @pytest.mark.parametrize("design", BOUNDED, ids=lambda d: d.__name__)
    def test_upper_over_lower_is_within_one_per_cent_at_a_point(self, design):
        design = design()
        params = a_box(design, 200, 3, 0.0)
        found = over_box(design, params, Interval(torch.zeros(200), torch.zeros(200)))
        low, high = (b.double() for b in design.slope_bounds(params.lo))
        assert (high <= found.high).all() and (found.high <= 1.01 * high).all()
        assert (found.low <= low).all() and (low <= 1.01 * found.low).all()

    def test_corners_of_a_segment_hold_ten_thousand_boxes(self):
        lo = torch.exp(2 * normal(3, 10_000))
        hi = lo * torch.exp(normal(3, 10_000, seed=1).abs())
        s, d0, d1 = (Interval(p, q) for p, q in zip(lo, hi, strict=True))
        low, high = rational_quadratic_range(s, d0, d1)
        from invbench.couplings.rational_quadratic import slope_extremes

        generator = torch.Generator().manual_seed(3)
        for _ in range(10):
            inside = lo * (hi / lo) ** torch.rand(3, 10_000, generator=generator, dtype=torch.float64)
            least, most = slope_extremes(*inside)
            assert (low <= least * (1 + 1e-9)).all() and (most <= high * (1 + 1e-9)).all()

    def test_stranger_falls_back_on_its_declared_range_or_says_so(self):
        class Declared(Additive):
            slope_range = (0.5, 2.0)

        class Silent(Additive):
            slope_range = None

        params, x = Interval(torch.zeros(1, 3), torch.ones(1, 3)), Interval(torch.zeros(3), torch.ones(3))
        found = over_box(Declared(), params, x)
        assert found.tier == "U1" and found.low.tolist() == [0.5] * 3 and found.by_params is None
        with pytest.raises(Unsupported, match="Silent"):
            over_box(Silent(), params, x)
        with pytest.raises(Unsupported, match="Declared"):
            decoded_box(Declared(), x, params)


class TestLayers:
    @pytest.mark.parametrize("design", [Additive, Affine, AffineFloor, AffineTanh, AffineExp, ModifiedRQ], ids=lambda d: d.__name__)  # fmt: skip
    @pytest.mark.parametrize("kept", [0, 2])
    def test_coupling_block_over_a_box(self, design, kept):
        layer = (
            shaken(ConditionalCoupling(design(), 4, kept, 2, partial(ConvConditioner, width=8)), 0, 0.1).double().eval()
        )
        generator = torch.Generator().manual_seed(1)
        centre, cond = normal(1, 4, 3, 3), normal(1, 2, 3, 3, seed=1)
        found = certify_layer(layer, Interval.around(centre, 0.2), Interval.around(cond, 8 / 255))
        n = 64
        x = centre + 0.2 * (2 * torch.rand(n, 4, 3, 3, generator=generator, dtype=torch.float64) - 1)
        c = cond + 8 / 255 * (2 * torch.rand(n, 2, 3, 3, generator=generator, dtype=torch.float64) - 1)
        jacobian = full_jacobian(lambda v: layer(v, c)[0], x)
        assert found.tier == "U2"
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward
        assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.inverse
        # and from the other side: a box of latents
        z = layer(centre, cond)[0].detach()
        found = certify_layer(layer, Interval.around(z, 0.1), Interval.around(cond, 8 / 255), inverse=True)
        z = z + 0.1 * (2 * torch.rand(n, 4, 3, 3, generator=generator, dtype=torch.float64) - 1)
        jacobian = full_jacobian(lambda v: layer.inverse(v, c)[0], z)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.inverse

    def test_parameters_over_a_box_hold_a_hundred_thousand_samples(self):
        layer = (
            shaken(ConditionalCoupling(ModifiedRQ(), 4, 2, 2, partial(ConvConditioner, width=8)), 0, 0.1)
            .double()
            .eval()
        )
        kept, cond = normal(1, 2, 3, 3), normal(1, 2, 3, 3, seed=1)
        radius = 8 / 255
        box, _ = parameters_over(layer, Interval.around(kept, radius), Interval.around(cond, radius), (3, 3))
        generator = torch.Generator().manual_seed(2)
        noise = radius * (2 * torch.rand(100_000, 4, 3, 3, generator=generator, dtype=torch.float64) - 1)
        with torch.no_grad():
            raw = layer.network(torch.cat((kept, cond), 1) + noise)
        params = raw.view(100_000, 4, 2, 3, 3).movedim(1, 0)
        assert ((box.lo <= params) & (params <= box.hi)).all()

    def test_linear_layers_are_exact(self):
        norm = shaken(ActNorm(3), 0).double()
        found = certify_layer(norm)
        assert found.forward == pytest.approx(norm.logs.max().exp().item(), rel=1e-6)
        assert found.inverse == pytest.approx(1 / norm.logs.min().exp().item(), rel=1e-6)
        conv = shaken(Conv1x1(4), 0).double()
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
        mixing = shaken(OrthogonalAdditive(6, 0, partial(DenseConditioner, width=16, hidden=1)), 0, 0.2).double()
        found, jacobian = certify_layer(mixing), full_jacobian(lambda v: mixing(v)[0], x)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.forward

    def test_additive_with_a_linear_shift_is_exact(self):
        layer = ConditionalCoupling(Additive(), 6, 3, 0, lambda i, o: nn.Linear(i, o)).double()
        found = certify_layer(layer, Interval.around(normal(1, 6), 1.0))
        expected = additive_stretch(torch.linalg.matrix_norm(layer.network.weight, 2).item())
        assert found.forward == pytest.approx(expected, rel=1e-6)
        assert found.inverse == pytest.approx(expected, rel=1e-6)

    def test_layer_that_cannot_be_bounded_is_named(self):
        unknown = certify_layer(nn.Tanh())
        assert math.isnan(unknown.forward) and "Tanh" in unknown.reason
        gelu = ConditionalCoupling(Affine(), 4, 2, 0, lambda i, o: nn.Sequential(nn.Linear(i, o), nn.GELU()))
        found = certify_layer(gelu, Interval.around(normal(1, 4), 0.1))
        assert math.isnan(found.inverse) and "gelu" in found.reason
        spline = ConditionalCoupling(RQ(), 4, 2, 0, lambda i, o: nn.Linear(i, o))
        assert "RQ" in certify_layer(spline, Interval.around(normal(1, 4), 0.1)).reason
        assert "box" in certify_layer(spline).reason

    def test_architecture_alone_bounds_an_injector(self):
        injector = ConditionalCoupling(AffineFloor(), 4, 0, 2, partial(DenseConditioner, width=4))
        found = certify_layer(injector)
        assert (found.tier, found.forward) == ("U1", 1.1) and found.inverse == pytest.approx(10)


class TestDepth:
    def test_aligned_product_is_tight_and_a_rotated_one_is_slack(self):
        from invbench.flows import ConditionalFlow

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
        flow = shaken(srflow(Affine, seed=0), 1, 0.3).double()
        y = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        latents = [Interval.around(v, 1.0) for v in flow.sample_latents(1, y, 1.0, torch.Generator().manual_seed(0))]
        assert certify_flow(flow, latents, Interval.around(y, 8 / 255)).vacuous
        flow.encoder.append(nn.GELU())
        found = certify_flow(flow, latents, Interval.around(y, 8 / 255))
        assert found.vacuous and "gelu" in found.layers[-1].reason

    def test_split_is_bounded_like_a_block(self):
        from invbench.measures.lipschitz.certified import _split

        split = shaken(Split(4, partial(ConvConditioner, width=8)), 0, 0.1).double().eval()
        z1, eps = normal(1, 2, 3, 3), normal(1, 2, 3, 3, seed=1)
        found, box = _split("split", split, Interval.around(z1, 0.1), Interval.around(eps, 0.1))

        def inverse(v):
            return split.inverse(v[:, :2], v[:, 2:])[0]

        generator = torch.Generator().manual_seed(2)
        v = torch.cat((z1, eps), 1) + 0.1 * (2 * torch.rand(40, 4, 3, 3, generator=generator, dtype=torch.float64) - 1)
        jacobian = full_jacobian(inverse, v)
        assert torch.linalg.matrix_norm(jacobian, 2).max() <= found.inverse
        assert (1 / torch.linalg.svdvals(jacobian)[:, -1]).max() <= found.forward
        assert box.contains(inverse(v).detach())
