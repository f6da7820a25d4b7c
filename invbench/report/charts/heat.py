"""Failures of families × severities as a heat map, a panel per entry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from invbench.report.charts.evidence import Evidence
from invbench.report.charts.style import Drawing, grid, style, tidy, type_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["heatmap"]

PANELS = 3  # entries: the best, the middle one and the last
COLOURS = "cividis_r"  # the same to colour-blind eyes, and darker means worse in grey too
LINE = 0.17  # inches that a family takes
SIZE = 6.5


def heatmap(evidence: Evidence) -> Drawing | None:
    """Inputs that fail, of each family and severity of the data set of most cells, for the best,
    the middle and the last entry by rank."""
    dataset = evidence.dataset(lambda name: name in evidence.ladders)
    families = evidence.ladders.get(dataset or "", {})
    severities = sorted({s for ladder in families.values() for s in ladder})
    rates = {
        (row["entry"], family, severity): row["error_pct"]
        for family, ladder in families.items()
        for severity, rows in ladder.items()
        for row in rows
        if "error_pct" in row
    }
    entries = [e for e in _by_rank(evidence, dataset or "") if any(key[0] == e for key in rates)]
    if not entries or len(families) < 2 or len(severities) < 2:
        return None
    shown = list(dict.fromkeys([entries[0], entries[len(entries) // 2], entries[-1]]))[:PANELS]
    values = {
        e: np.array([[rates.get((e, f, s), math.nan) for s in severities] for f in families])
        for e in shown
    }
    # the family that fails most often on top
    hardness = np.nanmean(np.concatenate([values[e] for e in shown], axis=1), axis=1)
    order = np.argsort(-np.nan_to_num(hardness), kind="stable")
    names = [list(families)[k] for k in order]
    with style():
        figure, panels = grid(len(shown), 2.0, 0.75 + LINE * len(names), len(shown), fixed=True)
        header = ["entry", "family", *(f"severity {s:g}, %" for s in severities)]
        drawing = Drawing(figure, [header])
        if len(entries) > len(shown):
            drawing.note = f"Drawn: the best, the middle and the last of {len(entries)} entries."
        for entry, axes in zip(shown, panels, strict=True):
            found = values[entry][order]
            image = axes.pcolormesh(
                found, cmap=COLOURS, vmin=0, vmax=100, edgecolors="white", lw=0.4
            )
            _panel(axes, found, names, [f"{s:g}" for s in severities])
            axes.set_title(tidy(entry), fontsize=type_size(8))
            mean = np.nanmean(found)
            drawing.mark(image, entry, f"{entry}: {mean:.0f} % of inputs fail, mean of the cells")
            drawing.table += [
                [entry, name, *("–" if math.isnan(v) else f"{v:.1f}" for v in row)]
                for name, row in zip(names, found, strict=True)
            ]
        figure.supxlabel(
            f"{evidence.page.strength}, {dataset}: inputs that fail, %", fontsize=type_size(8)
        )
    return drawing


def _by_rank(evidence: Evidence, dataset: str) -> list[str]:
    """Entries in the order of their changed conditions, then the others."""
    changed = [r["entry"] for r in evidence.pooled if r["case"] == f"{dataset}/ood"]
    return list(dict.fromkeys([*changed, *evidence.entries]))


def _panel(axes: Axes, found: np.ndarray, names: list[str], steps: list[str]) -> None:
    for (row, column), value in np.ndenumerate(found):
        if math.isnan(value):
            axes.text(column + 0.5, row + 0.5, "–", ha="center", va="center", fontsize=SIZE)
            continue
        axes.text(
            column + 0.5,
            row + 0.52,
            f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=type_size(SIZE) * (0.8 if value >= 99.5 else 1),
            color="white" if value > 55 else "#16191d",
        )
    axes.set_xticks(np.arange(len(steps)) + 0.5, steps, fontsize=type_size(SIZE))
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=type_size(7))
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
