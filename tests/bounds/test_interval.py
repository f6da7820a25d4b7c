"""Norms and intervals lie around what they bound."""

import math

import pytest
import torch
from torch import nn

from invbench.bounds.lipschitz import (
    Interval,
    Unsupported,
    additive_jacobian_norm,
    block_norm,
    largest_jacobian_norm,
)
from invbench.bounds.lipschitz.operator_norm import convolution_norm, matrix_norm
from invbench.flows import ConvConditioner, DenseConditioner
from invbench.flows.example_layers import randomized
from tests.support.draws import normal


@pytest.fixture(autouse=True)
def same_weights():
    """Layers draw their first weights from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class TestNorms:
    @pytest.mark.parametrize("size", [(2, 2), (5, 3), (8, 8), (40, 40)])
    def test_convolution_norm_lies_above_and_near(self, size):
        kernel = normal(3, 2, 3, 3)
        conv = lambda x: nn.functional.conv2d(x, kernel, padding=1)  # noqa: E731
        bound = convolution_norm(kernel, *size)
        attained = largest_jacobian_norm(conv, normal(1, 2, *size), products=60).value.item()
        assert attained <= bound <= (1.03 if min(size) >= 40 else 2) * attained

    def test_block_norm_is_attained_by_aligned_parts(self):
        for beta, delta in ((0.3, 2.0), (5.0, 0.01), (0.0, 3.0), (0.0, 0.5)):
            matrix = torch.tensor([[1.0, 0.0], [beta, delta]], dtype=torch.float64)
            assert block_norm(beta, delta) == pytest.approx(
                torch.linalg.matrix_norm(matrix, 2).item(), rel=1e-12
            )

    def test_block_norm_bounds_ten_thousand_blocks(self):
        b, d = normal(10_000, 3, 3), torch.exp(normal(10_000, 3, seed=1))
        eye, zero = (
            torch.eye(3, dtype=torch.float64).expand(10_000, 3, 3),
            torch.zeros(10_000, 3, 3),
        )
        blocks = torch.cat((torch.cat((eye, zero), 2), torch.cat((b, torch.diag_embed(d)), 2)), 1)
        truth, betas = torch.linalg.matrix_norm(blocks, 2), torch.linalg.matrix_norm(b, 2)
        bounds = torch.tensor(
            [block_norm(p, q) for p, q in zip(betas.tolist(), d.amax(1).tolist(), strict=True)]
        )
        assert (truth <= bounds * (1 + 1e-12)).all()

    def test_additive_stretch_is_exact_both_ways(self):
        m = normal(3, 3)
        matrix = torch.eye(6, dtype=torch.float64)
        matrix[3:, :3] = m
        expected = additive_jacobian_norm(torch.linalg.matrix_norm(m, 2).item())
        for j in (matrix, torch.linalg.inv(matrix)):
            assert torch.linalg.matrix_norm(j, 2).item() == pytest.approx(expected, rel=1e-12)

    def test_norm_of_nan_is_infinite(self):
        assert matrix_norm(torch.full((2, 2), math.nan)) == math.inf


class TestInterval:
    def test_network_over_a_box_holds_every_sample(self):
        network = randomized(ConvConditioner(3, 4, 8), 0).double().eval()
        centre = normal(1, 3, 5, 5)
        box = network(Interval.around(centre, 0.1))
        samples = centre + 0.1 * (
            2 * torch.rand(2000, 3, 5, 5, generator=torch.Generator().manual_seed(1)) - 1
        )
        with torch.no_grad():
            assert box.contains(network(samples))
            seen = network(samples)
            assert (box.hi - box.lo).max() < 50 * (seen.amax(0) - seen.amin(0)).max()

    def test_point_gives_a_point(self):
        network = randomized(DenseConditioner(3, 4, 8), 0).double().eval()
        x = normal(1, 3)
        box = network(Interval(x, x))
        assert box.contains(network(x).detach()) and (box.hi - box.lo).max() < 1e-10

    def test_jacobian_is_bounded_along_the_way(self):
        network = randomized(ConvConditioner(3, 4, 8), 0).double().eval()
        centre = normal(1, 3, 4, 4)
        bound = network(Interval.around(centre, 0.05, seeded=True)).norm_of_jacobian
        points = centre + 0.05 * (
            2 * torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(1)) - 1
        )
        attained = largest_jacobian_norm(network, points.double()).value.max().item()
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
        network = randomized(DenseConditioner(2, 3, 4), 0).double().eval()
        box = network(Interval(torch.full((1, 2), -math.inf), torch.full((1, 2), math.inf)))
        assert box.lo.isinf().all() and box.hi.isinf().all()
