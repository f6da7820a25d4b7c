"""The certified bound of a flow against its bits per dimension: a point per row that has both."""

from __future__ import annotations

import math

from invbench.report.charts.evidence import Evidence, has, number
from invbench.report.charts.labels import MOST_NAMED, label
from invbench.report.charts.style import Drawing, grid, looks, narrow, style, type_size
from invbench.report.column_docs import meanings

__all__ = ["bound"]

IN_BITS = ("unconditional",)  # tracks whose nll is in bits
COLUMNS = ("bits", "nll")  # what a track calls the fit of a flow, the first that it has counts


def bound(evidence: Evidence) -> Drawing | None:
    """Fit in distribution against log10 of the certified |x|; flows without a finite bound stand on
    a line of their own, and what was found of each hangs below its bound."""
    cases = [c for c in {r["case"] for r in evidence.pooled} if _clean(evidence, c)]
    for column in COLUMNS:
        rows = [
            row
            for row in evidence.pooled
            if row["case"] in cases and has(row, column) and has(row, "max_abs_certified")
        ]
        if rows:
            break
    else:
        return None
    dataset = max(
        sorted({row["case"].partition("/")[0] for row in rows}),
        key=lambda name: sum(row["case"].partition("/")[0] == name for row in rows),
    )
    rows = [row for row in rows if row["case"].partition("/")[0] == dataset]
    finite = [row["max_abs_certified"] for row in rows if math.isfinite(row["max_abs_certified"])]
    sizes = [row["max_abs_log10"] for row in rows if has(row, "max_abs_log10")]
    top = 1.25 * max([2.0, *finite, *(v for v in sizes if math.isfinite(v))])
    look = looks(evidence.entries)
    title = "bits per dimension" if evidence.track in IN_BITS else meanings()[column].title
    with style():
        figure, (axes,) = grid(1, 7.4, 4.8, 1)
        head = ["entry", "condition", title, "certified |x|, log10", "found |x|, log10"]
        drawing = Drawing(figure, [head])
        named = []
        for row in rows:
            x, y = row[column], min(row["max_abs_certified"], top)
            one, found = look[row["entry"]], row.get("max_abs_log10")
            if found is not None and not math.isnan(found):
                axes.plot([x, x], [min(found, top), y], color=one.colour, lw=0.9, ls=":")
                axes.plot(x, min(found, top), marker="_", ms=7, color=one.colour)
            (point,) = axes.plot(x, y, **one.point, ms=7)
            other = row["case"].partition(" ")[2]  # of another flow than the track's own
            name = f"{one.label} {other}".strip() if not narrow() else one.label
            said = f"{row['entry']}, {row['case']}: {title} {number(x)}, certified |x| 10^"
            drawing.mark(point, row["entry"], said + number(row["max_abs_certified"]))
            drawing.table.append(
                [
                    row["entry"],
                    row["case"],
                    number(x),
                    number(row["max_abs_certified"]),
                    number(found),
                ]
            )
            named.append((x, y, name))
        axes.axhline(top, color="#8a929b", lw=0.8, zorder=0)
        spread = max(x for x, _, _ in named) - min(x for x, _, _ in named) or 1.0
        axes.set_xlim(
            min(x for x, _, _ in named) - 0.08 * spread, max(x for x, _, _ in named) + 0.5 * spread
        )
        axes.set_ylim(min(-0.5, *sizes, *finite, 0.0) - 0.1 * top, 1.22 * top)
        ticks = [t for t in axes.get_yticks() if 0 <= t < 0.9 * top]
        axes.set_yticks([*ticks, top], [*(f"{t:g}" for t in ticks), "∞"])
        label(axes, named[:MOST_NAMED], look)
        axes.set_xlabel(f"{title}, {rows[0]['case'].partition(' ')[0]}; left is better")
        axes.set_ylabel("certified |x|, log10 (dash: found)", fontsize=type_size(9))
    return drawing


def _clean(evidence: Evidence, case: str) -> bool:
    """Whether a row is of the condition that a flow was trained for."""
    return case.partition(" ")[0].rpartition("/")[2] in evidence.page.clean
