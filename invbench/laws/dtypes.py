"""The dtypes that laws are checked in, by name."""

from __future__ import annotations

import torch

from invbench.errors import UsageError

__all__ = ["DTYPES", "parse_dtype"]

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def parse_dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is not supported; choose from {', '.join(DTYPES)}")
    return DTYPES[name]
