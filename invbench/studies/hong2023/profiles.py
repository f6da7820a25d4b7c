"""Variance along depth of the super-resolution flows: Fig. 3b and 3c show it for the toy."""

from __future__ import annotations

import math

import pandas as pd
import torch

from invbench.corruptions import corrupt
from invbench.data.datasets import sr_pairs
from invbench.measures.depth import depth_profile
from invbench.studies.picture import COLOURS, DASHES, figure, png
from invbench.training.weights import load_flow

__all__ = ["profile_picture", "profiles"]

CROP, TEMPERATURE, OOD = 128, 0.9, ("checkerboard", 5)
SIDES = {"in": "clean photographs", "out": f"{OOD[0]}, severity {OOD[1]}"}


def profiles() -> pd.DataFrame:
    """One row per design, condition and layer, one sample of each embedded photograph. Raises
    ``UsageError`` without weights."""
    rows = []
    pairs = sr_pairs("embedded", CROP, 1)
    conditions = {
        "in": torch.stack([pair.low for pair in pairs]),
        "out": torch.stack(corrupt(*OOD, pairs, 0)),
    }
    for design in COLOURS:
        flow = load_flow("srflow", design)
        for side, y in conditions.items():
            z = flow.sample_latents(len(y), y, TEMPERATURE, torch.Generator().manual_seed(0))
            for depth, r in enumerate(depth_profile(flow, z, y)):
                row = {
                    "design": design,
                    "condition": side,
                    "depth": depth,
                    "layer": r.name,
                    "kind": r.kind,
                }
                rows.append(
                    row
                    | {"variance": r.variance, "max_abs_log10": r.max_abs_log10, "growth": r.growth}
                )
    return pd.DataFrame(rows)


def profile_picture(table: pd.DataFrame) -> bytes:
    made = figure(11, 3.6)
    panels = made.subplots(1, 2, sharey=True)
    for panel, (side, title) in zip(panels, SIDES.items(), strict=True):
        for design, colour in COLOURS.items():
            mine = table[(table.design == design) & (table.condition == side)]
            finite = mine[mine.variance < math.inf]
            panel.plot(
                finite.depth, finite.variance, DASHES[design], color=colour, label=design, lw=1.6
            )
            if len(finite) < len(mine):
                panel.plot(
                    finite.depth.iloc[-1:],
                    finite.variance.iloc[-1:],
                    "x",
                    color=colour,
                    ms=9,
                    mew=2,
                )
        kinds = table[table.condition == side].drop_duplicates("depth")
        for depth, kind in zip(kinds.depth, kinds.kind, strict=True):
            if kind in ("coupling", "split"):
                panel.axvspan(
                    depth - 0.5,
                    depth + 0.5,
                    color="0.93" if kind == "coupling" else "#cfe3f5",
                    lw=0,
                    zorder=0,
                )
        panel.set_yscale("log")
        panel.set_title(title, fontsize=10)
        panel.set_xlabel(
            "layer, noise to data; couplings grey, the split blue; ×: not finite behind it",
            fontsize=8,
        )
    panels[0].set_ylabel("variance of h, mean over channels", fontsize=9)
    panels[0].legend(fontsize=8, frameon=False)
    return png(made)
