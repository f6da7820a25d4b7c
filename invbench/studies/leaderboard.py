"""Picture of the README: error rates, largest values and samples of four designs, from the stored
cells and the shipped weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from invbench.data.datasets import sr_pairs
from invbench.measures.explosion import explosion
from invbench.measures.quality import displayable
from invbench.report.table import leaderboard
from invbench.studies.picture import COLOURS, figure, png
from invbench.studies.study import Made, Study
from invbench.training.weights import load_flow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["make"]

FAMILIES = (
    "clean",
    "noise",
    "sharpen",
    "binarise",
    "checkerboard",
    "constant",
    "channel-swap",
    "out-of-range",
)
DATASETS = ("embedded", "BSD100", "Set14", "Urban100")
OVERFLOW = 39.0  # where a float32 that overflowed is drawn


def make(study: Study) -> Made:
    """Raises ``Missing`` where a clean case or an entry has no cell."""
    for dataset in DATASETS:
        study.need("sr", COLOURS, f"{dataset}/clean".__eq__)
    rows = leaderboard("sr", study.root)
    drawn = figure(11, 6.4)
    parts: Any = drawn.subfigures(2, 1, height_ratios=[1.6, 1])
    above, below = parts
    left, right = above.subplots(1, 2)
    rates(left, rows)
    magnitudes(right, rows)
    samples(below, study)
    return Made("", {}, {"leaderboard": png(drawn, 110)})


def rates(axes: Axes, rows: pd.DataFrame) -> None:
    """error_pct with its interval, clean conditions, per data set."""
    for k, (design, colour) in enumerate(COLOURS.items()):
        found = rows[(rows.entry == design)].set_index("case").loc[[f"{s}/clean" for s in DATASETS]]
        whiskers = [found.error_pct - found.error_lo, found.error_hi - found.error_pct]
        x = np.arange(len(DATASETS)) + 0.18 * (k - 1.5)
        axes.errorbar(
            x, found.error_pct, whiskers, fmt="os^D"[k], color=colour, label=design, capsize=2
        )
    axes.set_xticks(range(len(DATASETS)), DATASETS)
    axes.set_ylabel("inputs with an error pixel, %")
    axes.set_title("Clean conditions, 95 % intervals", fontsize=10)
    axes.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)


def magnitudes(axes: Axes, rows: pd.DataFrame) -> None:
    """Largest log10 |x| over inputs and severities, embedded photographs."""
    rows = rows[rows.case.str.startswith("embedded/")]
    for k, (design, colour) in enumerate(COLOURS.items()):
        mine = rows[rows.entry == design]
        worst = [
            mine[mine.case.str.startswith(f"embedded/{f}")].max_abs_log10.max() for f in FAMILIES
        ]
        axes.plot(
            np.minimum(worst, OVERFLOW),
            np.arange(len(FAMILIES)) + 0.2 * (k - 1.5),
            "os^D"[k],
            color=colour,
        )
    axes.axvline(OVERFLOW, color="0.7", lw=1)
    axes.set_yticks(range(len(FAMILIES)), FAMILIES, fontsize=8)
    axes.invert_yaxis()
    axes.set_xticks([0, 10, 20, 30, OVERFLOW], ["1", "10¹⁰", "10²⁰", "10³⁰", "Inf"])
    axes.set_xlabel("largest |pixel| (images lie in [0, 1])")
    axes.set_title("Worst sample per condition family", fontsize=10)


def samples(part: Any, study: Study) -> None:
    """The worst of ten samples of each design, for the clean input on which ``affine`` reaches
    furthest."""
    cells = study.cells("sr", "affine", "embedded/clean".__eq__)
    (cell,) = [c for c in cells if c.spec.seed == 0]
    index = int(np.argmax(cell.numbers("max_abs_log10")))
    pair = sr_pairs("embedded", 128, 2)[index]
    y = pair.low[None].expand(10, -1, -1, -1)
    shown = [("condition", pair.low)]
    for design in COLOURS:
        flow = load_flow("srflow", design)
        with torch.no_grad():
            x = flow.decode(
                flow.sample_latents(10, y, 0.9, torch.Generator().manual_seed(index)), y
            )
        worst = max(range(10), key=lambda k: explosion(x[k : k + 1]).max_abs_log10)
        largest = explosion(x[worst : worst + 1]).max_abs_log10
        shown.append((f"{design}: max |x| = 10^{largest:.1f}", displayable(x[worst])))
    for axes, (title, image) in zip(part.subplots(1, len(shown)), shown, strict=True):
        axes.imshow(image.movedim(0, -1), interpolation="nearest")
        axes.set_title(title, fontsize=8)
        axes.axis("off")
