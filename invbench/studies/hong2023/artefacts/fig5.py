"""Fig. 5: the couplings as functions of one number, affine beside the modified RQ-spline."""

from __future__ import annotations

import math

import pandas as pd
import torch

from invbench.studies.picture import COLOURS, figure, png
from invbench.studies.study import DESIGNS, Made, Study
from invbench.targets import resolve

__all__ = ["make"]

CURVES, REACH, SPREAD = 12, 3.0, 2.0
TEXT = """{table}

![Couplings](fig5.png)

**The paper**: (a) the affine and (b) the modified RQ-spline transformation with their learnable parameters; the spline is x + t outside (B₁, B₂).
**Ours**: {curves} draws of raw parameters from N(0, {spread:g}²), the same for all: y = c(x) above, its inverse's slope 1/c′ below. The table
holds the constants of each architecture: slope, over all x and parameters; displacement, how far a value moves apart from the shift t.

What differs: the figure of the paper is a drawing; these are the functions that run. Sources and formulas: `invbench list couplings`.
"""


def make(study: Study) -> Made:
    """Needs no measurement."""
    made = figure(2.7 * len(DESIGNS), 4.6)
    grid, rows = made.subplots(2, len(DESIGNS), sharex=True), []
    x = torch.linspace(-REACH, REACH, 601, dtype=torch.float64)[None].expand(CURVES, -1)
    for (above, under), name in zip(grid.T, DESIGNS, strict=True):
        design = resolve(name).make().double()
        raw = SPREAD * torch.randn(
            8, CURVES, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        with torch.no_grad():
            y, log_slope = design(x, raw[: design.n_params].expand(-1, -1, x.shape[1]))
        above.plot(x[0], y.T, color=COLOURS[name], lw=0.9, alpha=0.8)
        under.plot(x[0], (-log_slope).exp().T, color=COLOURS[name], lw=0.9, alpha=0.8)
        above.set_title(name, fontsize=9)
        above.set_ylim(-2 * REACH, 2 * REACH)
        under.set_yscale("log")
        under.set_ylim(1e-2, 1e4)
        under.set_xlabel("x", fontsize=8)
        (lo, hi), moved = design.slope_range or (math.nan, math.nan), design.displacement
        stretch = f"{1 / lo:.3g}" if lo else "∞"
        row = {"design": name, "slope": f"({lo:g}, {hi:g})", "1/slope up to": stretch}
        rows.append(row | {"displacement": "" if moved is None else f"{moved:.3g}"})
    grid[0, 0].set_ylabel("c(x)", fontsize=8)
    grid[1, 0].set_ylabel("1/c′(x): what an error is multiplied by", fontsize=8)
    table = pd.DataFrame(rows)
    return Made(
        TEXT.format(table=table.to_markdown(index=False), curves=CURVES, spread=SPREAD),
        {"fig5": table},
        {"fig5": png(made)},
    )
