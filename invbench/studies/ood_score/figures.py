"""Figures 4a and 4b of the paper for our models, from the rows of ``inputs``."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from invbench.measures.association import logistic, rank_bins
from invbench.studies.picture import figure, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fig4a", "fig4b", "png_and_svg"]

BLUE, ORANGE = "#0072b2", "#d55e00"


def designs(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table.design))


def chosen(table: pd.DataFrame, design: str, name: str) -> pd.DataFrame:
    mine = table[table.design == design]
    return mine[mine.family == "clean"] if name == "clean" else mine[mine.in_range]


def marks(axes: Axes, x: list[float], rates: list[Any], **style: Any) -> None:
    rate = np.array([[100 * b.rate, 100 * (b.rate - b.lo), 100 * (b.hi - b.rate)] for b in rates])
    axes.errorbar(x, rate[:, 0], rate[:, 1:].T.clip(0), capsize=2, lw=1, ms=4, **style)


def fig4a(table: pd.DataFrame) -> Figure:
    drawn = figure(11, 5.4)
    grid = drawn.subplots(2, len(designs(table)), sharey="row", sharex="row")
    shown = {"clean": "clean photographs", "y in [0, 1]": "clean and changed, y in [0, 1]"}
    for row, (name, title) in zip(grid, shown.items(), strict=True):
        for axes, design in zip(row, designs(table), strict=True):
            part = chosen(table, design, name)
            for score, colour, fmt, move in (
                ("flat", BLUE, "o", -0.012),
                ("mean", ORANGE, "s", 0.012),
            ):
                found = rank_bins(
                    part[score].to_numpy(), part.error.to_numpy(), part.photograph.to_numpy()
                )
                centres = [(b.first + b.last) / 2 + move * len(part) for b in found]
                marks(axes, centres, found, fmt=fmt, color=colour, label=f"ranked by {score} score")
            axes.axhline(
                100 * part.error.mean(),
                color="0.35",
                ls="--",
                lw=1.2,
                label="average of all inputs",
            )
            axes.set_ylim(-4, 104)
            axes.set_title(f"{design}, n = {len(part)}", fontsize=9)
            axes.grid(axis="y", color="0.92")
        row[0].set_ylabel(f"{title}\ninputs with an error pixel, %", fontsize=9)
    drawn.supxlabel("rank of the OOD score (left: furthest from the training patches)", fontsize=9)
    drawn.suptitle("Failure rate by rank of s_OOD, ten groups, 95 % intervals", fontsize=10)
    grid[0, 0].legend(fontsize=7.5, loc="upper right")
    return drawn


def fig4b(table: pd.DataFrame) -> Figure:
    drawn = figure(11, 3.7)
    grid = drawn.subplots(1, len(designs(table)), sharey=True, sharex=True)
    jitter = np.random.default_rng(0)
    for axes, design in zip(grid, designs(table), strict=True):
        for name, label, colour, fmt in (
            ("y in [0, 1]", "clean and changed", ORANGE, "s"),
            ("clean", "clean only", BLUE, "o"),
        ):
            part = chosen(table, design, name)
            score, failed = part["flat"].to_numpy(), part.error.to_numpy()
            fit = logistic(score, failed)
            found = rank_bins(score, failed, part.photograph.to_numpy())
            marks(
                axes,
                [math.sqrt(b.score_lo * b.score_hi) for b in found],
                found,
                fmt=fmt,
                color=colour,
                alpha=0.75,
            )
            if fit.status == "ok" and fit.failures >= 10:
                x = np.geomspace(score.min(), score.max(), 200)
                axes.plot(
                    x,
                    100 * fit.rate(x),
                    color=colour,
                    lw=2,
                    label=f"{label}: slope {fit.slope:.2f}",
                )
            else:
                axes.plot(
                    [],
                    [],
                    color=colour,
                    lw=2,
                    label=(
                        f"{label}: {fit.failures or 'no'} input{'s' * (fit.failures > 1)} "
                        f"fail{'s' * (fit.failures < 2)}"
                    ),
                )
            points = part[(part.family == "clean") == (name == "clean")]
            base = np.where(points.error == 1, 108, -8) + jitter.uniform(-4, 4, len(points))
            axes.plot(
                points["flat"], base, ".", ms=2.2, mew=0, color=colour, alpha=0.6, rasterized=True
            )
        axes.set_xscale("log")
        axes.set_ylim(-15, 115)
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.grid(axis="y", color="0.92")
        axes.set_title(design, fontsize=9)
        axes.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False)
    grid[0].set_ylabel("inputs with an error pixel, %", fontsize=9)
    drawn.supxlabel("OOD score s_OOD, the whole feature map as one vector (log scale)", fontsize=9)
    drawn.suptitle(
        "Logistic regression of failure on ln s_OOD (lines); rate in ten groups with 95 % "
        "intervals; dots: inputs that fail (above) or do not",
        fontsize=10,
    )
    return drawn


def png_and_svg(name: str, drawn: Figure) -> dict[str, bytes]:
    """The same drawing always gives the same bytes. The PNG comes first: drawing moves the layout."""
    import matplotlib

    picture, file = png(drawn, 130), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        drawn.savefig(file, format="svg", metadata={"Date": None})
    return {name: picture, f"{name}.svg": file.getvalue()}
