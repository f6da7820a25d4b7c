"""Picture: the largest |x| and the error rate per corruption and severity, one panel per design.

From the stored cells of track sr on the embedded photographs; no model runs.
"""

from __future__ import annotations

import numpy as np

from invbench.corruptions import corruption_names
from invbench.report.table import leaderboard
from invbench.studies.picture import figure, png
from invbench.studies.study import Made, Missing, Study

__all__ = ["make"]

DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")
SEVERITIES = range(1, 6)
OVERFLOW = 39.0  # log10 where an overflow is drawn


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the embedded photographs."""
    if not study.cells("sr", keep=lambda case: case.startswith("embedded/")):
        command = study.command("run --track sr")
        raise Missing(f"no cells of embedded photographs in {study.root}; {command}")
    table = leaderboard("sr", study.root).set_index(["entry", "case"])
    families = [name for name in corruption_names("sr") if name != "clean"]
    drawn = figure(12, 7)
    axes = drawn.subplots(1, len(DESIGNS), sharey=True)
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
    bar = drawn.colorbar(shown, ax=axes, shrink=0.6, ticks=[np.log10(t + 0.1) for t in ticks])
    bar.ax.set_yticklabels([f"10^{t:.0f}" if t < OVERFLOW else "not finite" for t in ticks])
    bar.set_label("largest |x| of ten samples per input; numbers: inputs with an error pixel, %")
    return Made("", {}, {"families": png(drawn, 90)})
