"""Couplings as compiled kernels: one pass over memory forward and one backward, which recomputes,
so that only the inputs are saved."""

from __future__ import annotations

import functools
import os
import shutil
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.couplings.iterated import Iterated
from invbench.files import cache_dir

__all__ = ["CompiledCoupling", "cannot_compile", "compile_couplings", "compiler_missing"]

Formula = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def compiler_missing(device: str = "cpu") -> str | None:
    """Why no kernel can be compiled on this device, in words, or None."""
    if device == "cpu" and not any(
        shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++")
    ):
        return "no C++ compiler (install g++, or set CXX)"
    return None


def cannot_compile(design: Elementwise, device: str = "cpu") -> str | None:
    """Why the forward pass of this coupling cannot be compiled here, in words, or None. It is
    compiled to find out."""
    if hindrance := compiler_missing(device):
        return hindrance
    kernel = compile_couplings(design)
    if kernel is design:
        return "it has weights of its own"
    x = torch.zeros(8, requires_grad=True, device=device)
    params = torch.zeros(design.n_params, 8, requires_grad=True, device=device)
    try:
        value, log_slope = kernel(x, params)
        (value.sum() + log_slope.sum()).backward()
    except Exception as error:  # any code may reach the compiler
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def compile_couplings(module: nn.Module) -> nn.Module:
    """The coupling as compiled kernels. Of any other module, all couplings in it are replaced in
    place, and the module is returned.

    Kernels are compiled at the first call, for any shape: some 10 to 40 s per design, once, since
    invbench's cache folder keeps them. They compute what eager code computes, but for the order of
    rounding. Couplings with weights of their own stay eager, and so do inverses that iterate
    (``closed_inverse = False``), but for those of ``Iterated`` designs: a kernel makes some steps,
    and the few elements that want more are computed again by eager code.
    """
    if isinstance(module, Elementwise):
        return (
            module
            if isinstance(module, CompiledCoupling) or next(module.parameters(), None) is not None
            else CompiledCoupling(module)
        )
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Elementwise):
                setattr(parent, name, compile_couplings(child))
    return module


class CompiledCoupling(Elementwise):
    """The same map as ``design``, with one kernel for the value and one for the gradient.

    The gradient is the vector–Jacobian product of ``design.forward`` at (x, params). Its kernel
    recomputes the forward pass, so only x and params are saved.
    """

    def __init__(self, design: Elementwise) -> None:
        super().__init__()
        self.design = design
        self.n_params = design.n_params
        for name in ("slope_range", "displacement", "tail_slopes_equal", "metadata"):
            setattr(self, name, getattr(design, name))
        if hasattr(design, "shift_bound"):
            self.shift_bound = design.shift_bound
        self._forward = _kernels(design, "forward")
        self._inverse = (
            _kernels(design, "inverse") if getattr(design, "closed_inverse", False) else None
        )
        self._root = _kernels(design, "attempt") if isinstance(design, Iterated) else None

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(self._forward, self.design.forward, x, params)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        if self._root is not None and self._fits(y, params):
            return _CompiledRoot.apply(self._root, self.design, y, params)
        return self._run(self._inverse, self.design.inverse, y, params)

    def _fits(self, v: Tensor, params: Tensor) -> bool:
        return (
            params.shape == (self.n_params, *v.shape)
            and v.is_floating_point()
            and params.is_floating_point()
        )

    def _run(
        self, kernels: _Kernels | None, eager: Formula, v: Tensor, params: Tensor
    ) -> tuple[Tensor, Tensor]:
        if kernels is None or not self._fits(v, params):
            return eager(v, params)  # which raises what is wrong with inputs that do not fit
        return _CompiledFunction.apply(kernels, v, params)


