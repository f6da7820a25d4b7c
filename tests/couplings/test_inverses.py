"""Inverses that were iterations: closed roots, brackets, and kernels that leave some to eager code."""

from __future__ import annotations

import math
import os

import pytest
import torch

from invbench.couplings import LogisticMixture, MonotoneNetwork, SmoothBump, SumOfSquares
from invbench.couplings import cubic as cubic_module
from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.couplings.cubic import cubic_segment, cubic_segment_inverse
from invbench.couplings.exponential_root import exponential_root
from invbench.registry import COUPLINGS

NAMES = ("b-spline", "cubic-spline", "sum-of-squares", "smooth-bump", "logistic-mixture",
         "monotone-network")  # fmt: skip
# a closed root and one that iterates; a compiler takes half a minute for each
COMPILED = NAMES if os.environ.get("INVBENCH_ALL_KERNELS") else ("cubic-spline", "sum-of-squares")
ITERATED = (SumOfSquares, SmoothBump, LogisticMixture)
MOST = 4.0  # backward error of a root in a bin, in units of u of its terms


def segments(kind, dtype, n=40_000):
    """Cubic segments and values: ends almost flat, v close to 0 and to 1, and at both."""
    g = torch.Generator().manual_seed(3)
    draw = lambda: torch.rand(n, generator=g, dtype=torch.float64)  # noqa: E731
    if kind == "shares":  # of a B-spline: three positive shares
        parts = [10 ** (-4 * draw() * (draw() < 0.7)) for _ in range(3)]
        q0, q1 = parts[0] / sum(parts), parts[2] / sum(parts)
    else:  # Steffen's: neither end is steeper than twice the mean
        q0, q1 = (2 / 3 * 10 ** (-9 * draw() * (draw() < 0.5)) for _ in range(2))
    v = torch.where(draw() < 0.5, draw(), 10 ** (-40 * draw()))
    v = torch.where(draw() < 0.2, 1 - 10 ** (-10 * draw()), v)
    v[:3] = torch.tensor([0.0, 1.0, 5e-324])
    q0, q1, v = q0.to(dtype), q1.to(dtype), v.to(dtype)
    return v, q0, 1 - q0 - q1, q1


def backward_error(xi, v, q0, q, q1):
    """|c(ξ) − v| in units of u·(v + c′ξ), in float64."""
    unit = torch.finfo(v.dtype).eps
    smallest = math.ulp(0) if v.dtype == torch.float64 else 2.0**-149
    xi, v, q0, q, q1 = (t.double() for t in (xi, v, q0, q, q1))
    value, log_slope = cubic_segment(xi, torch.ones_like(v), q0, q, q1)
    return (value - v).abs() / (unit * (v + log_slope.exp() * xi) + 8 * smallest)


@pytest.mark.parametrize("kind", ["shares", "steffen"])
def test_the_closed_root_of_a_cubic_bin_is_backward_stable(kind, dtype):
    v, q0, q, q1 = segments(kind, dtype)
    xi, _ = cubic_segment_inverse(v, torch.ones_like(v), q0, q, q1)
    assert ((xi >= 0) & (xi <= 1)).all()
    assert xi[0] == 0
    assert backward_error(xi, v, q0, q, q1).max() < MOST


def test_it_finds_the_root_of_a_known_cubic():
    """3ξ² − 2ξ³ at 1/4 is 5/32; a straight segment has ξ = v; 1 − (1 − ξ)³ at 1/2 is 7/8."""
    v = torch.tensor([5 / 32, 0.3, 7 / 8], dtype=torch.float64)
    q0, q1 = torch.tensor([[1e-300, 1 / 3, 1], [1e-300, 1 / 3, 0]], dtype=torch.float64)
    xi, _ = cubic_segment_inverse(v, torch.ones_like(v), q0, 1 - q0 - q1, q1)
    torch.testing.assert_close(xi, v.new_tensor([0.25, 0.3, 0.5]), rtol=1e-15, atol=0)


@pytest.mark.parametrize("kind", ["shares", "steffen"])
@pytest.mark.parametrize("fault", ["another root", "only Cardano"])
def test_a_wrong_root_of_the_cubic_is_noticed(fault, kind, monkeypatch):
    v, q0, q, q1 = segments(kind, torch.float64)
    if fault == "another root":  # the next of Viète's three
        turned = torch.cos
        monkeypatch.setattr(cubic_module.torch, "cos", lambda a: turned(a - 2 * math.pi / 3))
    else:
        monkeypatch.setattr(cubic_module.torch, "acos", torch.zeros_like)
    xi, _ = cubic_segment_inverse(v, torch.ones_like(v), q0, q, q1)
    assert not backward_error(xi, v, q0, q, q1).max() < MOST


def test_the_exponential_root_is_exact_on_a_grid_of_its_two_parameters(monkeypatch):
    log_k = torch.cat((torch.linspace(-900, -40, 60), torch.linspace(-40, math.log(99), 150)))
    size = 10 ** torch.cat((torch.linspace(-300, -3, 40), torch.linspace(-3, 3, 300))).double()
    expected = torch.cat((size, -size, -(10 ** torch.linspace(3, 12, 30).double())))
    log_k, z = (t.flatten() for t in torch.meshgrid(log_k.double(), expected, indexing="ij"))
    allowed = log_k + z <= math.log(99)
    log_k, z = log_k[allowed], z[allowed]
    k, e = log_k.exp(), (log_k + z).exp()
    rho = z + torch.where(z.abs() < 1, k * torch.expm1(z), e - k)
    rounding = z.abs() + (rho.abs() + torch.where(z.abs() < 1, k * z.abs(), e + k)) / (1 + e)

    def error():
        return ((exponential_root(log_k, rho) - z).abs() / rounding).max() / 2.0**-52

    assert error() < 4
    monkeypatch.setattr("invbench.couplings.exponential_root.STEPS", 3)
    assert error() > 1000


