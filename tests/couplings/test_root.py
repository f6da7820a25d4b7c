"""The safeguarded root and its implicit gradient."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.couplings.root import monotone_root, through_root


def cubic(x):
    return x + x**3, 1 + 3 * x * x


def step(x):
    """Steep at 1, flat elsewhere."""
    return torch.tanh(50 * (x - 1)) + 1e-3 * x, 50 / torch.cosh(50 * (x - 1)).clamp(
        max=1e18
    ) ** 2 + 1e-3


@pytest.mark.parametrize("function", [cubic, step])
def test_root_in_a_huge_bracket_has_a_backward_error_of_a_few_units(function, dtype):
    x = torch.cat((torch.linspace(-3, 3, 61), 10.0 ** torch.arange(-8, 4.0))).to(dtype)
    y, _ = function(x)
    end = torch.full_like(x, 1e30)
    found = monotone_root(function, y, -end, end)
    value, slope = function(found.double())
    allowed = (
        16 * torch.finfo(dtype).eps * (y.double().abs() + slope * found.double().abs() + 1e-20)
    )
    if function is step:
        allowed = allowed + 4 * torch.finfo(dtype).eps  # tanh(50(x − 1)) rounds 1 and x
    assert ((value - y.double()).abs() <= allowed).all()


def test_root_at_either_end_and_at_zero_is_found(dtype):
    y = torch.tensor([0.0, 10.0, -10.0], dtype=dtype)
    low, high = (
        torch.tensor([0.0, 0.0, -2.0], dtype=dtype),
        torch.tensor([5.0, 2.0, 0.0], dtype=dtype),
    )
    torch.testing.assert_close(
        monotone_root(cubic, y, low, high), torch.tensor([0.0, 2.0, -2.0], dtype=dtype)
    )


def test_non_finite_targets_come_back_and_disturb_nobody(dtype):
    y = torch.tensor([math.nan, 2.0, math.inf], dtype=dtype)
    found = monotone_root(cubic, y, torch.zeros_like(y), torch.full_like(y, 1e30))
    assert found[0].isnan()
    assert found[1] == 1
    assert found[2] == math.inf


def test_a_bracket_without_the_root_gives_no_root():
    y = torch.tensor([10.0])
    found = monotone_root(cubic, y, torch.tensor([3.0]), torch.tensor([4.0]))
    assert (cubic(found)[0] - y).abs() > 1


def test_gradients_are_those_of_the_implicit_function():
    a, y = (
        torch.tensor([2.0, 0.5]).double().requires_grad_(),
        torch.tensor([3.0, -4.0]).double().requires_grad_(),
    )

    def encode(x):
        return a * x + x**3, torch.log(a + 3 * x * x)

    with torch.no_grad():
        root = monotone_root(
            lambda x, a: (a * x + x**3, a + 3 * x * x),
            y,
            torch.full_like(y, -10),
            torch.full_like(y, 10),
            given=(a,),
        )
    x, log_slope = through_root(root, y, encode)
    slope = (a + 3 * root**2).detach()
    of_y, of_a = torch.autograd.grad(x.sum(), (y, a), retain_graph=True)
    torch.testing.assert_close(of_y, 1 / slope)
    torch.testing.assert_close(of_a, -root / slope)
    # −log c′(x(y, a), a): by a directly, and through x
    (of_a,) = torch.autograd.grad(log_slope.sum(), a)
    torch.testing.assert_close(of_a, -(1 + 6 * root * (-root / slope)) / slope)
