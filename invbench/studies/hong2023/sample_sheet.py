"""Samples with artefacts beside sound ones (Fig. 6, 7): inputs are picked by a stated rule from
stored cells, and decoded again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from invbench.measures.explosion import explosion
from invbench.store.cell import Cell
from invbench.studies.hong2023.samples import Input, drawn, flow_of, input_of
from invbench.studies.picture import as_image, figure, png
from invbench.studies.study import Missing, Study

__all__ = ["SHOWN", "Row", "Sheet", "sheet"]

SHOWN = ("affine", "affine-floor", "modified-rq")


@dataclass(frozen=True)
class Row:
    """A rule that picks an input of ``case`` from photographs not shown yet: the finite one on which
    ``design`` is furthest, or the first on which it is not ``finite``."""

    case: str
    design: str
    finite: bool
    rule: str


@dataclass(frozen=True)
class Sheet:
    table: pd.DataFrame
    rules: str
    picture: bytes


def sheet(study: Study, track: str, wanted: tuple[Row, ...]) -> Sheet:
    """One row of pictures per rule that picks an input: condition, a sample of each design from the
    same latents, ground truth.

    Only seed 0 is shipped. Raises ``Missing`` when no rule picks anything, ``UsageError`` without
    weights.
    """
    rules: list[str] = []
    rows, pictures = [], []
    shown: set[str] = set()
    for row in wanted:
        cells = [
            c
            for c in study.cells(track, row.design, row.case.__eq__)
            if c.spec.seed == 0 and "inf" in c.measures
        ]
        index = _chosen(cells[0], row.finite, shown) if cells else None
        if index is None:
            continue
        study.say(f"decoding again: {row.rule}")
        given = input_of(cells[0], index)
        shown.add(_photograph(given.pair.name))
        x = {design: drawn(flow_of(cells[0], design), given)[0] for design in SHOWN}
        k = int(x[row.design].abs().nan_to_num(math.inf, math.inf).flatten(1).amax(1).argmax())
        rules.append(f"- row {len(rules) + 1}: {row.rule}")
        pictures.append((given, {design: part[k] for design, part in x.items()}))
        start = {"row": len(rules), "condition": given.case, "photograph": given.pair.name}
        rows += [start | {"design": design} | _said(part) for design, part in x.items()]
    if not rows:
        raise Missing(
            f"no cells of embedded photographs in {study.root}; invbench run --track {track}"
        )
    return Sheet(pd.DataFrame(rows), "\n".join(rules), _picture(pictures))


def _chosen(cell: Cell, finite: bool, shown: set[str]) -> int | None:
    """The input that the rule picks, of photographs not shown yet."""
    sizes, inf, names = (
        cell.numbers("max_abs_log10"),
        cell.numbers("inf"),
        cell.measures.get("names"),
    )
    new = [
        k
        for k, name in enumerate(names if isinstance(names, list) else [])
        if _photograph(str(name)) not in shown
    ]
    if not finite:
        return next((k for k in new if inf[k]), None)
    return max((k for k in new if not inf[k]), key=sizes.__getitem__, default=None)


def _photograph(name: str) -> str:
    return name.rpartition("/")[0] or name


def _said(x: Tensor) -> dict[str, str]:
    found = explosion(x)
    largest = "not finite" if math.isinf(found.max_abs_log10) else f"10^{found.max_abs_log10:.1f}"
    return {
        "samples with an error": f"{found.failed_samples} of {found.samples}",
        "largest abs(x)": largest,
    }


def _picture(rows: list[tuple[Input, dict[str, Tensor]]]) -> bytes:
    made = figure(2.05 * (len(SHOWN) + 2), 2.25 * len(rows))
    grid = made.subplots(len(rows), len(SHOWN) + 2, squeeze=False)
    for axes, (given, samples) in zip(grid, rows, strict=True):
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
