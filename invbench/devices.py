"""Whether a device that was asked for is there, and that float32 on it is float32."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from invbench.errors import UsageError

__all__ = ["allow_tf32", "require_device", "tf32", "without_gpu"]

# what torch and triton say where there is no GPU
_NO_GPU = re.compile(
    "not compiled with CUDA|NVIDIA driver|CUDA GPUs? (are|is) available|CUDA tensor|[Tt]riton"
)


def require_device(name: str) -> None:
    """Raises ``UsageError`` when torch has no such device here."""
    kind = name.partition(":")[0]
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"device {name!r} is not available here; invbench doctor shows what is")


@contextmanager
def without_gpu(name: str) -> Iterator[None]:
    """A ``UsageError`` about a layer that cannot be built or called for want of a GPU says so."""
    try:
        yield
    except UsageError as error:
        if torch.cuda.is_available() or not _NO_GPU.search(str(error)):
            raise
        raise UsageError(
            f"{name} needs a GPU, and torch has none here: check it on a machine with one, by "
            f"--device cuda (in pytest --invbench-device cuda)"
        ) from error


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Whether float32 products on a GPU may round their inputs to 11 bits, TF32, in this block.

    Unless told otherwise, torch allows it in convolutions: 2⁻¹¹ where the laws, the CPU and a cell
    of float32 have 2⁻²⁴.
    """
    kept = allow_tf32(allowed)
    try:
        yield
    finally:
        _set(kept)


def allow_tf32(allowed: bool) -> list[tuple[Any, str, Any]]:
    """As ``tf32``, for good. Returns what was set before."""
    kept = [found for place, name in _switches() for found in _read(place, name)]
    # the older switches first: they move the newer ones
    for place, name in _switches():
        newer = "tf32" if allowed else "ieee"
        setattr(place, name, allowed if name == "allow_tf32" else newer)
    return kept


def _switches() -> list[tuple[Any, str]]:
    """Where torch keeps it: two flags, and from torch 2.9 on three names of a precision. It refuses
    to read a flag that the names contradict, so both are set."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    found: list[tuple[Any, str]] = [(cuda.matmul, "allow_tf32"), (cudnn, "allow_tf32")]
    if hasattr(cudnn, "conv"):
        found += [(part, "fp32_precision") for part in (cuda.matmul, cudnn.conv, cudnn.rnn)]
    return found


def _read(place: Any, name: str) -> Iterator[tuple[Any, str, Any]]:
    with suppress(RuntimeError):  # flag and name contradict each other: only the name counts
        yield place, name, getattr(place, name)


def _set(kept: list[tuple[Any, str, Any]]) -> None:
    for place, name, value in kept:
        setattr(place, name, value)