class _Kernels:
    """Kernels for value and gradient of one direction of a design; all layers of a flow share
    them."""

    def __init__(self, direction: Formula) -> None:
        def value(v: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
            return direction(v, params)

        def gradient(
            v: Tensor, params: Tensor, of_value: Tensor, of_log: Tensor
        ) -> tuple[Tensor, Tensor]:
            pull = torch.func.vjp(direction, v, params)[1]
            return pull((of_value, of_log))

        self.value, self.gradient = _compiled(value), _compiled(gradient)


class _RootKernels:
    """Kernels for the inverse of a design that iterates: the root after a fixed number of steps,
    and the gradient at a root that is known."""

    def __init__(self, design: Iterated) -> None:
        def value(v: Tensor, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return design.attempt(*design.widened(v, params))

        def gradient(
            x: Tensor, v: Tensor, params: Tensor, of_value: Tensor, of_log: Tensor
        ) -> tuple[Tensor, Tensor]:
            def through(v: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
                root, log_slope = design.through(x, *design.widened(v, params))
                return root.to(v.dtype), log_slope.to(v.dtype)

            pull = torch.func.vjp(through, v, params)[1]
            return pull((of_value, of_log))

        self.value, self.gradient = _compiled(value), _compiled(gradient)


def _compiled(function: Any) -> Any:
    """The compiled function, with a code object of its own: torch.compile limits recompilations per
    code object, and closures share one."""
    own = types.FunctionType(
        function.__code__.replace(), function.__globals__, closure=function.__closure__
    )
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_dir() / "kernels"))
    kernel = torch.compile(own, dynamic=True)

    @functools.wraps(function)
    def called(*arguments: Tensor) -> Any:
        # a float of the design, its box or bound, must be a constant of the kernel: otherwise
        # torch's cache on disk takes the kernel of one value for that of another (torch 2.13)
        with torch._dynamo.config.patch(specialize_float=True):
            return kernel(*arguments)

    return called


_CACHE: dict[Any, Any] = {}
_OF_ANY_MODULE = frozenset(vars(nn.Module()))


def _kernels(design: Any, name: str) -> Any:
    """The kernels of a direction, "forward" or "inverse", or of the root, "attempt". Designs of one
    class with equal attributes share them, where all attributes are plain values."""
    options = {k: v for k, v in vars(design).items() if k not in _OF_ANY_MODULE}
    plain = all(isinstance(v, (int, float, str, bool, tuple, type(None))) for v in options.values())
    if (
        not plain
        or next(design.buffers(), None) is not None
        or next(design.children(), None) is not None
    ):
        return _made(design, name)
    key = (type(design), name, *sorted((k, repr(v)) for k, v in options.items()))
    if key not in _CACHE:
        _CACHE[key] = _made(design, name)
    return _CACHE[key]


def _made(design: Any, name: str) -> Any:
    return _RootKernels(design) if name == "attempt" else _Kernels(getattr(design, name))


class _CompiledFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: _Kernels, v: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        ctx.kernels = kernels
        # flat: one kernel serves every rank and stride, in one long loop; detached: it serves calls
        # with and without gradients
        flat, flat_params = v.detach().reshape(-1), params.detach().reshape(params.shape[0], -1)
        ctx.save_for_backward(flat, flat_params)
        value, log_slope = kernels.value(flat, flat_params)
        return value.view(v.shape), log_slope.view(v.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_value: Tensor, of_log: Tensor) -> tuple[None, Tensor, Tensor]:
        of_v, of_params = ctx.kernels.gradient(
            *ctx.saved_tensors, of_value.reshape(-1), of_log.reshape(-1)
        )
        return None, of_v.view(of_value.shape), of_params.view(-1, *of_value.shape)


class _CompiledRoot(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: _RootKernels, design: Iterated, v: Tensor, params: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.kernels = kernels
        flat, flat_params = v.detach().reshape(-1), params.detach().reshape(params.shape[0], -1)
        x, log_slope, done = kernels.value(flat, flat_params)
        if not done.all():
            left = (~done).nonzero()[:, 0]
            found = design.decode(*design.widened(flat[left], flat_params[:, left]))
            x, log_slope = (
                whole.index_copy(0, left, part)
                for whole, part in zip((x, log_slope), found, strict=True)
            )
        ctx.save_for_backward(x, flat, flat_params)
        return x.to(v.dtype).view(v.shape), log_slope.to(v.dtype).view(v.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_value: Tensor, of_log: Tensor) -> tuple[None, None, Tensor, Tensor]:
        of_v, of_params = ctx.kernels.gradient(
            *ctx.saved_tensors, of_value.reshape(-1), of_log.reshape(-1)
        )
        return None, None, of_v.view(of_value.shape), of_params.view(-1, *of_value.shape)
