"""Lower bounds never exceed the truth: against closed forms and full decompositions in float64."""

import math

import pytest
import torch

from invbench.bounds.lipschitz import (
    Interval,
    LinearMap,
    Witness,
    certify_flow,
    decoder,
    difference_quotient,
    encoder,
    full_jacobian,
    gaussian_estimate,
    golub_kahan,
    largest_jacobian_norm,
    steepest_pair,
    volume_bound,
)
from invbench.bounds.lipschitz.operator_norm import matrix_norm
from invbench.couplings import AffineTanh
from invbench.flows.example_layers import randomized
from invbench_models.srflow.model import srflow
from tests.support.draws import normal


def exactly(f, x):
    """σmax per row by the full Jacobian."""
    return torch.linalg.matrix_norm(full_jacobian(f, x), 2)


class TestLower:
    def test_of_an_orthogonal_map_is_one(self):
        q = torch.linalg.qr(normal(8, 8))[0]
        assert (
            largest_jacobian_norm(lambda x: x @ q.T, normal(5, 8)).value.sub(1).abs().max() < 1e-12
        )

    def test_of_a_diagonal_map_is_its_largest_entry(self):
        d = torch.tensor([0.1, 3.0, -7.0, 2.0], dtype=torch.float64)
        assert largest_jacobian_norm(lambda x: x * d, normal(3, 4)).value.sub(7).abs().max() < 1e-9

    def test_never_exceeds_the_truth_and_comes_within_one_per_cent(self):
        x = normal(64, 24)
        a, b = normal(24, 24, seed=1), normal(24, 24, seed=2)

        def f(v):
            return torch.tanh(v @ a) @ b + 3 * v

        found, truth = largest_jacobian_norm(f, x, products=30).value, exactly(f, x)
        assert (found <= truth * (1 + 1e-12)).all()
        assert (found >= 0.99 * truth).all()

    def test_ten_thousand_small_jacobians(self):
        matrices = normal(10_000, 4, 4) * torch.exp(2 * normal(10_000, 1, 4, seed=3))
        f = lambda x: (matrices @ x[..., None])[..., 0]  # noqa: E731
        found, truth = (
            largest_jacobian_norm(f, normal(10_000, 4)).value,
            torch.linalg.matrix_norm(matrices, 2),
        )
        assert (found <= truth * (1 + 1e-12)).all()
        assert (found >= truth * (1 - 1e-6)).all()

    def test_row_does_not_depend_on_its_batch(self):
        a = normal(6, 6)
        f = lambda v: torch.sin(v @ a)  # noqa: E731
        x = normal(4, 6)
        assert torch.allclose(
            largest_jacobian_norm(f, x).value[2:3],
            largest_jacobian_norm(f, x[2:3]).value,
            rtol=1e-12,
        )

    def test_float32_result_is_confirmed_by_a_float64_twin(self):
        a = normal(12, 12)
        witness = largest_jacobian_norm(lambda v: torch.tanh(v @ a.to(v)), normal(3, 12).float())
        assert torch.allclose(
            witness.confirmed(lambda v: torch.tanh(v @ a.to(v))), witness.value, rtol=1e-5
        )

    def test_worst_row_keeps_its_own_condition(self):
        scale = torch.tensor([[1.0], [5.0], [2.0]], dtype=torch.float64)
        worst = largest_jacobian_norm(lambda v: v * scale, normal(3, 4), cond=scale).worst()
        assert worst.cond.item() == 5 and worst.value.item() == pytest.approx(5)

    def test_row_that_is_not_finite_has_no_bound(self):
        x = normal(3, 4)
        x[1, 0] = math.inf
        found = largest_jacobian_norm(lambda v: v * 2, x).value
        assert found[1].isnan() and found[[0, 2]].sub(2).abs().max() < 1e-12

    def test_constant_map_stretches_nothing(self):
        assert largest_jacobian_norm(torch.zeros_like, normal(2, 3)).value.tolist() == [0, 0]

    def test_too_few_products_are_refused(self):
        with pytest.raises(ValueError, match="too few"):
            largest_jacobian_norm(lambda v: v, normal(1, 2), products=2)

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

    def test_gaussian_estimate_lies_above_in_all_but_a_tenth_with_one_probe(self):
        a = normal(6, 6)
        found = gaussian_estimate(lambda v: v @ a.T, normal(20_000, 6), probes=1)
        assert (found < torch.linalg.matrix_norm(a, 2)).double().mean() <= 0.1

    def test_mini_flow_both_ways_within_one_per_cent_of_the_full_svd(self):
        flow = randomized(srflow(AffineTanh, seed=0), 1, 0.05).double().eval()
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
            found = largest_jacobian_norm(g, point, products=30).value
            assert 0.99 * truth <= found <= truth * (1 + 1e-10)
        assert volume_bound(log_det, 192) <= torch.linalg.matrix_norm(inverse, 2)
        above = certify_flow(flow, [Interval(v, v) for v in latents], Interval(y, y))
        assert above.value >= torch.linalg.matrix_norm(inverse, 2).item()

    def test_witness_can_be_replayed_by_hand(self):
        a, x = normal(7, 7), normal(4, 7, seed=1)
        found = largest_jacobian_norm(lambda v: torch.tanh(v @ a), x).worst()
        jacobian = full_jacobian(lambda v: torch.tanh(v @ a), found.point)[0]
        attained = (jacobian @ found.direction[0]).norm() / found.direction[0].norm()
        assert attained.item() == pytest.approx(found.value.item(), rel=1e-12)

    def test_zero_direction_and_a_point_where_f_is_not_finite_confirm_nothing(self):
        x, zero = normal(2, 3), torch.zeros(2, 3, dtype=torch.float64)
        assert Witness(torch.ones(2), x, zero).confirmed(lambda v: v * 2).isnan().all()
        assert largest_jacobian_norm(lambda v: v / 0, x).worst().value.isnan().all()
        assert largest_jacobian_norm(lambda v: v * 2, x * math.nan).value.isnan().all()

    def test_restarts_share_the_products_and_find_the_same(self):
        a, x = normal(40, 40), normal(3, 40, seed=1)
        calls = []

        def f(v):
            return torch.sin(v @ a)

        class Counted(LinearMap):
            def times(self, v):
                calls.append(1)
                return super().times(v)

            def transposed(self, u):
                calls.append(1)
                return super().transposed(u)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(golub_kahan, "LinearMap", Counted)
            found = largest_jacobian_norm(f, x, products=60, restarts=3).value
        truth = exactly(f, x)
        assert (
            len(calls) <= 60
            and (found >= 0.99 * truth).all()
            and (found <= truth * (1 + 1e-12)).all()
        )
        with pytest.raises(ValueError, match="3 runs"):
            largest_jacobian_norm(f, x, products=8, restarts=3)

    def test_pairs_reach_the_jacobian_in_few_dimensions_and_never_exceed_the_norm(self):
        d = torch.tensor([3.0, 1.0], dtype=torch.float64)
        x = normal(500, 2)
        found, partner = steepest_pair(lambda v: v * d, x)
        assert (found <= 3 + 1e-9).all() and found.max() > 2.99 and found.median() > 2.5
        again = difference_quotient(lambda v: v * d, x, partner)
        assert torch.equal(again, found)
        assert steepest_pair(lambda v: v / 0, x)[0].isnan().all()

    @pytest.mark.parametrize("probes", [1, 2])
    def test_estimate_fails_no_more_often_than_it_states_where_that_is_hardest(self, probes):
        """Rank one: ‖Jω‖ = σ|ω₁|, so the estimate lies below σ where all |ω₁| < sqrt(π/2)/10:
        0.0997^probes."""
        u, v = normal(5), normal(5, seed=1)
        a = torch.outer(u, v)
        rows = 20_000
        found = gaussian_estimate(lambda x: x @ a.T, normal(rows, 5), probes)
        failed = (found < torch.linalg.matrix_norm(a, 2)).double().mean().item()
        expected = math.erf(math.sqrt(math.pi / 2) / 10 / math.sqrt(2)) ** probes
        assert expected <= 10.0**-probes
        assert abs(failed - expected) < 5 * math.sqrt(expected / rows)
