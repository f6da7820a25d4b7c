"""Layers that a flow may have in place of its own: orthogonal and frozen 1×1 convolutions, splits
that are bounded or by a design."""

from __future__ import annotations

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from invbench.bounds.claims import refuse_false_reach
from invbench.couplings import CubicRationalBounded, RQBounded
from invbench.errors import UsageError
from invbench.flows import (
    BoundedSplit,
    Conv1x1,
    ConvConditioner,
    DesignSplit,
    FrozenConv1x1,
    OrthogonalConv1x1,
    Split,
)
from invbench.flows.example_layers import Rejoined, randomized
from invbench.laws import check
from tests.support.before_options import SplitBefore
from tests.support.faults import target_of
from tests.support.faults.layers import Planted

CONDITIONER = partial(ConvConditioner, width=4)


def orthogonal(channels: int = 12, far: float = 1.0) -> OrthogonalConv1x1:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return randomized(OrthogonalConv1x1(channels), 1, far)


def jacobian_log_det(function, x):
    jacobian = torch.autograd.functional.jacobian(function, x).reshape(x.numel(), -1)
    return torch.linalg.slogdet(jacobian)[1]


class TestOrthogonal:
    @pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float32])
    @pytest.mark.parametrize("far", [0.0, 0.1, 3.0])
    def test_the_matrix_is_orthogonal_to_float64_in_whatever_dtype_it_was_stored(self, far, stored):
        matrix = orthogonal(24, far).to(stored).matrix()
        assert matrix.dtype == torch.float64
        identity = torch.eye(24, dtype=torch.float64)
        assert (matrix @ matrix.T - identity).abs().max() < 1e-13

    def test_the_inverse_is_the_transpose_and_the_log_det_0(self, uniform):
        layer, x = orthogonal().double(), uniform(-3, 3, 2, 12, 4, 4)
        z, log_det = layer(x)
        back, log_back = layer.inverse(z)
        torch.testing.assert_close(back, x, rtol=0, atol=1e-13)
        assert log_det.tolist() == log_back.tolist() == [0, 0]
        torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1))
        exact = jacobian_log_det(lambda v: layer(v)[0], x[:1, :, :1, :1])
        assert exact.abs() < 1e-12

    def test_a_float32_round_trip_loses_no_more_than_its_rounding(self, uniform):
        layer, x = orthogonal(24), uniform(-3, 3, 4, 24, 4, 4, dtype=torch.float32)
        error = (layer.inverse(layer(x)[0])[0] - x).abs().max()
        assert error < 24 * torch.finfo(torch.float32).eps * 3 * math.sqrt(24)

    def test_it_starts_where_a_free_one_does_and_trains(self, uniform):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            free = Conv1x1(6)
            torch.manual_seed(3)
            layer = OrthogonalConv1x1(6)
        torch.testing.assert_close(layer.matrix().float(), free.weight.detach())
        x = uniform(-1, 1, 8, 6, dtype=torch.float32)
        (layer(x)[0] * torch.arange(6)).pow(2).sum().backward()
        assert layer.skew.grad.abs().max() > 0
        with torch.no_grad():
            layer.skew -= 0.1 * layer.skew.grad
        assert (layer.matrix() @ layer.matrix().T - torch.eye(6)).abs().max() < 1e-13

    def test_one_that_is_not_orthogonal_is_found_by_the_laws(self):
        class NotQuite(OrthogonalConv1x1):
            def matrix(self):
                return super().matrix() * 1.001

        class Raw(OrthogonalConv1x1):
            """Q₀ + A in place of Q₀·exp(A − Aᵀ)."""

            def matrix(self):
                return (self.start + self.skew).double()

        for kind in (NotQuite, Raw):
            planted = Planted(lambda seed, kind=kind: randomized(kind(4), seed, 0.1), (4, 2, 2))
            found = check(target_of(planted, kind.__name__), budget="smoke")
            assert "round-trip-x" in {f.property for f in found.failures if f.kind == "defect"}
            assert not found.sound


class TestFrozen:
    def test_it_is_a_free_one_that_takes_no_step(self, uniform):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            free = Conv1x1(6)
            torch.manual_seed(0)
            frozen = FrozenConv1x1(6)
        x = uniform(-1, 1, 2, 6, 2, 2, dtype=torch.float32)
        for direction in ("forward", "inverse"):
            for a, b in zip(
                getattr(free, direction)(x), getattr(frozen, direction)(x), strict=True
            ):
                torch.testing.assert_close(a, b)
        assert list(free.state_dict()) == list(frozen.state_dict())
        assert not any(p.requires_grad for p in frozen.parameters())


