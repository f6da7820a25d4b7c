"""Compiled kernels agree with eager code; what cannot be compiled stays eager."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from invbench.couplings import Affine, Elementwise, ModifiedRQ
from invbench.couplings.compiled import (
    CompiledCoupling,
    cannot_compile,
    compile_couplings,
    compiler_missing,
)
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, DenseConditioner
from tests.support.before_options import CubicBefore

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


@needs_compiler
@pytest.mark.parametrize("shape", [(400,), (4, 5, 20)])
def test_kernels_are_as_near_to_float64_as_eager_code(shape, uniform):
    design = ModifiedRQ()
    kernel = compile_couplings(design)
    params, v = (
        uniform(-4, 4, 4, *shape, dtype=torch.float32),
        uniform(-1, 1, *shape, dtype=torch.float32, seed=1),
    )
    for direction in ("forward", "inverse"):
        results = []
        for module, p, x in (
            (design, params, v),
            (kernel, params, v),
            (design, params.double(), v.double()),
        ):
            p, x = p.clone().requires_grad_(), x.clone().requires_grad_()
            value, log_slope = getattr(module, direction)(x, p)
            results.append(
                (value, log_slope, *torch.autograd.grad((value + log_slope).sum(), (x, p)))
            )
        for eager, compiled, exact in zip(*results, strict=True):
            scale = 1 + exact.abs().amax()
            error, reference = (compiled - exact).abs().amax(), (eager - exact).abs().amax()
            assert compiled.shape == eager.shape
            assert error <= 2 * reference + 4 * torch.finfo(torch.float32).eps * scale


@needs_compiler
def test_couplings_of_a_layer_are_replaced_and_train(uniform):
    layer = ConditionalCoupling(Affine(), 4, 2, 0, partial(DenseConditioner, width=8, hidden=1))
    x = uniform(-1, 1, 5, 4, dtype=torch.float32)
    expected, names = layer(x), list(layer.state_dict())
    assert compile_couplings(layer) is layer
    assert isinstance(layer.coupling, CompiledCoupling)
    assert list(layer.state_dict()) == names
    torch.testing.assert_close(layer(x), expected)
    layer(x)[0].sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_fused_carries_what_the_design_declares_and_is_not_fused_twice():
    kernel = compile_couplings(ModifiedRQ(box=2.0))
    assert (kernel.n_params, kernel.displacement, kernel.tail_slopes_equal) == (
        4,
        2 * 2.0 * (1 - 1e-3),
        True,
    )
    assert compile_couplings(kernel) is kernel


def test_an_inverse_that_iterates_stays_eager(uniform):
    design = CubicBefore()
    params, y = uniform(-2, 2, design.n_params, 50), uniform(-2, 2, 50, seed=1)
    assert torch.equal(
        compile_couplings(design).inverse(y, params)[0], design.inverse(y, params)[0]
    )


def test_a_coupling_with_weights_of_its_own_is_left_alone():
    class Weighted(Elementwise):
        n_params = 1

        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

    coupling = Weighted()
    assert compile_couplings(coupling) is coupling


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "install g++" in compiler_missing()


@needs_compiler
def test_designs_that_differ_in_a_private_option_do_not_share_kernels():
    class Scaled(Elementwise):
        n_params = 1

        def __init__(self, scale):
            super().__init__()
            self._scale = scale

        def forward(self, x, params):
            return self._scale * x + params[0], torch.full_like(x, self._scale).log()

    x, params = torch.ones(6), torch.zeros(1, 6)
    values = [compile_couplings(Scaled(scale))(x, params)[0] for scale in (2.0, 3.0)]
    assert values[0].eq(2).all()
    assert values[1].eq(3).all()


def test_inputs_that_do_not_fit_are_refused_as_in_eager_code():
    kernel = compile_couplings(Affine())
    with pytest.raises(UsageError, match="params must have shape"):
        kernel(torch.zeros(4, 3), torch.zeros(2, 3, 4))  # as many elements, in the wrong order
    with pytest.raises(UsageError, match="floating"):
        kernel.inverse(torch.zeros(4).long(), torch.zeros(2, 4))


@needs_compiler
def test_a_coupling_that_does_not_compile_is_found_out_before_training():
    class AutogradSlope(Elementwise):
        """Asks autograd for its slope, which finds no graph inside a function transform."""

        n_params = 1

        def forward(self, x, params):
            y = x + params[0]
            (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            return y, slope.log()

    assert cannot_compile(AutogradSlope())
    assert cannot_compile(Affine()) is None


@needs_compiler
def test_kernels_of_two_boxes_are_two(uniform):
    """torch's cache on disk took one for the other while a float was no constant of its kernel."""
    for box in (0.5, 2.0):
        design = ModifiedRQ(box)
        params, v = uniform(-3, 3, 4, 50, dtype=torch.float32), uniform(-3, 3, 50, seed=1).float()
        kernel = compile_couplings(design)
        torch.testing.assert_close(kernel(v, params), design(v, params), rtol=1e-4, atol=1e-4)
