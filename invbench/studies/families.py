"""Largest |x| and error rate per OOD family and severity, one panel per design: python
invbench/studies/families_picture.py [--output docs/families.png]

From the stored cells of track sr on the embedded photographs; no model runs.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import typer

import invbench
from invbench.corruptions import corruption_names
from invbench.files import write_atomically

DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")
SEVERITIES = range(1, 6)
OVERFLOW = 39.0  # log10 where an overflow is drawn


def main(
    results: Annotated[Path, typer.Option(help="Folder of the cells.")] = Path("results"),
    output: Annotated[Path, typer.Option(help="PNG to write.")] = Path("docs/families.png"),
) -> None:
    table = invbench.leaderboard("sr", results).set_index(["entry", "case"])
    families = [name for name in corruption_names("sr") if name != "clean"]
    figure, axes = plt.subplots(1, len(DESIGNS), figsize=(12, 7), layout="constrained", sharey=True)
    for panel, design in zip(axes, DESIGNS, strict=True):
        size = np.full((len(families) + 1, len(SEVERITIES)), np.nan)
        for row, family in enumerate(["clean", *families]):
            for column, severity in enumerate(SEVERITIES):
                key = (
                    design,
                    "embedded/clean" if family == "clean" else f"embedded/{family}-{severity}",
                )
                if key not in table.index or (family == "clean" and column):
                    continue
                size[row, column] = min(table.loc[key].max_abs_log10, OVERFLOW)
                rate = table.loc[key].error_pct
                dark = size[row, column] < 5
                panel.text(
                    column,
                    row,
                    f"{rate:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="w" if dark else "k",
                )
        shown = panel.imshow(
            np.log10(np.maximum(size, 0.0) + 0.1),
            aspect="auto",
            cmap="inferno",
            vmin=-1,
            vmax=np.log10(OVERFLOW + 0.1),
        )
        panel.set_title(design, fontsize=10)
        panel.set_xticks(range(len(SEVERITIES)), [str(s) for s in SEVERITIES])
        panel.set_xlabel("severity")
    axes[0].set_yticks(range(len(families) + 1), ["clean", *families], fontsize=8)
    ticks = (0.0, 1.0, 3.0, 10.0, OVERFLOW)
    bar = figure.colorbar(shown, ax=axes, shrink=0.6, ticks=[np.log10(t + 0.1) for t in ticks])
    bar.ax.set_yticklabels([f"10^{t:.0f}" if t < OVERFLOW else "not finite" for t in ticks])
    bar.set_label("largest |x| of ten samples per input; numbers: inputs with an error pixel, %")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    write_atomically(output, file.getvalue())


if __name__ == "__main__":
    typer.run(main)
