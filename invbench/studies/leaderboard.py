"""The picture of the README, from the stored cells and the shipped weights: python
invbench/studies/leaderboard_picture.py docs/leaderboard.png"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

import invbench
from invbench.data.datasets import sr_pairs
from invbench.measures.explosion import explosion
from invbench.measures.quality import displayable
from invbench.studies.hong2023.picture import COLOURS
from invbench.studies.hong2023.study import Study

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
OVERFLOW = 39.0  # where a float32 that overflowed is drawn


def rates(axes: plt.Axes) -> None:
    """error_pct with its interval, clean conditions, per data set."""
    rows = invbench.leaderboard("sr")
    sets = ["embedded", "BSD100", "Set14", "Urban100"]
    for k, (design, colour) in enumerate(COLOURS.items()):
        found = rows[(rows.entry == design)].set_index("case").loc[[f"{s}/clean" for s in sets]]
        whiskers = [found.error_pct - found.error_lo, found.error_hi - found.error_pct]
        x = np.arange(len(sets)) + 0.18 * (k - 1.5)
        axes.errorbar(
            x, found.error_pct, whiskers, fmt="os^D"[k], color=colour, label=design, capsize=2
        )
    axes.set_xticks(range(len(sets)), sets)
    axes.set_ylabel("inputs with an error pixel, %")
    axes.set_title("Clean conditions, 95 % intervals", fontsize=10)
    axes.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)


def magnitudes(axes: plt.Axes) -> None:
    """Largest log10 |x| over inputs and severities, embedded photographs."""
    rows = invbench.leaderboard("sr")
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


def samples(figure: plt.Figure) -> None:
    """The clean input on which ``affine`` reaches furthest, and there the worst of ten samples of
    each design."""
    cells = Study(Path("results")).cells("sr", "affine", "embedded/clean".__eq__)
    (cell,) = [c for c in cells if c.spec.seed == 0]
    index = int(np.argmax(cell.numbers("max_abs_log10")))
    pair = sr_pairs("embedded", 128, 2)[index]
    y = pair.low[None].expand(10, -1, -1, -1)
    shown = [("condition", pair.low)]
    for design in COLOURS:
        flow = invbench.load_flow("srflow", design)
        with torch.no_grad():
            x = flow.decode(
                flow.sample_latents(10, y, 0.9, torch.Generator().manual_seed(index)), y
            )
        worst = max(range(10), key=lambda k: explosion(x[k : k + 1]).max_abs_log10)
        largest = explosion(x[worst : worst + 1]).max_abs_log10
        shown.append((f"{design}: max |x| = 10^{largest:.1f}", displayable(x[worst])))
    for axes, (title, image) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        axes.imshow(image.movedim(0, -1), interpolation="nearest")
        axes.set_title(title, fontsize=8)
        axes.axis("off")


def main(path: str) -> None:
    figure = plt.figure(figsize=(11, 6.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.6, 1])
    left, right = above.subplots(1, 2)
    rates(left)
    magnitudes(right)
    samples(below)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(sys.argv[1])
