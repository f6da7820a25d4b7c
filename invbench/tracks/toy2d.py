"""Track ``toy2d``: the paper's two-dimensional toy (claim C1), trained inside the run."""

from __future__ import annotations

from collections.abc import Sequence

from invbench.late import Late
from invbench.store.case import Case
from invbench.store.record import Record
from invbench.tracks.row import RATES, common, mean, median, single
from invbench.tracks.track import Page, Row, Track, register

__all__ = ["TOY2D"]

PAPER = 0.8  # the shift of the paper's toy


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    row = common(entry, case, cells)
    ratios = [v for cell in cells for v in single(cell, "variance_ratio")]
    row |= {name: mean(cells, name) for name in ("nll", "outside_pct")}
    row["critical_radius"] = median(cells, "radius_error")
    return row | {"variance_ratio": max(ratios, default=None)}


def _pooled(case: Case) -> str:
    if case.severity is None:
        return case.condition
    return case.condition if case.severity == PAPER else "ood (other shifts)"


NOTES = (
    "error_pct: inputs with a sample beyond |x| = 2 (the box [−1, 1]² widened by half its "
    "width on each side) or non-finite. "
    "outside_pct: samples outside [−1, 1]². variance_ratio: largest over layers and seeds "
    "of Var(shifted)/Var(in-distribution).",
    *RATES,
    "critical_radius: as in track sr, until some |x| > 2, of 20 drawn latents per seed.",
)
TOY2D = register(
    Track(
        "toy2d",
        Late("invbench.tracks.measuring.toy2d", "plan"),
        Late("invbench.tracks.measuring.toy2d", "measure"),
        "two dimensions, trained in the run: does an OOD condition leave the box (C1)",
        weights="srflow",  # a trained flow takes minutes: by default the designs of track sr
        trains="toy2d",
        columns=("max_abs_certified", "nll", "outside_pct", "variance_ratio"),
        screen=tuple(
            "entry case cases n seeds status inf_pct error_pct error_lo error_hi max_abs_log10 "
            "max_abs_certified "
            "critical_radius nll outside_pct variance_ratio tier tier_given".split()
        ),
        short=tuple(
            "entry n error_pct max_abs_log10 max_abs_certified critical_radius nll tier".split()
        ),
        digits={"max_abs_certified": 2, "nll": 3, "outside_pct": 1, "variance_ratio": 2},
        row=_row,
        pooled=_pooled,
        notes=NOTES,
        order=2,
        page=Page(
            "the paper's two-dimensional toy",
            order=3,
            charts=("pareto", "bound", "severity", "survival"),
            quality=("nll", False),
            clean=("in",),
            strength="shift of y",
        ),
    )
)
