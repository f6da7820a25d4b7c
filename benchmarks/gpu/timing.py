"""Seconds of a call, on a GPU by its own clock."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

__all__ = ["peak_gib", "seconds", "synchronised"]


def synchronised(device: str) -> float:
    """The wall clock, once the device has nothing left to do."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(call: Callable[[], object], device: str, turns: int = 7, warm: int = 3) -> float:
    """Median seconds of a call; ``warm`` untimed ones come first."""
    for _ in range(warm):
        call()
    found = []
    for _ in range(turns):
        if torch.device(device).type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            torch.cuda.synchronize()
            found.append(start.elapsed_time(end) / 1e3)
        else:
            started = time.perf_counter()
            call()
            found.append(time.perf_counter() - started)
    return statistics.median(found)


def peak_gib(device: str) -> float | None:
    """The most memory that tensors took since ``torch.cuda.reset_peak_memory_stats``; None on a
    CPU."""
    if torch.device(device).type != "cuda":
        return None
    return torch.cuda.max_memory_allocated() / 2**30
