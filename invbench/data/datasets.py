"""Pairs of ground truth and condition for super-resolution, from the embedded photographs and from
data sets in folders."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from invbench.data.folders import LAYOUTS, find_images
from invbench.data.images import EMBEDDED, crops, embedded, read_image
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError

__all__ = ["Pair", "sr_pairs"]


@dataclass(frozen=True)
class Pair:
    """Ground truth ``high`` (3, s·h, s·w) and its clean condition ``low`` (3, h, w), both on the
    8-bit grid in [0, 1]."""

    name: str
    high: Tensor
    low: Tensor


def sr_pairs(
    dataset: str, size: int, per_image: int, limit: int | None = None, scale: int = 4
) -> list[Pair]:
    """Pairs of ``per_image`` crops of size × size from each photograph of ``dataset`` and their
    reductions by bicubic ÷ scale; at most ``limit`` pairs.

    ``dataset``: ``embedded``, or a data set in a folder under ``INVBENCH_DATA``, of which no more
    files are read than ``limit`` needs. Raises ``UsageError`` when it is not there, and when no
    photograph is as large as ``size``.
    """
    if dataset == "embedded":
        photographs = ((name, embedded(name)) for name in EMBEDDED)
    elif dataset in LAYOUTS:
        photographs = ((path.stem, read_image(path)) for path in find_images(dataset))
    else:
        raise UsageError(
            f"data set {dataset!r} is not known; known: embedded, {', '.join(LAYOUTS)}"
        )
    large = (
        (name, photograph) for name, photograph in photographs if min(photograph.shape[-2:]) >= size
    )
    chosen = list(islice(large, None if limit is None else max(limit, 1)))
    pairs = []
    # the first crop of every photograph comes first, so that a limit keeps many photographs
    for k in range(per_image):
        for name, photograph in chosen:
            high = crops(photograph, size, per_image)[k]
            pairs.append(Pair(f"{name}/{k}", high, quantise(bicubic(high, 1 / scale))))
    if not pairs:
        raise UsageError(f"data set {dataset}: no image is {size}×{size} pixels or larger")
    return pairs[:limit]
