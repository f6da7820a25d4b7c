"""The maps of Fig. 8: log10 of the largest |h| over channels per position, along depth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.flows import ConditionalFlow
from invbench.measures.depth import depth_profile, origin
from invbench.studies.picture import figure, png

__all__ = ["feature_maps"]

COLUMNS, CEILING = 5, 38.5  # log10 where an overflow is drawn: the largest float32


def feature_maps(
    flow: ConditionalFlow, z: list[Tensor], y: Tensor, title: str, threshold: float
) -> bytes:
    """PNG of the layers around the first one behind which some |h| exceeds ``threshold``, then of
    every third up to the data."""
    with torch.no_grad():
        steps = list(flow.trace(z, y))
    first = origin(depth_profile(flow, z, y), threshold)
    start = next(
        (k for k, (name, _) in enumerate(steps) if first is not None and name == first.name), 0
    )
    near = range(max(0, start - 3), min(len(steps), start + 4))
    wanted = sorted({0, *near, *range(start + 4, len(steps), 3), len(steps) - 1})
    maps = [
        steps[k][1][0]
        .abs()
        .nan_to_num(math.inf, math.inf)
        .amax(0)
        .clamp(min=1e-3)
        .log10()
        .clamp(max=CEILING)
        for k in wanted
    ]
    top = max(1.0, math.ceil(max(m.max().item() for m in maps)))
    rows = math.ceil(len(wanted) / COLUMNS)
    made = figure(11, 2.5 * rows)
    axes = made.subplots(rows, COLUMNS, squeeze=False)
    for panel in axes.flat:
        panel.axis("off")
    for panel, k, image in zip(axes.flat, wanted, maps, strict=False):
        shown = panel.imshow(
            image.cpu().numpy(), vmin=-1, vmax=top, cmap="magma", interpolation="nearest"
        )
        mark = " ← first > 10" if k == start else ""
        name = steps[k][0].replace("level", "L").replace("_step", ".")
        panel.set_title(f"{k}: {name}{mark}\n10^{image.max().item():.1f}", fontsize=8)
    made.colorbar(shown, ax=axes, shrink=0.7, label="log10 of the largest |h| over channels")
    made.suptitle(f"{title}: from noise to data", fontsize=10)
    return png(made)
