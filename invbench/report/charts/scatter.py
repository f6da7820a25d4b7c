"""Entries as points: magnitude against sensitivity, quality against robustness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from invbench.report.charts.evidence import Evidence, Row, has, number, rate
from invbench.report.charts.labels import MOST_NAMED, label
from invbench.report.charts.style import Drawing, axis_text, grid, looks, style, type_size
from invbench.report.column_docs import meanings
from invbench.tracks import TRACKS

__all__ = ["pareto", "sensitivity"]

LEAST = 0.1  # where a displacement of 0 is drawn


def sensitivity(evidence: Evidence) -> Drawing | None:
    """Coupling: displacement against the slope of the inverse. Flows: largest |x| against
    σmax(J⁻¹), clean and out of distribution."""
    return _designs(evidence) if TRACKS[evidence.track].one_case else _flows(evidence)


def _designs(evidence: Evidence) -> Drawing | None:
    rows = [r for r in evidence.pooled if has(r, "displacement") and has(r, "inv_lipschitz_lower")]
    if not rows:
        return None
    rows.sort(key=lambda r: (r["inv_lipschitz_lower"], r["entry"]))
    finite = [r["displacement"] for r in rows if math.isfinite(r["displacement"])]
    edge = 10 * max([1.0, *finite])
    heights = [
        v
        for r in rows
        for c in ("inv_lipschitz_lower", "inv_lipschitz_upper")
        if has(r, c) and math.isfinite(v := r[c])
    ]
    top = 30 * max([1.0, *heights])
    look = looks([r["entry"] for r in rows])
    with style():
        figure, (axes,) = grid(1, 8.4, 5.8, 1)
        drawing = Drawing(
            figure, [["design", "displacement", "steepest inverse found", "certified", "tier"]]
        )
        labels: list[tuple[float, float, str]] = []
        for row in rows:
            # those without a bound stand side by side, lest one bar hides the next
            unbounded = sum(x >= edge for x, _, _ in labels) % 4
            x = (
                max(row["displacement"], LEAST)
                if math.isfinite(row["displacement"])
                else edge * 1.25**unbounded
            )
            y, upper = (
                min(row["inv_lipschitz_lower"], top),
                row.get("inv_lipschitz_upper", math.nan),
            )
            one = look[row["entry"]]
            if has(row, "inv_lipschitz_upper"):
                axes.plot([x, x], [y, min(upper, top)], color=one.colour, lw=0.8)
                axes.plot(
                    x,
                    min(upper, top),
                    marker="^" if math.isinf(upper) else "_",
                    ms=8,
                    color=one.colour,
                )
            (point,) = axes.plot(x, y, **one.point)
            said = (
                f"{row['entry']}: displacement {number(row['displacement'])}, inverse found "
                f"{number(row['inv_lipschitz_lower'])}"
            )
            drawing.mark(point, row["entry"], f"{said}, certified {number(upper)}")
            labels.append((x, y, one.label))
            tier = str(row.get("inv_lipschitz_upper_tier") or "")
            values = [
                number(row["displacement"]),
                number(row["inv_lipschitz_lower"]),
                number(upper),
                tier,
            ]
            drawing.table.append([row["entry"], *values])
        axes.set(xscale="log", yscale="log", xlim=(LEAST / 2, edge * 12), ylim=(0.3, top * 4))
        label(axes, labels[:MOST_NAMED], look)
        ticks = [t for t in (1, 10, 100, 1000) if t < edge / 2]
        axes.set_xticks([LEAST, *ticks, edge], ["0", *map(str, ticks), "unbounded"])
        axes.set_yticks(
            decades := [10.0**k for k in range(0, math.ceil(math.log10(top)), 2)],
            [power(math.log10(d)) for d in decades],
        )
        axes.minorticks_off()
        axes.set_xlabel(
            axis_text(
                "magnitude: how far the inverse moves a value apart from the shift (displacement)"
            )
        )
        axes.set_ylabel(
            axis_text(
                "sensitivity: steepest inverse; point found, bar certified (▲ no finite bound)",
                0.65,
            )
        )
    return drawing


def _flows(evidence: Evidence) -> Drawing | None:
    dataset = evidence.dataset(
        lambda name: (row := _pooled(evidence, name)) is not None and _both(row)
    )
    rows = [r for r in evidence.pooled if _both(r) and r["case"].partition("/")[0] == dataset]
    if not rows:
        return None
    look = looks(evidence.entries)
    right, top = (
        1.6 * max([3.0, *(v for r in rows if math.isfinite(v := abs(read(r))))])
        for read in (_size, _stretch)
    )
    with style():
        figure, (axes,) = grid(1, 8.4, 5.2, 1)
        drawing = Drawing(
            figure, [["entry", "condition", "largest |x|, log10", "steepest inverse found, log10"]]
        )
        labels: list[tuple[float, float, str]] = []
        ends: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            x, y, one = _size(row), _stretch(row), look[row["entry"]]
            where = min(x, right), max(-2.0, min(y, top))
            clean = row["case"].endswith("/clean")
            (point,) = axes.plot(
                *where, **one.point, markerfacecolor="none" if clean else one.colour, ms=7, zorder=3
            )
            said = (
                f"{row['entry']}, {row['case']}: largest |x| 10^{number(x)}, inverse found "
                f"10^{number(y)}"
            )
            drawing.mark(point, row["entry"], said)
            ends.setdefault(row["entry"], []).append(where)
            if not clean:
                labels.append((*where, one.label))
            drawing.table.append([row["entry"], row["case"], number(x), number(y)])
        for entry, members in ends.items():
            axes.plot(*zip(*members, strict=True), color=look[entry].colour, lw=0.7, ls=":")
        axes.set_xscale("symlog", linthresh=1)
        axes.set_yscale("symlog", linthresh=1)
        for axis, limit in ((axes.xaxis, right), (axes.yaxis, top)):
            ticks = [t for t in (-1, 0, 1, 3, 10, 30, 100, 300) if t < 0.8 * limit]
            axis.set_ticks([*ticks, limit], [*map(power, ticks), "∞"])
            axis.set_minor_locator(_no_ticks())
        axes.set_xlim(-0.3, right * 2.2)
        axes.set_ylim(
            min(-0.5, *(y for points in ends.values() for _, y in points)) - 0.2, top * 1.3
        )
        label(axes, labels[:MOST_NAMED], look)
        axes.set_xlabel("magnitude: largest |x| of any sample")
        axes.set_ylabel(axis_text("sensitivity: σmax of the decoder, found", 0.65))
        axes.set_title(
            axis_text(f"{dataset}: hollow clean, filled out of distribution or attacked", 0.8),
            fontsize=type_size(9),
            loc="left",
        )
    return drawing


def _pooled(evidence: Evidence, dataset: str) -> Row | None:
    return next((r for r in evidence.pooled if r["case"] == f"{dataset}/ood"), None)


def _both(row: Row) -> bool:
    return has(row, "max_abs_log10") and has(row, "inv_lipschitz_lower")


def _size(row: Row) -> float:
    return float(row["max_abs_log10"])


def _stretch(row: Row) -> float:
    value = row["inv_lipschitz_lower"]
    return math.log10(value) if value > 0 else -math.inf


def power(exponent: float) -> str:
    return "10" + f"{exponent:.0f}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def pareto(evidence: Evidence) -> Drawing | None:
    """Quality in distribution against the failure rate out of it, with intervals; the line joins
    what nothing beats in both."""
    if evidence.page.quality is None:
        return None
    column, larger = evidence.page.quality
    points: list[tuple[str, float, float, float, float]] = []
    source, shifted = evidence.in_distribution
    outside = evidence.within({r["case"] for r in shifted})
    for entry in evidence.entries:
        row = evidence.row(entry, source) if source else None
        if row and has(row, column) and any(r["entry"] == entry and r.get("n") for r in shifted):
            points.append((entry, row[column], *rate(outside[entry])))
    if not points:
        return None
    sign = -1.0 if larger else 1.0
    front = [p for p in points if not any(_beats(q, p, sign) for q in points)]
    look = looks(evidence.entries)
    with style():
        figure, (axes,) = grid(1, 7.4, 4.6, 1)
        drawing = Drawing(
            figure,
            [
                [
                    "entry",
                    f"{column}, {source}",
                    "failing out of distribution, %",
                    "95 % interval",
                    "front",
                ]
            ],
        )
        for entry, quality, middle, low, high in points:
            one = look[entry]
            axes.plot([low, high], [quality, quality], color=one.colour, lw=1.2)
            (point,) = axes.plot(middle, quality, **one.point, ms=7)
            interval = f"[{low:.1f}, {high:.1f}]"
            drawing.mark(
                point,
                entry,
                f"{entry}: {column} {number(quality)}, failing {middle:.1f} % {interval}",
            )
            on_front = "yes" if any(entry == p[0] for p in front) else "no"
            drawing.table.append([entry, number(quality), f"{middle:.1f}", interval, on_front])
        ordered = sorted(front, key=lambda p: p[2])
        axes.plot(
            [p[2] for p in ordered],
            [p[1] for p in ordered],
            color="#8a929b",
            lw=1,
            ls=":",
            zorder=0,
        )
        axes.set_xlim(-3, 125)
        axes.set_xticks(range(0, 101, 20))
        label(
            axes,
            [
                (high, quality, look[entry].label)
                for entry, quality, _, _, high in points[:MOST_NAMED]
            ],
            look,
        )
        axes.set_xlabel(
            axis_text("inputs that fail out of distribution, % (bar: 95 %); left is better")
        )
        axes.set_ylabel(
            axis_text(
                f"{meanings()[column].title}, {source}; {'up' if larger else 'down'} is better",
                0.65,
            )
        )
    return drawing


def _beats(q: Sequence[Any], p: Sequence[Any], sign: float) -> bool:
    return (
        (sign * q[1], q[2]) != (sign * p[1], p[2]) and sign * q[1] <= sign * p[1] and q[2] <= p[2]
    )
