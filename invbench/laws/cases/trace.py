"""The trace of a call: the torch functions inside it, whether it loops, and whether it records
gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["OVERFLOWING", "Trace", "extremes", "first_bad", "traced"]

LONGEST = 4000  # calls that are looked at
REPEATS = 4  # as often a block must come in a row to be a loop


@dataclass(frozen=True)
class Trace:
    """``names``: the torch functions in order. ``silent``: how many ran with gradients switched
    off. ``loop``: a block of them repeats."""

    names: tuple[str, ...]
    silent: int
    loop: bool


class _Recorder(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.silent = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if len(self.names) < LONGEST:
            name = getattr(func, "__name__", "")
            if name not in ("__get__", "__set__", "size", "dim"):
                self.names.append(name)
                self.silent += not torch.is_grad_enabled()
        return func(*args, **(kwargs or {}))


def traced(call: Callable[[], Any]) -> Trace:
    """The trace of one call, with gradients recorded."""
    recorder = _Recorder()
    with torch.enable_grad(), recorder:
        call()
    return Trace(tuple(recorder.names), recorder.silent, _loops(recorder.names))


def _loops(names: list[str]) -> bool:
    """Whether a block of names comes at least four times in a row and makes most of the call."""
    n = len(names)
    for size in range(1, n // REPEATS + 1):
        same = run = best = 0
        for i in range(n - size):
            run = run + 1 if names[i] == names[i + size] else 0
            best = max(best, run)
        same = best + size
        if same >= REPEATS * size and same >= n / 2 and size * REPEATS <= same:
            return True
        if size > 400:
            break
    return False


# functions that leave the range of a dtype because the result is large, not because it does not
# exist
OVERFLOWING = frozenset(
    "exp expm1 sinh cosh mul matmul linear conv1d conv2d conv3d addmm bmm einsum pow "
    "square add sub sum cumsum "
    "__mul__ __rmul__ __matmul__ __pow__ __rpow__ __add__ __radd__ __sub__ __rsub__ mul_ "
    "add_ sub_ addcmul softplus "
    "cumprod prod norm var std mean exp_ float to type half bfloat16".split()
)


class _FirstBad(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.name: str | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.name is None and _bad(out) and not any(_bad(a) for a in args):
            self.name = getattr(func, "__name__", "?")
        return out


def _bad(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(_bad(v) for v in value)
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.numel():
        return False
    with torch._C.DisableTorchFunction():
        return bool(value.numel() and not value.detach().isfinite().all())


def first_bad(call: Callable[[], Any]) -> str | None:
    """The first torch function with a result that is not finite from finite arguments; None where
    there is none."""
    recorder = _FirstBad()
    with torch.no_grad(), recorder:
        call()
    return recorder.name


class _Extremes(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.least, self.most = torch.inf, 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.is_floating_point() and out.numel():
            with torch._C.DisableTorchFunction():
                size = out.detach().abs()
                self.most = max(self.most, size.nan_to_num(nan=0.0).max().item())
                if getattr(func, "__name__", "") in SCALES:
                    self.least = min(self.least, size.nan_to_num(nan=1.0).min().item())
        return out


# whose results are often divided by
SCALES = frozenset("exp sigmoid softplus reciprocal cosh square".split())


def extremes(call: Callable[[], Any]) -> tuple[float, float]:
    """(the smallest scale, the largest absolute value) over all torch functions inside a call. NaN
    does not count."""
    recorder = _Extremes()
    with torch.no_grad(), recorder:
        call()
    return recorder.least, recorder.most
