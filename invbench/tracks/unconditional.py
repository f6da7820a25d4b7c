"""Track ``unconditional``: does f⁻¹(f(x)) come back when x is out of distribution (Prop. 1, claim
C7)."""

from __future__ import annotations

from collections.abc import Sequence

from invbench.late import Late
from invbench.store.record import Record
from invbench.tracks.kinds import PHOTOGRAPHS
from invbench.tracks.row import RATES, common, largest, mean
from invbench.tracks.track import Page, Row, Track, register

__all__ = ["UNCONDITIONAL"]


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    row = common(entry, case, cells)
    row |= {name: largest(cells, name) for name in ("round_trip", "gain_log10")}
    return row | {"nll": mean(cells, "nll")}


NOTES = (
    "x̂ = f⁻¹(f(x)) of 64×64 crops x, clean and changed. inf_pct: inputs with a "
    "non-finite pixel in x̂; error_pct: with a pixel off "
    "by more than ½, or not finite, before any clamp. Nothing is drawn.",
    *RATES,
    "gain_log10: largest log10(‖x̂‖∞/‖x‖∞), which Proposition 1 is about; round_trip: "
    "largest |x̂ − x|; nll: bits per dimension of the 8-bit "
    "photograph, dequantised as in training, (v + U(0, 1))/256; mean over inputs, inf "
    "where f is not finite for one of them.",
)
UNCONDITIONAL = register(
    Track(
        "unconditional",
        Late("invbench.tracks.measuring.unconditional", "plan"),
        Late("invbench.tracks.measuring.unconditional", "measure"),
        (
            "photographs, clean and out of distribution, through an unconditional flow and back "
            "(Prop. 1, C7)"
        ),
        protocol=2,  # 1: nll without dequantisation
        weights="glow",
        data=PHOTOGRAPHS,
        chooses_flow=True,
        columns=("max_abs_certified", "gain_log10", "round_trip", "nll"),
        screen=tuple(
            "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
            "max_abs_log10 max_abs_certified gain_log10 round_trip nll tier tier_given".split()
        ),
        short=tuple("entry n error_pct max_abs_log10 gain_log10 round_trip nll tier".split()),
        digits={"max_abs_certified": 2, "gain_log10": 2, "nll": 3},
        row=_row,
        notes=NOTES,
        order=5,
        page=Page(
            "an unconditional flow, there and back",
            order=5,
            charts=("bound", "pareto", "heatmap", "severity"),
            quality=("nll", False),
        ),
    )
)
