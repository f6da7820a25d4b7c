"""References know their own error: whatever they are off by, the bound that they state covers
it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.laws.judging.jacobian import jacobian
from invbench.laws.judging.parts import by_parts
from invbench.laws.judging.reference import (
    LogDetReference,
    by_autograd,
    by_differences,
    slope_by_autograd,
    slope_by_differences,
)
from invbench.laws.subject import Subject

WAYS = (by_autograd, by_differences)


def rows(dim: int, count: int = 6, scale: float = 1.0, seed: int = 0) -> Tensor:
    drawn = torch.randn(
        count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    return scale * drawn


def covers(found: LogDetReference, right: Tensor) -> bool:
    """Whether each error is within the bound of it; where the bound is above 1, nothing is
    decided."""
    off = (found.value - right).abs().nan_to_num(nan=math.inf)
    return bool(((off <= found.error) | (found.error > 1)).all())


def shears(k: float):
    """a += k·b, then b += k·a: log|det| is 0, whatever k."""

    def both(x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        a = a + k * b
        return torch.cat((a, b + k * a), 1)

    return both


MAPS = {
    "scale": (
        lambda x: x * x.new_tensor([2.0, -0.5, 3.0]),
        lambda x: x.new_full((len(x),), math.log(3)),
    ),
    "sinh": (torch.sinh, lambda x: x.cosh().log().sum(1)),
    "sigmoid": (torch.sigmoid, lambda x: (-x.abs() - 2 * (-x.abs()).exp().log1p()).sum(1)),
    "tanh": (
        torch.tanh,
        lambda x: (2 * (math.log(2) - x.abs() - (-2 * x.abs()).exp().log1p())).sum(1),
    ),
    "cube": (lambda x: x**3 + x, lambda x: (3 * x**2 + 1).log().sum(1)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAPS)
def test_closed_forms(name: str, way) -> None:
    function, log_det = MAPS[name]
    x = rows(3)
    found = way(function, x)
    assert covers(found, log_det(x))
    assert (found.error < 1e-4).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("k", [1.0, 257.0, 2.0**20])
def test_two_shears(k: float, way) -> None:
    x = rows(4)
    found = way(shears(k), x)
    assert covers(found, torch.zeros(6, dtype=torch.float64))
    assert k > 1e3 or (by_autograd(shears(k), x).error < 1).all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "at"),
    [("sigmoid", 25.0), ("sigmoid", -25.0), ("sigmoid", 36.0), ("tanh", 18.0), ("tanh", -18.0)],
)
def test_tails(name: str, at: float, way) -> None:
    function, log_det = MAPS[name]
    x = at + 0.3 * rows(2)
    assert covers(way(function, x), log_det(x))


@pytest.mark.parametrize("way", WAYS)
def test_a_matrix_near_to_singular(way) -> None:
    for power in (-4, -10, -20, -40):
        small = 2.0**power
        matrix = torch.tensor([[1.0, 1.0], [1.0, 1.0 + small]], dtype=torch.float64)
        right = torch.full((6,), power * math.log(2), dtype=torch.float64)
        assert covers(way(lambda x, m=matrix: x @ m.T, rows(2)), right)


@pytest.mark.parametrize("small", [0.1, 1e-4, 1e-8, 1e-12, 2.0**-50])
def test_a_large_matrix_near_to_singular(small: float) -> None:
    # more elements than singular values are taken of; the direction that shrinks is at right angles
    # to (1, 1, …)
    matrix = torch.eye(200, dtype=torch.float64)
    matrix[:2, :2] = torch.tensor([[1 + small, 1.0], [1.0, 1 + small]], dtype=torch.float64)
    exact = float(matrix[0, 0]) - 1  # what 1 + small is rounded to
    right = torch.full((3,), math.log(exact * (2 + exact)), dtype=torch.float64)
    found = by_autograd(lambda x: x @ matrix, rows(200, 3), neighbours=0)
    assert covers(found, right)
    assert small < 1e-4 or (found.error < 1e-6).all()


@pytest.mark.parametrize("way", WAYS)
def test_a_singular_map_decides_nothing(way) -> None:
    found = way(lambda x: x.sum(1, keepdim=True).expand_as(x), rows(3))
    assert (found.error == math.inf).all() or (found.error > 1).all()


@pytest.mark.parametrize("way", WAYS)
def test_other_shapes_than_square_decide_nothing(way) -> None:
    assert (way(lambda x: x[:, :2], rows(3)).error == math.inf).all()


def test_what_cancels_inside_shows_in_the_error() -> None:
    def cancels(x: Tensor) -> Tensor:
        return (x + 1e9) ** 2 / 1e9 - 1e9 - 2 * x + x.exp()

    x = rows(2)
    assert covers(by_autograd(cancels, x), (2 * x / 1e9 + x.exp()).log().sum(1))


def test_numbers_that_no_float_holds_decide_nothing() -> None:
    found = by_autograd(lambda x: x * 1e-310, rows(3))
    assert (found.error == math.inf).all()
    found = by_autograd(lambda x: (x * 1e3).exp(), rows(3, scale=10.0))
    assert (found.error[found.value.abs() > 600] == math.inf).all()


@pytest.mark.parametrize("way", WAYS)
def test_signs_of_determinants(way) -> None:
    found = way(lambda x: torch.stack((x[:, 1], x[:, 0] * 3), 1), rows(2))
    assert found.sign is not None and (found.sign == -1).all()


def test_a_wrong_gradient_does_not_reach_the_differences() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, gradient):
            return 5 * gradient

    x = rows(2)
    right = torch.full((6,), 2 * math.log(2), dtype=torch.float64)
    assert covers(by_differences(Wrong.apply, x), right)
    assert not covers(by_autograd(Wrong.apply, x), right)


def test_jacobian_of_a_detached_output_is_zero() -> None:
    found = jacobian(lambda x: torch.cat((x[:, :1], x[:, 1:].detach()), 1), rows(2))
    assert torch.equal(found, torch.diag(torch.tensor([1.0, 0.0])).double().expand(6, 2, 2))


# slopes of couplings


class Squash(Elementwise):
    n_params = 1

    def forward(self, x, params):
        y = torch.tanh(x) if self.shape == "tanh" else torch.sigmoid(x)
        return params[0] * 0 + y, torch.zeros_like(x)

    def inverse(self, y, params):
        return y, torch.zeros_like(y)

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.shape = shape


@pytest.mark.parametrize("way", [slope_by_autograd, slope_by_differences])
@pytest.mark.parametrize(
    ("shape", "at"), [("tanh", 18.0), ("tanh", 0.0), ("sigmoid", 25.0), ("sigmoid", 36.5)]
)
def test_slopes(shape: str, at: float, way) -> None:
    reference = Subject(shape, "coupling", Squash(shape), (6,), (1, 6), torch.float64)
    x = at + 0.3 * rows(6)
    found = way(reference, x, torch.zeros(6, 1, 6, dtype=torch.float64))
    k = 2 if shape == "tanh" else 1  # tanh(x) = 2 sigmoid(2x) - 1
    right = 2 * math.log(k) - k * x.abs() - 2 * (-k * x.abs()).exp().log1p()
    assert found.value.shape == x.shape and covers(found, right)
    assert at or (found.error < 1e-4).all()


# by parts


class Affine(nn.Module):
    """The second half by the first; ``off`` is added to its log-det."""

    def __init__(self, seed: int, dim: int = 4, off: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = nn.Sequential(nn.Linear(dim // 2, 8), nn.Tanh(), nn.Linear(8, dim))
        self.off = off

    def forward(self, x, cond=None):
        a, b = x.chunk(2, 1)
        s, t = self.net(a).chunk(2, 1)
        return torch.cat((b * s.exp() + t, a), 1), s.sum(1) + self.off


class Chain(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, cond=None):
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total


def float64_subject_of(module: nn.Module, dim: int = 4) -> Subject:
    return Subject("chain", "layer", module.double(), (dim,), None, torch.float64)


@pytest.mark.parametrize("depth", [2, 8, 32])
def test_a_chain_by_parts(depth: int) -> None:
    reference = float64_subject_of(Chain(*(Affine(seed) for seed in range(depth))))
    x = rows(4)
    found = by_parts(reference, x, None)
    assert found is not None and found[1] == ""
    assert covers(found[0], reference.forward(x, None)[1].detach())
    assert (found[0].error < 1e-8).all()


def test_a_part_that_is_wrong_is_named() -> None:
    reference = float64_subject_of(
        Chain(*(Affine(seed, off=0.01 * (seed == 17)) for seed in range(32)))
    )
    x = rows(4)
    found = by_parts(reference, x, None)
    assert found is not None and found[1] == "layers.17"
    off = reference.forward(x, None)[1].detach() - found[0].value
    assert torch.allclose(off, torch.full_like(off, 0.01), atol=1e-8)


def test_conditioning_does_not_multiply_up_by_parts() -> None:
    class Stretch(nn.Module):
        def forward(self, x, cond=None):
            return x * x.new_tensor([4.0, 0.25]), x.new_zeros(len(x))

    reference = float64_subject_of(Chain(*(Stretch() for _ in range(16))), 2)
    x = rows(2) * torch.tensor([4.0**-16, 1.0])
    whole, found = (
        by_autograd(lambda v: reference.forward(v, None)[0], x),
        by_parts(reference, x, None),
    )
    assert (whole.error > 1).all()  # its condition number is 4^32
    assert found is not None and covers(found[0], torch.zeros(6, dtype=torch.float64))
    assert (found[0].error < 1e-9).all()


def test_what_is_no_chain_has_no_parts() -> None:
    assert by_parts(float64_subject_of(Affine(0)), rows(4), None) is None

    class Residual(Chain):
        def forward(self, x, cond=None):
            z, log_det = super().forward(x)
            return z + x, log_det

    assert by_parts(float64_subject_of(Residual(Affine(0), Affine(1))), rows(4), None) is None
    assert by_parts(float64_subject_of(Chain(Affine(0))), rows(4), None) is None


def test_hooks_are_gone_afterwards() -> None:
    reference = float64_subject_of(Chain(Affine(0), Affine(1)))
    by_parts(reference, rows(4), None)
    assert not any(m._forward_hooks for m in reference.module.modules())
