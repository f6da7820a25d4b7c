"""Survival curves, and failure rates against eps, of what the searches found."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import CensoredData, ecdf

from invbench.studies.attacks.tables import CONTROL, LATENT, SQUARES, Cells, values
from invbench.studies.picture import COLOURS, DASHES, figure


def survival(axes: Axes, values: Sequence[float], limit: float, **style: object) -> None:
    """Kaplan–Meier curve; infinite values are censored at ``limit``."""
    seen = [v for v in values if math.isfinite(v)]
    data = CensoredData(uncensored=seen, right=[limit] * (len(values) - len(seen)))
    curve = ecdf(data).sf
    x = np.concatenate(([0.0], curve.quantiles, [limit]))
    y = np.concatenate(([1.0], curve.probabilities, curve.probabilities[-1:]))
    axes.step(x, y, where="post", **style)  # type: ignore[arg-type]


def survival_figure(cells: Cells) -> Figure:
    drawn = figure(13, 3.8)
    axes = drawn.subplots(1, 3, sharey=True)
    for design, colour in COLOURS.items():
        if own := cells.get((design, "embedded", "radius")):
            for name, panel in (("radius_F2", axes[0]), ("radius_typical_F2", axes[1])):
                style = {"color": colour, "ls": DASHES[design], "label": design}
                survival(panel, [v for v in values(own, name) if not math.isnan(v)], 4.0, **style)
        for attack, dash in ((LATENT, "-"), (SQUARES, "--"), (CONTROL, ":")):
            found = cells.get((design, "BSD100", attack)) or cells.get((design, "embedded", attack))
            if found:
                survival(
                    axes[2],
                    values(found, "first_F2"),
                    max(values(found, "evaluations")),
                    color=colour,
                    ls=dash,
                )
    axes[0].set(
        xlabel="ℓ∞ change of a latent, τ",
        ylabel="share of inputs that still hold",
        title="any latent",
    )
    axes[1].set(xlabel="ℓ∞ change of a latent, τ", title="typical latents")
    axes[2].set(
        xlabel="evaluations of the flow", title="gradient —, squares --, random ⋯", xscale="symlog"
    )
    axes[0].legend(fontsize=8)
    drawn.suptitle("until some |x| > 10 (F2)", fontsize=10)
    return drawn


def eps_figure(cells: Cells) -> Figure:
    drawn = figure(5.5, 3.6)
    axes = drawn.subplots()
    for design, colour in COLOURS.items():
        ladder = sorted(
            (own[0].spec.eps or 0, own)
            for (d, s, a), own in cells.items()
            if (d, s) == (design, "embedded") and a.startswith("condition-")
        )
        if not ladder:
            continue
        eps = [0] + [e for e, _ in ladder]
        rates = [statistics.fmean(values(ladder[0][1], "clean_rate"))]
        rates += [statistics.fmean(values(own, "rate")) for _, own in ladder]
        axes.plot(eps, rates, "o" + DASHES[design], color=colour, label=design)
    axes.set(xlabel="radius of the condition, 1/255", ylabel="share of fresh latents with |x| > 10")
    axes.legend(fontsize=8)
    return drawn
