"""Names beside points, moved apart."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from invbench.report.charts.style import Look, narrow, per_row, taller, type_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MOST_NAMED", "label"]

GAP = 11.0  # points between two labels
MOST_BESIDE = 5  # names beside points on paper
MOST_NAMED = 40  # points with a name; every point says its own when touched


def label(axes: Axes, named: Sequence[tuple[float, float, str]], look: Mapping[str, Look]) -> None:
    """Names right of their points, in columns of neighbours, moved apart in height as little as
    need be; on paper, where several have no room, a legend below."""
    if not named:
        return
    if narrow() and len(named) > MOST_BESIDE:
        _legend(axes, {name for _, _, name in named}, look)
        return
    axes.figure.canvas.draw()  # type: ignore[attr-defined]
    at = axes.transData.transform([(x, y) for x, y, _ in named])
    scale = 72 / axes.figure.dpi
    at = at * scale
    size = type_size(8)
    gap, wide = GAP * size / 8, 95 * size / 8
    columns: list[list[int]] = []
    for i in np.argsort(at[:, 0], kind="stable"):
        if columns and at[i, 0] < at[columns[-1][0], 0] + wide:
            columns[-1].append(int(i))
        else:
            columns.append([int(i)])
    for column in columns:
        heights = _apart(at[column, 1], gap)
        edge = at[column, 0].max()
        for i, height in zip(column, heights, strict=True):
            near = all(i == j or abs(at[i, 1] - at[j, 1]) > gap for j in column)
            x = at[i, 0] if near else edge
            text = axes.annotate(
                named[i][2],
                named[i][:2],
                (x - at[i, 0] + 8, height - at[i, 1]),
                textcoords="offset points",
                fontsize=size,
                va="center",
                arrowprops=None
                if near
                else {"arrowstyle": "-", "color": "#8a929b", "lw": 0.5, "shrinkA": 0, "shrinkB": 3},
            )
            text.set_in_layout(False)  # many names must not squeeze the axes


def _legend(axes: Axes, names: Collection[str], look: Mapping[str, Look]) -> None:
    from matplotlib.lines import Line2D

    shown = [one for one in look.values() if one.label in names]
    marks = [Line2D([], [], **one.point, ms=5) for one in shown]
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes of a chart are in one
    taller(figure, len(shown))
    figure.legend(
        marks,
        [one.label for one in shown],
        loc="outside lower center",
        ncols=per_row(4),
        fontsize=type_size(8),
        handletextpad=0.1,
    )


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """The positions moved apart to at least ``gap``: groups that touch keep their common centre."""
    groups = [[i] for i in np.argsort(places, kind="stable")]
    while True:
        centres = [float(np.mean(places[g])) for g in groups]
        touching = [
            k
            for k in range(len(groups) - 1)
            if centres[k + 1] - centres[k] < gap * (len(groups[k]) + len(groups[k + 1])) / 2
        ]
        if not touching:
            break
        k = touching[0]
        groups[k : k + 2] = [groups[k] + groups[k + 1]]
    out = np.empty(len(places))
    for group, centre in zip(groups, centres, strict=True):
        for rank, i in enumerate(group):
            out[i] = centre + gap * (rank - (len(group) - 1) / 2)
    return out
