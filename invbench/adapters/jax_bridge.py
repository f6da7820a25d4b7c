"""The bridge: a function of JAX arrays as a function of torch tensors, with its derivatives.

Arrays cross by DLPack. Each call runs under its own setting of x64: on where a tensor is float64,
off where none is; the global flag of JAX stays as it is.
"""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invbench.errors import UsageError
from invbench.extras import install

try:
    import jax
    import jax.numpy as jnp
except ImportError as missing:
    raise UsageError(f"jax cannot be imported ({missing}); {install('jax')}") from None

__all__ = ["JaxFunction", "array_of", "bridged", "compiling", "jax", "jnp", "tensor_of", "x64"]

TIMERS = ("ITIMER_PROF", "ITIMER_REAL")
Arrays = tuple[Any, ...]
_spent = [0.0]


def compiling() -> float:
    """Processor seconds that first calls took so far, nearly all of it for compiling."""
    return _spent[0]


def x64(on: bool) -> AbstractContextManager[Any]:
    """64-bit numbers in JAX on or off, inside the block only."""
    here = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    return here.enable_x64(on)  # type: ignore[no-any-return]


def array_of(tensor: Tensor) -> Any:
    """The tensor as a JAX array on the CPU: the same memory where that is compact and aligned."""
    return jnp.from_dlpack(tensor.detach().cpu().contiguous())


def tensor_of(array: Any, device: torch.device | str = "cpu") -> Tensor:
    """A JAX array as a tensor of its own memory, since torch may write into it and JAX must not see
    that."""
    return torch.utils.dlpack.from_dlpack(jax.block_until_ready(array)).clone().to(device)


@contextmanager
def _uncounted() -> Iterator[None]:
    """What is compiled in the block counts as ``compiling``, and the laws' timers stand still."""
    here = threading.current_thread() is threading.main_thread()
    timers = [getattr(signal, name) for name in TIMERS if here and hasattr(signal, name)]
    left = [signal.setitimer(timer, 0) for timer in timers]
    started = time.process_time()
    try:
        yield
    finally:
        _spent[0] += time.process_time() - started
        for timer, (seconds, every) in zip(timers, left, strict=True):
            signal.setitimer(timer, seconds, every)


