"""Fig. 3b and 3c: variance of features along depth, in distribution and under the shift."""

from __future__ import annotations

import numpy as np
import pandas as pd

from invbench.store.cell import Cell
from invbench.studies.hong2023.evidence import median
from invbench.studies.hong2023.toy import SHIFTED, jumps, ratios, toy_cells, variances
from invbench.studies.picture import COLOURS, DASHES, figure, png
from invbench.studies.study import Made, Study

__all__ = ["make"]

TEXT = """{table}

![Variance along depth](fig3.png)

**The paper**: with affine couplings features have similar variances in distribution and out of it until Aff4, where the variance out of
distribution "explodes more than 10,000 times"; with the spline it does not. **Ours**: ratio, largest over layers of Var(shifted)/Var(in
distribution); jump, the largest factor by which one coupling multiplies that ratio, and at which coupling of which seed; medians over trained
seeds [exact 95 % interval]. Lines: median over seeds; bands: all seeds. 200 conditions, 10 samples each.

What differs: shape of p(x), number of steps and training are ours. Where such a jump does and does not appear when depth, width, training
length and shape change: [toy_sweep](toy_sweep.md), `invbench reproduce toy_sweep`. The same along the super-resolution flows: [fig8](fig8.md).
"""


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the track toy2d."""
    study.need("toy2d", ("affine", "modified-rq"), lambda case: case in ("in", SHIFTED))
    rows, profiles = [], []
    designs = [d for d in study.designs("toy2d") if d in COLOURS]
    for design in designs:
        inside, shifted = toy_cells(study, design)
        found = [ratios(a, b) for a, b in zip(inside, shifted, strict=True)]
        found_jumps = [
            (jump, name, cell.spec.seed)
            for cell, odd in zip(inside, shifted, strict=True)
            for name, jump in jumps(cell, odd)
        ]
        most, where, seed = max(found_jumps)
        per_seed = [max(v for v, _, s in found_jumps if s == cell.spec.seed) for cell in inside]
        row = {"design": design, "seeds": len(inside)}
        row["ratio"] = str(
            median([max(r for _, r in profile) for profile in found], len(inside), "×")
        )
        row |= {
            "jump": str(median(per_seed, len(inside), "×")),
            "largest jump": f"{most:.2f}× ({where}, seed {seed})",
        }
        rows.append(row)
        for condition, cells in (("in", inside), ("shifted", shifted)):
            for cell in cells:
                for depth, (name, value) in enumerate(variances(cell)):
                    profiles.append((design, condition, cell.spec.seed, depth, name, value))
    table = pd.DataFrame(rows)
    columns = ["design", "condition", "seed", "depth", "layer", "variance"]
    text = TEXT.format(table=table.to_markdown(index=False, disable_numparse=True))
    return Made(
        text, {"fig3": pd.DataFrame(profiles, columns=columns)}, {"fig3": _picture(study, designs)}
    )


def _picture(study: Study, designs: list[str]) -> bytes:
    drawn = figure(11, 3.6)
    panels = drawn.subplots(1, 2, sharey=True)
    for side, (panel, title) in enumerate(
        zip(
            panels,
            ("in distribution", f"shifted by {SHIFTED.rpartition('-')[2]}·(1, −1)"),
            strict=True,
        )
    ):
        for design in designs:
            cells = toy_cells(study, design)[side]
            values, names = _stacked(cells)
            depth = np.arange(values.shape[1])
            panel.plot(
                depth,
                np.median(values, 0),
                DASHES[design],
                color=COLOURS[design],
                lw=1.6,
                label=design,
            )
            panel.fill_between(
                depth, values.min(0), values.max(0), color=COLOURS[design], alpha=0.12, lw=0
            )
        for k, name in enumerate(names):
            if name.endswith("coupling"):
                panel.axvspan(k - 0.5, k + 0.5, color="0.93", lw=0, zorder=0)
        panel.set_xticks([k for k, name in enumerate(names) if name.endswith("coupling")])
        panel.set_yscale("log")
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("layer, from noise to data; couplings grey", fontsize=9)
    panels[0].set_ylabel("variance of h, mean over channels", fontsize=9)
    panels[0].legend(fontsize=8, frameon=False)
    return png(drawn)


def _stacked(cells: list[Cell]) -> tuple[np.ndarray, list[str]]:
    profiles = [variances(cell) for cell in cells]
    return np.array([[v for _, v in p] for p in profiles]), [name for name, _ in profiles[0]]