@pytest.mark.parametrize("spread", [1.0, 7.0])
@pytest.mark.parametrize("design", ITERATED, ids=lambda design: design.__name__)
def test_brackets_hold_the_root(design, spread, dtype, uniform):
    """c is at most y at one end and at least y at the other, also where x spans all exponents."""
    made, n = design(), 20_000
    params = uniform(-spread, spread, made.n_params, n, dtype=dtype)
    y = uniform(-1, 1, n, dtype=dtype, seed=1) * 10 ** uniform(-38, 30, n, dtype=dtype, seed=2)
    if design is SmoothBump:
        y = uniform(-4, 4, n, dtype=dtype)
    params[-1] = 0
    wide = made.widened(y, params)
    problem = made.problem(*wide)
    side = 1.0 if design is SmoothBump else torch.where(wide[0] < 0, -1.0, 1.0)  # mirrored
    ends = [side * end.double() for end in (problem.low, problem.high)]
    values = [made.encode(end, wide[1].double())[0] for end in ends]
    below, above = torch.minimum(*values), torch.maximum(*values)
    exact = wide[0].double()
    slack = 64 * torch.finfo(dtype).eps * exact.abs() + 1e-30
    assert (below <= exact + slack).all()
    assert (above >= exact - slack).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_and_odd_values_come_back(name):
    design = COUPLINGS[name].obj()
    assert design.inverse(torch.zeros(0), torch.zeros(design.n_params, 0))[0].shape == (0,)
    odd = torch.tensor([math.inf, -math.inf, math.nan, 1e30, 1e-45])
    x, _ = design.inverse(odd, torch.zeros(design.n_params, 5))
    assert torch.equal(x[:2], odd[:2])
    assert x[2].isnan()
    assert torch.allclose(x[3:], odd[3:], rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("design", ITERATED, ids=lambda design: design.__name__)
def test_an_attempt_says_whom_it_has_not_finished(design, monkeypatch, uniform):
    made = design()
    params, y = uniform(-2, 2, made.n_params, 2000), uniform(-2, 2, 2000, seed=1)
    exact, _ = made.decode(y, params)
    x, _, done = made.attempt(y, params)
    assert done.float().mean() > 0.9
    torch.testing.assert_close(x[done], exact[done], rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(design, "steps", 1)
    monkeypatch.setattr(design, "coarse_steps", 1)
    assert made.attempt(y, params)[2].float().mean() < 0.5


def _agrees(design, kernel, uniform, shape=(3, 500)):
    params, y = uniform(-3, 3, design.n_params, *shape), uniform(-3, 3, *shape, seed=1)
    found = []
    for module in (design, kernel):
        p, v = params.clone().requires_grad_(), y.clone().requires_grad_()
        x, log_slope = module.inverse(v, p)
        found.append((x, log_slope, *torch.autograd.grad((x + log_slope).sum(), (v, p))))
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-7, atol=1e-8)


def test_who_is_not_done_is_left_to_eager_code(monkeypatch, uniform):
    """The kernels' code without a compiler: one step finishes hardly anybody."""
    monkeypatch.setattr("invbench.couplings.compiled._compiled", lambda function: function)
    monkeypatch.setattr("invbench.couplings.compiled._CACHE", {})
    for design in ITERATED:
        _agrees(design(), compile_couplings(design()), uniform)
        monkeypatch.setattr(design, "steps", 1)
        _agrees(design(), compile_couplings(design()), uniform)


@pytest.mark.slow(reason="60 s: a C++ compiler, value and gradient; the nightly script has all six")
@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
@pytest.mark.parametrize("name", COMPILED)
def test_kernels_of_inverses_agree_with_eager_code(name, uniform):
    _agrees(COUPLINGS[name].obj(), compile_couplings(COUPLINGS[name].obj()), uniform)


@pytest.mark.slow(reason="40 s: dynamo traces six inverses")
@pytest.mark.parametrize("name", NAMES)
def test_an_inverse_is_one_graph(name, uniform):
    """dynamo takes it whole; the compiler is not asked."""
    design = COUPLINGS[name].obj()
    formula = getattr(design, "attempt", design.decode)
    torch._dynamo.reset()
    whole = torch.compile(formula, backend="eager", fullgraph=True)
    params, y = uniform(-2, 2, design.n_params, 50), uniform(-2, 2, 50, seed=1)
    with torch.no_grad():
        for one, other in zip(whole(y, params), formula(y, params), strict=True):
            assert torch.allclose(one.double(), other.double(), rtol=1e-9, atol=1e-9)


def test_the_inverse_of_the_network_solves_every_kind_of_piece():
    """N ≡ −5, N = u, N = −u and N = u − 2 from hand-made weights; c from the closed integrals."""
    design, n = MonotoneNetwork(hidden=1), 4
    params = torch.zeros(5, n, dtype=torch.float64)  # v, w − 1, b − 1/2, c, t
    params[0] = torch.tensor([0.0, 1, -1, 1])
    params[2] = -0.5
    params[3] = torch.tensor([-5.0, 0, 0, -2])
    x = torch.tensor([3.0, 2.0, 2.0, 3.0]).double()
    grown = torch.stack((
        3 * torch.tensor(-5.0).double().exp(), torch.tensor(4.0).double(),
        1 - torch.tensor(-2.0).double().exp(), 1 - torch.tensor(-2.0).double().exp() + 1.5,
    ))  # fmt: skip
    y = 0.01 * x + 0.99 * grown
    torch.testing.assert_close(design.inverse(y, params)[0], x, rtol=1e-14, atol=0)
