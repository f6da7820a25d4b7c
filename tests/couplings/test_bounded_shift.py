"""The option ``shift``: the default is what it was, to the bit; a bound T holds for all parameters,
with the slopes and the inverse of the design."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.bounds.claims import refuse_false_move
from invbench.couplings import CubicRational, CubicRationalBounded, RQBounded
from invbench.couplings.compiled import compile_couplings, compiler_missing
from invbench.errors import UsageError
from invbench.targets import resolve
from tests.support.before_options import CubicBefore, RQBefore

DEFAULTS = {
    "cubic-rational-bounded": (CubicBefore, CubicRationalBounded),
    "cubic-rational-bounded, Inf": (CubicBefore, lambda: CubicRationalBounded(shift=math.inf)),
    "rq-bounded(bins=4)": (RQBefore, lambda: RQBounded(bins=4)),
}
# T and how the design takes the shift: (with T, the same without a bound)
BOUNDED = {
    "cubic-rational-bounded": (CubicRationalBounded, {}),
    "rq-bounded": (RQBounded, {"bins": 4, "box": 1.5}),
}


def drawn(design, uniform, dtype=torch.float64, size: float = 6.0, rows: int = 400):
    params = uniform(-size, size, design.n_params, rows, dtype=dtype)
    return params, uniform(-4, 4, rows, dtype=dtype, seed=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DEFAULTS)
def test_the_default_is_what_it_was_to_the_bit(name, dtype, uniform):
    before, now = (make() for make in DEFAULTS[name])
    assert before.n_params == now.n_params
    params, v = drawn(now, uniform, dtype)
    v[0], params[-1, 1] = math.inf, math.inf
    for direction in ("forward", "inverse"):
        found = []
        for design in (before, now):
            p, x = params.clone().requires_grad_(), v.clone().requires_grad_()
            value, log_slope = getattr(design, direction)(x, p)
            grads = torch.autograd.grad((value + log_slope)[2:].sum(), (x, p))
            found.append([t.detach().nan_to_num(7.0) for t in (value, log_slope, *grads)])
        # the cubic's inverse iterated then, and is in closed form now
        near = 200 * torch.finfo(dtype).eps if "cubic" in name and direction == "inverse" else 0
        for then, here in zip(*found, strict=True):
            assert torch.allclose(here, then, rtol=near, atol=near)


@pytest.mark.parametrize("floor", [0.1, 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_closed_inverse_of_the_cubic_finds_the_root(dtype, floor, uniform):
    design, n = CubicRational(floor=floor), 20_000
    params = uniform(-9, 9, 3, n, dtype=dtype) * torch.tensor([1, 0.5, 0], dtype=dtype)[:, None]
    y = uniform(-1, 1, n, dtype=dtype, seed=1) * 10 ** uniform(-44, 30, n, dtype=dtype, seed=2)
    x, _ = design.inverse(y, params)
    back, _ = design.forward(x.double(), params.double())
    unit = (y.abs() + x.abs()).double() * torch.finfo(dtype).eps  # c sums terms of these sizes
    smallest = math.ulp(0) if dtype == torch.float64 else 2.0**-149
    # values below the smallest normal number round by the smallest one, in units of w < 91
    assert ((back - y.double()).abs() <= 8 * unit + 1000 * smallest).all()


@pytest.mark.parametrize("name", BOUNDED)
class TestBounded:
    T = 1.5

    def made(self, name, **more):
        kind, options = BOUNDED[name]
        return kind(**options, **more)

    def test_it_is_the_free_design_at_a_saturated_shift(self, name, uniform):
        bounded, free = self.made(name, shift=self.T), self.made(name, shift=math.inf)
        params, v = drawn(bounded, uniform)
        held = torch.cat((params[:-1], self.T * torch.tanh(params[-1:] / self.T)))
        for direction in ("forward", "inverse"):
            for own, other in zip(
                getattr(bounded, direction)(v, params),
                getattr(free, direction)(v, held),
                strict=True,
            ):
                torch.testing.assert_close(own, other, rtol=0, atol=1e-13)

    def test_the_inverse_is_one_and_log_slopes_are_those_of_autograd(self, name, uniform):
        design = self.made(name, shift=self.T)
        params, x = drawn(design, uniform, size=2.0)
        y, log_slope = design(x.requires_grad_(), params)
        (slope,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(log_slope, slope.log(), rtol=0, atol=1e-10)
        back, log_back = design.inverse(y, params)
        torch.testing.assert_close(back, x, rtol=0, atol=1e-10)
        torch.testing.assert_close(log_back, -log_slope, rtol=0, atol=1e-8)

    def test_the_gradients_are_right(self, name, uniform):
        design = self.made(name, shift=self.T)
        params, x = (t.requires_grad_() for t in drawn(design, uniform, size=1.5, rows=6))
        assert torch.autograd.gradcheck(design.forward, (x, params))
        assert torch.autograd.gradcheck(design.inverse, (x, params), atol=1e-4)

    def test_an_inverse_moves_no_value_by_more_and_comes_near(self, name, uniform):
        design = self.made(name, shift=self.T)
        params, v = drawn(design, uniform, size=60.0, rows=20_000)
        params[-1, :2] = torch.tensor([math.inf, -math.inf])
        moved = (design.inverse(v, params)[0] - v).abs().max().item()
        assert 0.8 * self.T < moved <= design.displacement + design.shift_bound
        assert design.shift_bound == self.T
        refuse_false_move(design)

    def test_a_bound_that_is_exceeded_is_refused(self, name):
        design = self.made(name, shift=self.T)
        design.shift_bound, design.displacement = 0.5 * self.T, 0.1
        with pytest.raises(UsageError, match="declares displacement"):
            refuse_false_move(design)
        loose = self.made(name, shift=math.inf)
        loose.shift_of = lambda params: 2 * params[-1].tanh()
        loose.shift_bound = 0.01
        with pytest.raises(UsageError, match="declares displacement"):
            refuse_false_move(loose)

    @pytest.mark.slow(reason="20 s: a C++ compiler; test_compiled.py compiles other designs")
    @pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
    def test_kernels_compute_the_same(self, name, uniform):
        design = self.made(name, shift=self.T)
        kernel = compile_couplings(design)
        assert kernel.shift_bound == self.T
        params, v = drawn(design, uniform, torch.float32, 3.0)
        for direction in ("forward", "inverse"):
            for own, eager in zip(
                getattr(kernel, direction)(v, params),
                getattr(design, direction)(v, params),
                strict=True,
            ):
                torch.testing.assert_close(own, eager, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("shift", [-1, 0.0, math.nan, "far", True])
    def test_a_bound_that_is_none_is_refused(self, name, shift):
        if shift == 0 and name == "rq-bounded":
            assert self.made(name, shift=shift).n_params == self.made(name).n_params
            return
        with pytest.raises(ValueError, match=f"{name}: shift must be a positive number"):
            self.made(name, shift=shift)


def test_a_target_takes_it():
    design = resolve("rq-bounded(bins=4,shift=2)").make()
    assert (design.n_params, design.shift_bound) == (12, 2.0)
    with pytest.raises(UsageError, match="shift must be a positive number"):
        resolve("cubic-rational-bounded(shift=-1)")
