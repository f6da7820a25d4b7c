"""Slots: which GPU a worker process sees, and how many share one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GIGABYTES", "Gpu", "environments", "named_gpus", "slots", "visible_gpus"]

# of device memory for one worker: twice what the largest reference flow takes in training
GIGABYTES = 8.0
USABLE = 0.95  # of a device's memory


@dataclass(frozen=True)
class Gpu:
    """``name``: as CUDA_VISIBLE_DEVICES calls it, an index or the start of a UUID."""

    name: str
    gigabytes: float


def visible_gpus() -> list[Gpu]:
    """The GPUs that this process may use, by the names that its own CUDA_VISIBLE_DEVICES has for
    them."""
    import torch

    count = torch.cuda.device_count()
    names = named_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"), count)
    return [
        Gpu(n, torch.cuda.get_device_properties(k).total_memory / 2**30)
        for k, n in enumerate(names)
    ]


def named_gpus(visible: str | None, count: int) -> list[str]:
    """Names of the first ``count`` devices: torch's device k is the k-th of the caller's list, or k
    where the caller has set none."""
    if visible is None:
        return [str(k) for k in range(count)]
    return [name.strip() for name in visible.split(",")][:count]


def slots(gpus: Sequence[Gpu], most: int, share: float | None = None) -> list[str]:
    """Names of GPUs, one per worker, at most ``most``: each GPU in turn, as long as there is memory
    on it, or ``share`` of it left. A GPU that is smaller than a worker would like has one."""
    room = {
        gpu.name: max(1, int(1 / share if share else USABLE * gpu.gigabytes / GIGABYTES))
        for gpu in gpus
    }
    turns = [
        gpu.name
        for turn in range(max(room.values(), default=0))
        for gpu in gpus
        if turn < room[gpu.name]
    ]
    return turns[:most]


def environments(names: Sequence[str]) -> list[dict[str, str]]:
    """Of the workers on these GPUs: each sees its own alone and may fill its part of it."""
    shared = Counter(names)
    return [
        {"CUDA_VISIBLE_DEVICES": name, "INVBENCH_GPU_SHARE": f"{USABLE / shared[name]:.4f}"}
        for name in names
    ]
