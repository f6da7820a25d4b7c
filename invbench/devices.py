"""Whether a device that was asked for is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from invbench.errors import UsageError

__all__ = ["require_device", "without_gpu"]

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