class JaxFunction:
    """``plain`` takes JAX arrays and returns a tuple of arrays. ``derived`` functions are made
    once: the transposed derivative, the derivative, and the function of a batch.

    ``jit=False`` for a function that JAX cannot trace. ``quick``: compiled without optimisation,
    which takes half the time and rounds as the single operations do.
    """

    def __init__(self, plain: Callable[..., Arrays], jit: bool = True, quick: bool = True) -> None:
        self.plain, self.jit, self.quick = plain, jit, quick
        self._derived: dict[Any, JaxFunction] = {}
        self._seen: set[Any] = set()

    def __deepcopy__(self, memo: dict[int, Any]) -> JaxFunction:
        return self  # it has no state

    @cached_property
    def _compiled(self) -> Callable[..., Arrays]:
        options = {"compiler_options": {"xla_backend_optimization_level": 0}} if self.quick else {}
        return jax.jit(self.plain, **options)  # type: ignore[no-any-return]

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The results, as tensors that record no gradient."""
        call = self._compiled if self.jit else self.plain
        with self._settings("run", tensors):
            arrays = call(*(array_of(t) for t in tensors))
        return tuple(tensor_of(a, tensors[0].device) for a in arrays)

    def shown(
        self, evaluate: Callable[[Callable[..., Arrays], Sequence[Tensor]], Any], tensors: list[Any]
    ) -> tuple[Tensor, ...]:
        """The results by another evaluator of the plain function."""
        with self._settings("shown", tensors):
            return evaluate(self.plain, tensors)  # type: ignore[no-any-return]

    @contextmanager
    def _settings(self, way: str, tensors: Sequence[Tensor]) -> Iterator[None]:
        """x64 as the tensors need it; the time of a first call is noted."""
        kind = (way, *((t.shape, t.dtype) for t in tensors))
        with x64(any(t.dtype == torch.float64 for t in tensors)):
            if kind in self._seen:
                yield
            else:
                self._seen.add(kind)
                with _uncounted():
                    yield

    def derived(self, kind: str, which: tuple[Any, ...]) -> JaxFunction:
        """``kind`` is a key of ``DERIVED``; ``which`` says for which arguments."""
        if (kind, which) not in self._derived:
            plain = DERIVED[kind](self.plain, which)
            self._derived[kind, which] = JaxFunction(plain, self.jit, self.quick)
        return self._derived[kind, which]


def _pulled(plain: Callable[..., Arrays], which: tuple[bool, ...]) -> Callable[..., Arrays]:
    """(arguments, cotangents) → the gradients for the arguments that are wanted."""

    def gradients(*args: Any) -> Arrays:
        kept, cotangents = args[: len(which)], args[len(which) :]
        free = [a for a, wanted in zip(kept, which, strict=True) if wanted]

        def of_free(*some: Any) -> Arrays:
            rest = iter(some)
            filled = [next(rest) if w else a for a, w in zip(kept, which, strict=True)]
            return plain(*filled)

        return jax.vjp(of_free, *free)[1](tuple(cotangents))  # type: ignore[no-any-return]

    return gradients


def _pushed(plain: Callable[..., Arrays], which: tuple[bool, ...]) -> Callable[..., Arrays]:
    """(arguments, tangents of those that move) → the tangents of the results."""

    def tangents(*args: Any) -> Arrays:
        kept, moved = args[: len(which)], args[len(which) :]
        free = tuple(a for a, wanted in zip(kept, which, strict=True) if wanted)

        def of_free(*some: Any) -> Arrays:
            rest = iter(some)
            return plain(*(next(rest) if w else a for a, w in zip(kept, which, strict=True)))

        return jax.jvp(of_free, free, tuple(moved))[1]  # type: ignore[no-any-return]

    return tangents


def _mapped(plain: Callable[..., Arrays], which: tuple[int | None, ...]) -> Callable[..., Arrays]:
    """The function of a batch; ``which`` are the batch's dimensions in the arguments."""
    return jax.vmap(plain, in_axes=which)  # type: ignore[no-any-return]


DERIVED: dict[str, Callable[[Callable[..., Arrays], Any], Callable[..., Arrays]]] = {
    "vjp": _pulled,
    "jvp": _pushed,
    "vmap": _mapped,
}


class _Call(torch.autograd.Function):
    """A JaxFunction in torch's graph. Its derivatives are JaxFunctions too, so it can be
    differentiated again."""

    @staticmethod
    def forward(function: JaxFunction, *tensors: Tensor) -> tuple[Tensor, ...]:
        return function.run(tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.function = inputs[0]
        ctx.save_for_backward(*inputs[1:])
        ctx.save_for_forward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        tensors = ctx.saved_tensors
        which = tuple(t.is_floating_point() for t in tensors)  # one function, whatever is needed
        gradients = iter(_Call.apply(ctx.function.derived("vjp", which), *tensors, *cotangents))
        every = [next(gradients) if wanted else None for wanted in which]
        needed = ctx.needs_input_grad[1:]
        return None, *(g if n else None for g, n in zip(every, needed, strict=True))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Any:
        which = tuple(t is not None for t in tangents)
        moved = [t for t in tangents if t is not None]
        return _Call.apply(ctx.function.derived("jvp", which), *ctx.saved_tensors, *moved)

    @staticmethod
    def vmap(info: Any, in_dims: Any, function: JaxFunction, *tensors: Tensor) -> Any:
        out = _Call.apply(function.derived("vmap", tuple(in_dims[1:])), *tensors)
        return out, (0,) * len(out)


def bridged(function: JaxFunction, *tensors: Tensor) -> tuple[Tensor, ...]:
    """``function`` of tensors, in torch's graph."""
    return _Call.apply(function, *tensors)  # type: ignore[no-any-return]
