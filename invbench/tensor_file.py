"""Safetensors from elsewhere: numbers behind a header, which may be cheaper to write than to
read."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from invbench.errors import UsageError
from invbench.files import LARGEST, read_limited

__all__ = ["read_tensors"]

LARGEST_HEADER = 2 * 10**6  # bytes; a published model of two thousand tensors has a tenth of it


def read_tensors(path: Path, largest: int = LARGEST) -> dict[str, Tensor]:
    """Name → tensor. Raises ``UsageError`` when the file is missing, larger than ``largest`` bytes
    or names far more tensors than a model has, and ``SafetensorError`` when it is no such file."""
    data = read_limited(path, largest)
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER and len(data) > LARGEST_HEADER:
        raise UsageError(
            f"{path}: a header of more than {LARGEST_HEADER // 10**6} MB; a model has far fewer "
            f"tensors"
        )
    return load(data)
