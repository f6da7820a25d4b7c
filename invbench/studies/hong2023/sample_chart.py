"""Samples with artefacts beside sound ones, small enough for a column of a paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from torch import Tensor

from invbench.console import err
from invbench.measures.explosion import explosion
from invbench.report.charts import Evidence
from invbench.report.charts.style import Drawing, axis_text, grid, style, tidy, type_size
from invbench.store.record import Record
from invbench.studies.hong2023.artefacts.fig6 import ROWS
from invbench.studies.hong2023.sample_picks import SHOWN, Pick, picks
from invbench.studies.hong2023.sample_sheet import said
from invbench.studies.picture import as_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw", "fig6"]

FRAME = "#d55e00"  # around a sample with an error; the number below it says the same
NOTE = "framed: a pixel outside [−0.5, 1.5]; max: the largest |x| of the sample"
HEADS = ("input", *SHOWN, "truth")
PANEL, BELOW = 1.45, 0.12  # inches: a picture where there is room, and how much a line takes


def fig6(evidence: Evidence) -> Drawing | None:
    """Draws of ``affine``, its floor and ``modified-rq`` from the same latents, on the photographs
    that the rules of ``reproduce fig6`` pick; decoded again, and the terminal says so."""

    def cells_of(design: str, case: str) -> Sequence[Record]:
        found = evidence.by_case(lambda spec: spec.entry == design and not spec.attack)
        return next((cells for (one, _), cells in found.items() if one.name == case), [])

    with err.status("choosing photographs") as status:
        found = picks(cells_of, ROWS, lambda line: status.update(escape(line)))
    return draw(found) if found else None


def draw(found: Sequence[Pick]) -> Drawing:
    """A row per pick: the input, a sample of each design with its largest |x| below it, the truth."""
    with style():
        figure, axes = grid(len(HEADS) * len(found), PANEL, PANEL + BELOW, len(HEADS), fixed=True)
        across = figure.get_figwidth()
        side = 0.92 * across / len(HEADS)  # the rest lies between
        figure.set_size_inches(
            across, len(found) * (side + 1.6 * type_size(8) / 72) + 5 * type_size(8) / 72
        )
        head = ["condition", "photograph", "design", "samples with an error", "largest abs(x)"]
        drawing = Drawing(figure, [head], note=NOTE)
        for row, pick in enumerate(found):
            mine = axes[row * len(HEADS) : (row + 1) * len(HEADS)]
            if row == 0:
                for panel, title in zip(mine, HEADS, strict=True):
                    panel.set_title(tidy(title), fontsize=type_size(8), pad=3)
            _picture(mine[0], pick.given.y, pick.given.case.rpartition("/")[2])
            _picture(mine[-1], pick.given.pair.high, pick.photograph)
            for panel, (design, x) in zip(mine[1:-1], pick.shown.items(), strict=True):
                size = explosion(x[None])
                _picture(panel, x, _power(size.max_abs_log10), bool(size.failed_samples))
                words = said(pick.samples[design])
                where = [pick.given.case, pick.photograph, design]
                drawing.table.append([*where, *words.values()])
        figure.supxlabel(axis_text(NOTE), fontsize=type_size(8))
    return drawing


def _power(log10: float) -> str:
    return f"max 10^{log10:.1f}" if math.isfinite(log10) else "not finite"


def _picture(axes: Axes, x: Tensor, text: str, error: bool = False) -> None:
    axes.imshow(as_image(x), interpolation="none", extent=(0, 1, 0, 1))  # y is shared
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlabel(tidy(text), fontsize=type_size(8), labelpad=2)
    for spine in axes.spines.values():
        spine.set(visible=error, color=FRAME, linewidth=1.6)
