"""Probing a strange layer without leaving a trace: a copy to call, rows to call it with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.distributions import transform_to
from torch.distributions.constraints import Constraint

__all__ = ["ROWS", "drawn", "rows_of", "undisturbed"]

ROWS = (3, 5)  # two sizes, so that a dimension that equals the batch by chance is told from it


def drawn(shape: Any, space: Any = None, seed: int = 0) -> Any:
    """Five rows inside a space, for a shape; a list of tensors for several shapes."""
    if shape is None:
        return None
    if shape and isinstance(shape[0], (tuple, list)):
        spaces = space if isinstance(space, tuple) else (space,) * len(shape)
        return [drawn(s, c, seed + k) for k, (s, c) in enumerate(zip(shape, spaces, strict=True))]
    raw = torch.randn(ROWS[-1], *shape, generator=torch.Generator().manual_seed(seed))
    if not isinstance(space, Constraint):
        return raw
    if space.is_discrete:
        low, high = int(getattr(space, "lower_bound", 0)), int(getattr(space, "upper_bound", 1))
        return (low + (raw.sigmoid() * (high - low + 1)).floor()).clamp(max=high)
    try:
        return transform_to(space)(raw)
    # nothing is known of it, or it is drawn from another shape
    except (NotImplementedError, ValueError, RuntimeError):
        start, end = (
            float(getattr(space, "lower_bound", 0)),
            float(getattr(space, "upper_bound", 1)),
        )
        return start + (end - start) * raw.sigmoid()


def rows_of(value: Any, rows: int) -> Any:
    """So many rows of a tensor or of several, from the first on, repeated where there are fewer."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        if not len(value):
            return value.new_zeros(rows, *value.shape[1:])
        return value.detach()[torch.arange(rows, device=value.device) % len(value)]
    return [rows_of(v, rows) for v in value]


def copied(module: Any) -> Any:
    """A deep copy to try things on; itself where that is not possible."""
    try:
        return copy.deepcopy(module)
    except Exception:  # a stranger's module may hold anything
        return module


@contextmanager
def undisturbed(module: Any) -> Iterator[Any]:
    """A copy to try things on; weights, buffers and random numbers are afterwards as they were."""
    trial = copied(module)
    state = None
    if trial is module and hasattr(module, "state_dict"):
        state = {k: v.clone() for k, v in module.state_dict().items() if isinstance(v, Tensor)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            yield trial
        finally:
            if state is not None:
                module.load_state_dict(state, strict=False)
