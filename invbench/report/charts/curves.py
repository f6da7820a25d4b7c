"""Entries as curves: failures against severity and ε, survival against the critical radius."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from invbench.report.charts.evidence import Evidence, average, number, rate
from invbench.report.charts.style import (
    Drawing,
    Look,
    axis_text,
    grid,
    looks,
    per_row,
    style,
    taller,
    type_size,
)
from invbench.store.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["eps", "severity", "survival"]

FARTHEST = 4.0  # τ, beyond which no radius is searched
LEVELS = (
    ("radius_F2", "some |x| > 10"),
    ("radius_typical_F2", "some |x| > 10, typical latents"),
    ("radius_F1", "not finite"),
    ("radius_error", "some |x| > 2"),
)


def severity(evidence: Evidence) -> Drawing | None:
    """Failing inputs against severity, a panel per family, on the data set of most cells."""
    dataset = evidence.dataset(lambda name: name in evidence.ladders)
    families = evidence.ladders.get(dataset or "", {})
    if not families:
        return None
    drawn, look = evidence.drawn, looks(evidence.entries)
    steps = sorted({s for ladder in families.values() for s in ladder})
    with style():
        figure, panels = grid(
            len(families), 1.9 if len(families) > 1 else 6.4, 1.75 if len(families) > 1 else 3.8, 5
        )
        header = [
            "condition",
            "entry",
            *(f"{evidence.page.strength.partition(' ')[0]} {s:g}, %" for s in steps),
        ]
        drawing = Drawing(figure, [header], note=evidence.note)
        for (family, ladder), axes in zip(sorted(families.items()), panels, strict=True):
            for entry in drawn:
                found = [
                    (s, r)
                    for s in sorted(ladder)
                    for r in ladder[s]
                    if r["entry"] == entry and "error_pct" in r
                ]
                if not found:
                    continue
                x, y = [s for s, _ in found], [r["error_pct"] for _, r in found]
                (line,) = axes.plot(
                    x, y, **look[entry].line, marker=look[entry].marker, ms=3.5, lw=1.3
                )
                axes.fill_between(
                    x,
                    [r["error_lo"] for _, r in found],
                    [r["error_hi"] for _, r in found],
                    color=look[entry].colour,
                    alpha=0.1,
                    lw=0,
                )
                drawing.mark(
                    line,
                    entry,
                    f"{entry}, {family}: "
                    + ", ".join(f"{s:g}: {v:.0f} %" for s, v in zip(x, y, strict=True)),
                )
                rates = dict(zip(x, y, strict=True))
                drawing.table.append(
                    [family, entry, *(f"{rates[s]:.1f}" if s in rates else "–" for s in steps)]
                )
            axes.set_title(family, fontsize=type_size(9))
            axes.set_ylim(-4, 104)
            axes.set_xticks(
                sorted(ladder) if len(families) > 1 else steps,
                [f"{s:g}" for s in (sorted(ladder) if len(families) > 1 else steps)],
            )
        figure.supxlabel(
            evidence.page.strength + (f", {dataset}" if dataset else ""), fontsize=type_size(9)
        )
        figure.supylabel("inputs that fail, % (band: 95 %)", fontsize=type_size(9))
        _legend(figure, drawn, look)
    return drawing


def eps(evidence: Evidence) -> Drawing | None:
    """What attacks reach within ε of the condition: failing shares of fresh latents, and of inputs
    when the latents are searched too."""
    ladder = evidence.by_case(lambda spec: spec.eps is not None)
    dataset = evidence.dataset(lambda name: any(case.dataset == name for case, _ in ladder))
    found: dict[str, dict[str, list[tuple[int, float, float, float]]]] = {}
    for (case, entry), cells in ladder.items():
        if case.dataset != dataset or entry not in evidence.drawn:
            continue
        if reached := _success(case.attack, cells):
            found.setdefault(case.attack, {}).setdefault(entry, []).append(
                (case.eps or 0, *reached)
            )
    # one radius alone is no curve
    found = {
        a: one
        for a, one in found.items()
        if len({e for points in one.values() for e, *_ in points}) > 1
    }
    if not found:
        return None
    look = looks(evidence.entries)
    entries = sorted({entry for ladders in found.values() for entry in ladders})
    with style():
        figure, panels = grid(len(found), 3.6, 3.5, 3)
        drawing = Drawing(
            figure,
            [["attack", "entry", "ε, 1/255", "success, %", "95 % interval"]],
            note=evidence.note,
        )
        for (attack, by_entry), axes in zip(sorted(found.items()), panels, strict=True):
            for entry, points in sorted(by_entry.items()):
                points.sort()
                x, y = [p[0] for p in points], [p[1] for p in points]
                (line,) = axes.plot(x, y, **look[entry].line, marker=look[entry].marker)
                below, above = [p[1] - p[2] for p in points], [p[3] - p[1] for p in points]
                axes.errorbar(
                    x,
                    y,
                    [below, above],
                    fmt="none",
                    ecolor=look[entry].colour,
                    elinewidth=0.9,
                    capsize=2,
                )
                drawing.mark(
                    line,
                    entry,
                    f"{entry}, {attack}: "
                    + ", ".join(f"{a}/255: {b:.1f} %" for a, b in zip(x, y, strict=True)),
                )
                drawing.table += [
                    [attack, entry, str(a), f"{b:.2f}", f"[{lo:.2f}, {hi:.2f}]"]
                    for a, b, lo, hi in points
                ]
            what = (
                "share of fresh latents that fail" if attack == "condition" else "inputs that fail"
            )
            axes.set_title(f"attack {attack}\n{what}", fontsize=type_size(9))
            ticks = sorted({e for points in by_entry.values() for e, *_ in points})
            axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [str(t) for t in ticks])
            axes.minorticks_off()
            axes.set_ylim(-4, 104)
        figure.supxlabel(f"ε of the condition, 1/255 ({dataset})", fontsize=type_size(9))
        figure.supylabel("success, % (bar: 95 %)", fontsize=type_size(9))
        _legend(figure, entries, look)
    return drawing


def survival(evidence: Evidence) -> Drawing | None:
    """Kaplan–Meier curves: the share of inputs that still hold when a typical latent is moved by up
    to r."""
    cells = evidence.by_case(lambda spec: spec.measure == "radius")
    panels_of: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for (case, entry), members in cells.items():
        for level, said in LEVELS:
            values = [v for cell in members for v in cell.numbers(level)]
            if values and entry in evidence.drawn:
                panels_of.setdefault((case.name.removesuffix("#radius"), said, level), {})[
                    entry
                ] = values
    if not panels_of:
        return None
    chosen = sorted(panels_of, key=lambda key: (-len(panels_of[key]), key))[:6]
    look = looks(evidence.entries)
    entries = sorted({entry for key in chosen for entry in panels_of[key]})
    with style():
        figure, panels = grid(len(chosen), 3.6, 3.3, 3)
        drawing = Drawing(
            figure,
            [["condition", "until", "entry", "inputs", "broken within 4τ", "median radius, τ"]],
            note=evidence.note,
        )
        for key, axes in zip(sorted(chosen), panels, strict=True):
            for entry, values in panels_of[key].items():
                x, y = _kaplan_meier(values)
                (line,) = axes.step(x, y, where="post", **look[entry].line)
                broken = sum(math.isfinite(v) for v in values)
                middle = number(statistics.median_high(values))
                drawing.mark(
                    line,
                    entry,
                    (
                        f"{entry}, {key[0]}, {key[1]}: {broken} of {len(values)} broken, median "
                        f"radius {middle} τ"
                    ),
                )
                drawing.table.append([key[0], key[1], entry, str(len(values)), str(broken), middle])
            axes.set_title(axis_text(f"{key[0]}: {key[1]}", 0.45), fontsize=type_size(9))
            axes.set(xlim=(0, FARTHEST), ylim=(-0.04, 1.04))
        figure.supxlabel(
            "largest change of an element of a typical latent, τ", fontsize=type_size(9)
        )
        figure.supylabel("inputs that still hold", fontsize=type_size(9))
        _legend(figure, entries, look)
    return drawing


def _kaplan_meier(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Steps of the survival curve of values of which the infinite ones are censored at 4τ."""
    from scipy.stats import CensoredData, ecdf

    seen = [v for v in values if math.isfinite(v)]
    curve = ecdf(CensoredData(uncensored=seen, right=[FARTHEST] * (len(values) - len(seen)))).sf
    x = np.concatenate(([0.0], curve.quantiles, [FARTHEST]))
    y = np.concatenate(([1.0], curve.probabilities, curve.probabilities[-1:]))
    return x.tolist(), y.tolist()


def _success(attack: str, cells: Sequence[Record]) -> tuple[float, float, float] | None:
    """(percent, low, high): of inputs that fail, and for the attack on the condition the mean over
    inputs of its rate over latents."""
    measure = "rate" if attack == "condition" else "error"
    measured = [cell for cell in cells if any(map(math.isfinite, cell.numbers(measure)))]
    if not measured:
        return None
    return average(measured, measure) if attack == "condition" else rate(measured)


def _legend(figure: Figure, entries: Sequence[str], look: dict[str, Look]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], **look[e].line, marker=look[e].marker, ms=4) for e in entries]
    taller(figure, len(entries))
    figure.legend(
        lines,
        [look[e].label for e in entries],
        loc="outside upper center",
        ncols=per_row(4),
        fontsize=type_size(9),
    )
