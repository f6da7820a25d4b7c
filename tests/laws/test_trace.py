"""What a call does inside: its functions, loops, gradients switched off, and the first result that
is not finite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invbench.laws.cases.trace import OVERFLOWING, first_bad, traced

X = torch.linspace(-1, 1, 8)


def newton() -> Tensor:
    y = X.clone()
    for _ in range(12):
        y = y - (y + y.tanh() - X) / (2 - y.tanh().square())
    return y


def bisection() -> Tensor:
    low, high = X - 2, X + 2
    for _ in range(30):
        middle = (low + high) / 2
        below = middle + middle.tanh() < X
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low


def runge_kutta() -> Tensor:
    y = X.clone()
    for _ in range(5):
        a = y.tanh()
        b = (y + a / 4).tanh()
        c = (y + b / 4).tanh()
        y = y + (a + 2 * b + c) / 16
    return y


def until_converged() -> Tensor:
    y = X.clone()
    while True:
        new = X - y.sin() / 2
        if (new - y).abs().max() < 1e-5:
            return new
        y = new


@pytest.mark.parametrize("call", [newton, bisection, runge_kutta, until_converged])
def test_an_iteration_is_a_loop(call) -> None:
    assert traced(call).loop


def straight() -> Tensor:
    s, t = (X * 2).tanh().chunk(2)
    return torch.cat((s * t.exp() + s.sin(), t - s.cos()))


def three_times() -> Tensor:
    y = X
    for _ in range(3):
        y = y.tanh() + y.exp()
    return y


def loop_beside_much_else() -> Tensor:
    y = X
    for _ in range(4):
        y = y.exp()
    for name in ("sin", "cos", "tan", "tanh", "sinh", "atan", "sqrt", "abs", "neg", "floor"):
        y = getattr(torch, name)(y)
    return y


@pytest.mark.parametrize("call", [straight, three_times, loop_beside_much_else, lambda: X])
def test_a_straight_call_is_none(call) -> None:
    assert not traced(call).loop


def test_names_come_in_order() -> None:
    assert traced(lambda: X.exp().log() + 1).names == ("exp", "log", "add")


def test_calls_without_gradients_are_counted() -> None:
    def half() -> Tensor:
        with torch.no_grad():
            y = X.exp().log()
        return y.sin()

    assert traced(half).silent >= 2
    assert traced(straight).silent == 0
    with torch.no_grad():
        assert traced(straight).silent == 0  # gradients are on inside


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: (X * 0).log() + 1, "log"),
        (lambda: (X * 200).exp() - 1, "exp"),
        (lambda: (X - 2).sqrt().sum(), "sqrt"),
        (lambda: torch.atanh(X * 2), "atanh"),
        (lambda: X.exp(), None),
        (lambda: torch.zeros(0).log(), None),
    ],
)
def test_the_first_bad_function_is_named(call, name: str | None) -> None:
    assert first_bad(call) == name


def test_what_is_given_bad_is_not_to_blame() -> None:
    given = torch.tensor([torch.nan, 1.0])
    assert first_bad(lambda: given.exp() + 1) is None
    assert first_bad(lambda: (given.exp(), (X * 0).log())) == "log"


def test_results_of_several_tensors_count() -> None:
    assert first_bad(lambda: torch.linalg.slogdet(torch.zeros(2, 2))) == "linalg_slogdet"


def test_large_results_are_told_from_those_that_do_not_exist() -> None:
    assert {"exp", "mul", "matmul"} <= OVERFLOWING
    assert not {"log", "sqrt", "atanh", "div", "reciprocal"} & OVERFLOWING
