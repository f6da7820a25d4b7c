"""Samples with artefacts beside sound ones (Fig. 6, 7) as a table and a picture for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from invbench.measures.explosion import explosion
from invbench.studies.hong2023.sample_picks import SHOWN, Pick, Row, picks
from invbench.studies.picture import as_image, figure, png
from invbench.studies.study import Missing, Study

__all__ = ["Sheet", "said", "sheet"]


@dataclass(frozen=True)
class Sheet:
    table: pd.DataFrame
    rules: str
    picture: bytes


def sheet(study: Study, track: str, wanted: tuple[Row, ...]) -> Sheet:
    """One row of pictures per rule that picks an input: condition, a sample of each design from the
    same latents, ground truth.

    Raises ``Missing`` when no rule picks anything, ``UsageError`` without weights.
    """
    found = picks(lambda design, case: study.cells(track, design, case.__eq__), wanted, study.say)
    if not found:
        command = study.command(f"run --track {track}")
        raise Missing(f"no cells of embedded photographs in {study.root}; {command}")
    rows = [
        {"row": k, "condition": pick.given.case, "photograph": pick.given.pair.name}
        | {"design": design}
        | said(x)
        for k, pick in enumerate(found, 1)
        for design, x in pick.samples.items()
    ]
    rules = "\n".join(f"- row {k}: {pick.row.rule}" for k, pick in enumerate(found, 1))
    return Sheet(pd.DataFrame(rows), rules, _picture(found))


def said(x: Tensor) -> dict[str, str]:
    """Of samples (K, …): how many have an error, and how far they reach."""
    found = explosion(x)
    largest = "not finite" if math.isinf(found.max_abs_log10) else f"10^{found.max_abs_log10:.1f}"
    return {
        "samples with an error": f"{found.failed_samples} of {found.samples}",
        "largest abs(x)": largest,
    }


def _picture(rows: Sequence[Pick]) -> bytes:
    made = figure(2.05 * (len(SHOWN) + 2), 2.25 * len(rows))
    grid = made.subplots(len(rows), len(SHOWN) + 2, squeeze=False)
    for axes, pick in zip(grid, rows, strict=True):
        given, samples = pick.given, pick.shown
        panels = [("condition", given.y), *samples.items(), ("ground truth", given.pair.high)]
        for panel, (title, x) in zip(axes, panels, strict=True):
            panel.imshow(as_image(x), interpolation="nearest")
            finite = bool(torch.isfinite(x).all())
            size = f"max |x| {x.abs().max().item():.3g}" if finite else "not finite"
            panel.set_title(
                f"{title}\n{size}" if title in samples else f"{title}\n{given.case}", fontsize=7.5
            )
            panel.axis("off")
    return png(made)