SPLITS = {
    "affine": lambda: Split(6, CONDITIONER),
    "bounded": lambda: BoundedSplit(6, CONDITIONER),
    "cubic": lambda: DesignSplit(6, CONDITIONER, CubicRationalBounded(shift=1.5)),
    "rq": lambda: DesignSplit(6, CONDITIONER, RQBounded(bins=4, shift=1.5)),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_is_inverted_and_its_log_det_is_that_of_the_jacobian(name, uniform):
    split = randomized(SPLITS[name](), 0, 0.3).double()
    z = uniform(-2, 2, 3, 6, 2, 2)
    z1, eps, log_det = split(z)
    back, log_back = split.inverse(z1, eps)
    torch.testing.assert_close(back, z, rtol=0, atol=1e-10)
    torch.testing.assert_close(log_back, -log_det)
    for row in range(3):
        exact = jacobian_log_det(lambda v: Rejoined(split)(v)[0], z[row : row + 1])
        torch.testing.assert_close(log_det[row], exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_affine_split_is_what_it_was_to_the_bit(dtype, uniform):
    split = randomized(Split(6, CONDITIONER), 0, 0.3).to(dtype)
    before = copy.deepcopy(split)
    before.__class__ = SplitBefore
    z = uniform(-2, 2, 3, 6, 2, 2, dtype=dtype)
    for own, other in zip(split(z), before(z), strict=True):
        assert torch.equal(own, other)
    for module in (split, before):
        x, log_det = module.inverse(z[:, :3], z[:, 3:])
        (x.pow(2).sum() + log_det.sum()).backward()
    for own, other in zip(
        split.inverse(z[:, :3], z[:, 3:]), before.inverse(z[:, :3], z[:, 3:]), strict=True
    ):
        assert torch.equal(own, other)
    for own, other in zip(split.network.parameters(), before.network.parameters(), strict=True):
        assert torch.equal(own.grad, other.grad)


def said(split: Split, raw: torch.Tensor) -> Split:
    """The split with a conditioner that says ``raw``."""
    split.network = Said(raw)
    return split


class Said(nn.Module):
    def __init__(self, raw: torch.Tensor) -> None:
        super().__init__()
        self.raw = raw

    def forward(self, z1):
        return self.raw


class TestBoundedSplit:
    def test_moments_are_those_of_the_formula(self):
        raw = torch.tensor([[-50.0, 0.3, 1e4, -30.0, 0.0, 40.0]], dtype=torch.float64)
        mean, logs = BoundedSplit(6, CONDITIONER).moments(raw)
        for found, m in zip(mean[0], raw[0, :3], strict=True):
            assert found.item() == pytest.approx(3 * math.tanh(m.item() / 3))
        for found, v in zip(logs[0], raw[0, 3:], strict=True):
            assert found.item() == pytest.approx(0.5 - math.log1p(math.exp(0.5 - v.item())))

    def test_no_output_of_a_conditioner_exceeds_the_reach(self):
        infinite = torch.tensor([math.inf, -math.inf, 0, 1e30, -1e30, 60]).repeat(2, 1)
        for raw in (infinite, infinite.flip(1), torch.zeros(2, 6)):
            split = said(BoundedSplit(6, CONDITIONER), raw.view(2, 6, 1, 1))
            eps = torch.full((2, 3, 1, 1), 4.0)
            x = split.inverse(torch.zeros(2, 3, 1, 1), eps)[0]
            assert x.abs().max().item() <= split.reach(4.0) * (1 + 1e-6)
        top = torch.full((1, 6, 1, 1), 1e4)
        x = said(BoundedSplit(6, CONDITIONER), top).inverse(torch.zeros(1, 3, 1, 1), eps[:1])[0]
        assert x.max().item() == pytest.approx(split.reach(4.0))

    def test_a_reach_that_is_exceeded_is_refused(self):
        class Boasts(BoundedSplit):
            def reach(self, radius):
                return 0.9 * super().reach(radius)

        refuse_false_reach(BoundedSplit(6, CONDITIONER))
        with pytest.raises(UsageError, match=r"Boasts declares reach\(4\)"):
            refuse_false_reach(Boasts(6, CONDITIONER))
