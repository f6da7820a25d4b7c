"""Fig. 2: samples of the toy in distribution and under the shift, affine beside the spline and the
others."""

from __future__ import annotations

import pandas as pd
import torch
from torch import Tensor

from invbench.flows import ConditionalFlow
from invbench.studies.hong2023.evidence import median
from invbench.studies.hong2023.toy import SHIFTED, toy_cells
from invbench.studies.picture import COLOURS, figure, png
from invbench.studies.study import Made, Study
from invbench.targets import resolve
from invbench.tracks.measuring.toy2d import trained_toy
from invbench.training.toy2d.recipe import OOD_SHIFT, A, draw

__all__ = ["make"]

ROWS, STREAM, SEED = 2000, 10**6, 0
TEXT = """{table}

![Samples](fig2.png)

**The paper**: in distribution both designs learn p(x); under y + {shift}·(1, −1) the affine toy leaves [−1, 1]², and all samples of the
modified RQ-spline stay within. **Ours**: outside, share of samples outside [−1, 1]², median over trained seeds [exact 95 % interval], 200
conditions with 10 samples each; max |x|, largest over all of them. The picture shows seed {seed}, samples outside put on the edge as in the paper.

A sample within the box does not mean a sound one, nor one outside it an explosion: y + {shift}·(1, −1) is what A makes of x + ({x:.3g}, {minus:.3g}),
so an exact posterior lies outside. Staying within, as the paper's spline does, is a departure from the forward model.

What differs: shape of p(x), number of steps and training are ours (a ring, six steps, 1 200 iterations), for the paper's are not published.
"""


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the track toy2d. Trains seed 0 of each design, about 20
    s, when the cache does not have it."""
    study.need("toy2d", ("affine", "modified-rq"), lambda case: case in ("in", SHIFTED))
    rows = []
    designs = study.designs("toy2d")
    for design in designs:
        for condition, cells in zip(
            ("in distribution", "shifted"), toy_cells(study, design), strict=True
        ):
            outside = [float(cell.measures["outside_pct"] or 0) for cell in cells]  # type: ignore[arg-type]
            largest = max(10**v for cell in cells for v in cell.numbers("max_abs_log10"))
            row = {"design": design, "condition": condition, "seeds": len(cells)}
            rows.append(
                row
                | {
                    "outside": str(median(outside, len(cells), " %", 1)),
                    "max abs(x)": f"{largest:.2f}",
                }
            )
    table = pd.DataFrame(rows)
    x = torch.linalg.solve(A, OOD_SHIFT * torch.tensor([1.0, -1.0]))
    text = TEXT.format(
        table=table.to_markdown(index=False),
        shift=OOD_SHIFT,
        seed=SEED,
        x=x[0].item(),
        minus=x[1].item(),
    )
    return Made(
        text, {"fig2": table}, {"fig2": _picture(study, [d for d in COLOURS if d in designs])}
    )


def _picture(study: Study, designs: list[str]) -> bytes:
    x, y = draw(ROWS, SEED, STREAM)
    drawn = figure(2.4 * (1 + len(designs)), 5.2)
    axes = drawn.subplots(2, 1 + len(designs), sharex=True, sharey=True)
    odd = y + OOD_SHIFT * torch.tensor([1.0, -1.0])
    exact = torch.linalg.solve(A, odd.T).T
    for row, (panel, samples, title) in enumerate(
        zip(axes[:, 0], (x, exact), ("training data", "A⁻¹ y, shifted"), strict=True)
    ):
        _scatter(panel, samples, "0.35", title)
        panel.set_ylabel(("in distribution", f"y + {OOD_SHIFT}·(1, −1)")[row], fontsize=9)
    for column, design in zip(axes.T[1:], designs, strict=True):
        study.say(f"toy of {design}, seed {SEED}: trained when the cache does not have it")
        flow, _ = trained_toy(resolve(design), SEED)
        for panel, condition in zip(column, (y, odd), strict=True):
            _scatter(panel, _samples(flow, condition), COLOURS[design], design)
    return png(drawn)


@torch.no_grad()
def _samples(flow: ConditionalFlow, y: Tensor) -> Tensor:
    return flow.decode(flow.sample_latents(len(y), y, 1.0, torch.Generator().manual_seed(SEED)), y)


def _scatter(panel, samples: Tensor, colour: str, title: str) -> None:  # type: ignore[no-untyped-def]
    share = 100 - 100 * (samples.abs() <= 1).all(-1).double().mean().item()
    panel.plot(
        *samples.nan_to_num(1.0).clamp(-1, 1).T.numpy(),
        ".",
        ms=1.5,
        color=colour,
        alpha=0.5,
        clip_on=False,
    )
    panel.set_xlim(-1.05, 1.05)
    panel.set_ylim(-1.05, 1.05)
    panel.set_aspect("equal")
    panel.set_title(f"{title}\n{share:.1f} % outside", fontsize=9)
