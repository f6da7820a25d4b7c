"""The picture that stands for the page where a link to it is shared (og:image)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from invbench.report.charts.style import Drawing, looks, png, style, tidy

__all__ = ["HEIGHT", "WIDTH", "card"]

WIDTH, HEIGHT, DPI = 1200, 630, 100
MOST = 9  # entries drawn
TIERS = ("#0072b2", "#6f7b8a")  # the first tier, and all others
WHAT = {"changed": "changed conditions", "clean": "clean conditions", "attacked": "attacks"}


def card(table: Mapping[str, Any]) -> bytes | None:
    """PNG of 1200 × 630 pixels: the first sentence of an overview, and its rates with intervals.
    None where no row has a rate."""
    key = table["ranked"]
    rows = [row for row in table["rows"] if key in row["figures"]]
    if not rows:
        return None
    shown = rows[:MOST]
    with style():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        figure.text(0.04, 0.915, "invbench leaderboard", fontsize=17, color="#50575f")
        said = textwrap.wrap(tidy(table["sentences"][0], 200), 74)[:3]
        figure.text(
            0.04, 0.875, "\n".join(said), fontsize=20, weight="bold", va="top", linespacing=1.25
        )
        axes = figure.add_axes((0.27, 0.14, 0.68, 0.68 - 0.055 * len(said)))
        names = looks([row["name"] for row in shown])
        for place, row in enumerate(shown):
            rate = row["figures"][key]
            colour = TIERS[0] if row["rank"]["tier"] == 1 else TIERS[1]
            axes.barh(place, rate["x"], color=colour, height=0.62)
            axes.plot([rate["lo"], rate["hi"]], [place, place], color="#16191d", lw=1.6)
            axes.annotate(
                f"{rate['x']:.1f} %",
                (rate["hi"], place),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=14,
            )
        labels = [names[row["name"]].label for row in shown]
        axes.set_yticks(range(len(shown)), labels, fontsize=14)
        axes.set(xlim=(0, 112), ylim=(len(shown) - 0.4, -0.6))
        axes.set_xticks(range(0, 101, 20), [f"{v} %" for v in range(0, 101, 20)], fontsize=12)
        axes.grid(axis="y", visible=False)
        figure.text(
            0.04,
            0.03,
            f"inputs that fail, {WHAT[key]} (line: 95 %); blue: first tier; "
            f"{tidy(table['title'], 70)}",
            fontsize=11.5,
            color="#50575f",
        )
        return png(Drawing(figure), DPI)
