"""The phase diagram: the median jump against shift and length of training, a panel per design."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from invbench.report.charts.style import Drawing, png, style, svg
from invbench.studies.picture import figure
from invbench.studies.toy_map.causes import JUMPS
from invbench.training.toy2d.recipe import OOD_SHIFT

__all__ = ["medians", "picture"]

COLOURS = "cividis_r"  # the same to colour-blind eyes, and darker means larger in grey too
WIDTH, HEIGHT, ROW = 8 / 2.54, 0.62, 0.17  # inches: of the paper's column, of a panel, of a length
LETTERS = 6.5


def medians(points: pd.DataFrame) -> pd.DataFrame:
    """Upper median of the jump over seeds: rows are (design, iterations), columns shifts."""
    infinite = points.assign(jump=points.jump.fillna(math.inf))
    return infinite.pivot_table(
        index=["design", "iterations"],
        columns="shift",
        values="jump",
        aggfunc=lambda values: values.quantile(0.5, interpolation="higher"),
        sort=True,
    )


def picture(
    points: pd.DataFrame,
    stem: str = "toy_map",
    moved: str = "y + s·(1, −1)",
    columns: int = 1,
) -> dict[str, bytes]:
    """As PNG and SVG, 8 cm wide for each of the ``columns`` of panels. Framed: medians of 10⁴ or
    more. Numbers are log10. ``moved``: the condition."""
    if points.empty:
        return {}
    table, designs = medians(points), list(dict.fromkeys(points.design))
    with style():
        rows = [designs[k : k + columns] for k in range(0, len(designs), columns)]
        tallest = [max(len(table.loc[d]) for d in row) for row in rows]
        drawn = figure(columns * WIDTH, sum(HEIGHT + ROW * lengths for lengths in tallest))
        grid = drawn.subplots(
            len(rows), columns, squeeze=False, height_ratios=[lengths + 1 for lengths in tallest]
        )
        panels = grid.ravel()
        for empty in panels[len(designs) :]:
            empty.set_axis_off()
        for design, panel in zip(designs, panels, strict=False):
            own = np.log10(table.loc[design].to_numpy())
            image = panel.pcolormesh(
                np.minimum(own, 9),
                cmap=COLOURS,
                vmin=0,
                vmax=math.log10(JUMPS),
                edgecolors="w",
                lw=0.4,
            )
            for (row, column), value in np.ndenumerate(own):
                panel.text(
                    column + 0.5,
                    row + 0.47,
                    f"{value:.1f}".replace("-0.0", "0.0"),
                    ha="center",
                    va="center",
                    fontsize=LETTERS,
                    color="white" if value > 2 else "#16191d",
                    bbox={"boxstyle": "square,pad=0.15", "fc": "none", "ec": "white", "lw": 0.8}
                    if value >= math.log10(JUMPS)
                    else None,
                )
            lengths = [f"{n:,}".replace(",", " ") for n in table.loc[design].index]
            panel.set_yticks(np.arange(len(lengths)) + 0.5, lengths, fontsize=LETTERS)
            panel.set_title(design, fontsize=LETTERS + 1, loc="left", pad=2)
            shifts = [_shift(float(s)) for s in table.columns] if panel in grid[-1] else []
            panel.set_xticks(np.arange(len(shifts)) + 0.5, shifts, fontsize=LETTERS)
            panel.tick_params(length=0)
            panel.grid(visible=False)
            for side in ("left", "bottom"):
                panel.spines[side].set_visible(False)
        drawn.supxlabel(f"shift s of the condition, {moved}", fontsize=LETTERS)
        drawn.supylabel("iterations of training", fontsize=LETTERS)
        bar = drawn.colorbar(image, ax=panels.tolist(), shrink=0.5, aspect=25, pad=0.02)
        bar.set_label("log10 of the largest factor of a coupling", fontsize=LETTERS)
        bar.ax.tick_params(labelsize=LETTERS)
        made = Drawing(drawn)
        return {f"{stem}.png": png(made, 300), f"{stem}.svg": svg(made)}


def _shift(size: float) -> str:
    return f"{size:g}\n(paper)" if size == OOD_SHIFT else f"{size:g}"
