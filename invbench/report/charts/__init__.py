"""Charts of the leaderboard, for papers and for the page: each a record in ``CHARTS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from invbench.report.charts import curves, scatter
from invbench.report.charts.bound import bound
from invbench.report.charts.evidence import Evidence
from invbench.report.charts.heat import heatmap
from invbench.report.charts.style import Drawing, png, svg
from invbench.tracks import TRACKS

__all__ = ["CHARTS", "Chart", "Evidence", "png", "svg", "tracks_of"]


@dataclass(frozen=True)
class Chart:
    """``draw`` gives None where the track has nothing to show; a track names those that it may have
    (``Page.charts``), or the chart its ``tracks``; ``caption`` says how to read it and how it
    misleads."""

    title: str
    caption: str
    draw: Callable[[Evidence], Drawing | None]
    tracks: tuple[str, ...] = ()


CHARTS: dict[str, Chart] = {
    "sensitivity": Chart(
        "Magnitude against sensitivity",
        "Right: outputs get large. Up: errors grow. A bound on one is no bound on the other. "
        "Points are the worst found, lower bounds; "
        "a certified bound, where a design has one, is drawn as a bar and never as a point.",
        scatter.sensitivity,
    ),
    "pareto": Chart(
        "Quality against robustness",
        (
            "The dotted line joins entries that no other beats in both. Quality is measured in "
            "distribution on clamped samples, failures out of it."
        ),
        scatter.pareto,
    ),
    "bound": Chart(
        "Certified bound against bits",
        "Left: the flow fits its data better. Down: no condition can make its outputs larger. "
        "On the line ∞ no finite bound is known; the dash below a point is the largest that was "
        "found of clean inputs, and is no bound.",
        bound,
    ),
    "severity": Chart(
        "Failure rate against severity",
        "A panel per family. Severity 3 of one family is not as hard as severity 3 of another.",
        curves.severity,
    ),
    "heatmap": Chart(
        "Families and severities",
        "Inputs that fail, in percent, darker is worse; families in order of how often they do. "
        "Severity 3 of one family is not as hard as severity 3 of another.",
        heatmap,
    ),
    "eps": Chart(
        "Success of attacks against ε",
        (
            "What searches at a fixed budget reach. A low curve says that this search found "
            "nothing, not that nothing is there."
        ),
        curves.eps,
    ),
    "survival": Chart(
        "Survival against the critical radius",
        (
            "Share of inputs that no search has broken within this distance; censored at 4τ. An "
            "upper bound of robustness."
        ),
        curves.survival,
    ),
}


def tracks_of(chart: str) -> list[str]:
    """The tracks that may have a chart, those first that name it first."""
    pages = {name: TRACKS[name].page for name in TRACKS}
    having = [name for name, page in pages.items() if chart in page.charts]
    return sorted(having, key=lambda name: (pages[name].charts.index(chart), pages[name].order))
