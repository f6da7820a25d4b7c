"""Survival curves and failure rates against eps of what the searches found. Used by attacks.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from attacks_tables import CONTROL, LATENT, SQUARES, Key
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import CensoredData, ecdf

from invbench.bench.cell import Cell
from invbench.paper.picture import COLOURS, DASHES, figure


def survival(axes: Axes, values: Sequence[float], limit: float, **style: object) -> None:
    """Kaplan–Meier curve of values of which the infinite ones are censored at ``limit``."""
    seen = [v for v in values if math.isfinite(v)]
    data = CensoredData(uncensored=seen, right=[limit] * (len(values) - len(seen)))
    curve = ecdf(data).sf
    x = np.concatenate(([0.0], curve.quantiles, [limit]))
    y = np.concatenate(([1.0], curve.probabilities, curve.probabilities[-1:]))
    axes.step(x, y, where="post", **style)  # type: ignore[arg-type]


def survival_figure(cells: dict[Key, Cell]) -> Figure:
    drawn = figure(13, 3.8)
    axes = drawn.subplots(1, 3, sharey=True)
    for design, colour in COLOURS.items():
        if cell := cells.get((design, "embedded", "radius")):
            for level, panel in (("F2", axes[0]), ("F1", axes[1])):
                style = {"color": colour, "ls": DASHES[design], "label": design}
                survival(panel, cell.numbers(f"radius_{level}"), 4.0, **style)
        for attack, dash in ((LATENT, "-"), (SQUARES, "--"), (CONTROL, ":")):
            found = cells.get((design, "BSD100", attack)) or cells.get((design, "embedded", attack))
            if found:
                survival(axes[2], found.numbers("first_F2"), max(found.numbers("evaluations")), color=colour, ls=dash)
    axes[0].set(
        xlabel="ℓ∞ change of a typical latent, τ", ylabel="share of inputs that still hold", title="some |x| > 10 (F2)"
    )
    axes[1].set(xlabel="ℓ∞ change of a typical latent, τ", title="x not finite (F1)")
    axes[2].set(xlabel="evaluations of the flow", title="F2: gradient —, squares --, random ⋯", xscale="symlog")
    axes[0].legend(fontsize=8)
    return drawn


def eps_figure(cells: dict[Key, Cell]) -> Figure:
    drawn = figure(9, 3.6)
    axes = drawn.subplots(1, 2)
    for design, colour in COLOURS.items():
        ladder = sorted(
            (int(cell.spec.settings["eps_255"] or 0), cell)
            for (d, s, a), cell in cells.items()
            if (d, s) == (design, "embedded") and a.startswith("condition-")
        )
        if not ladder:
            continue
        eps = [0] + [e for e, _ in ladder]
        rates = [statistics.fmean(ladder[0][1].numbers("clean_rate"))] + [
            statistics.fmean(c.numbers("rate")) for _, c in ladder
        ]
        axes[0].plot(eps, rates, "o" + DASHES[design], color=colour, label=design)
        both = [(e, cells.get((design, "embedded", f"both-{e}"))) for e, _ in ladder]
        sizes = [(e, min(statistics.median_high(c.numbers("max_abs_log10")), 39.0)) for e, c in both if c]
        axes[1].plot(*zip(*sizes, strict=True), "o" + DASHES[design], color=colour)
    axes[0].set(
        xlabel="radius of the condition, 1/255",
        ylabel="share of fresh latents with |x| > 10",
        title="attack on the condition",
    )
    axes[1].set(
        xlabel="radius of the condition, 1/255",
        ylabel="log10 max abs x, median (39: not finite)",
        title="attack on latents and condition",
    )
    axes[0].legend(fontsize=8)
    return drawn
