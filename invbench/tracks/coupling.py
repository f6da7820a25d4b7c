"""Track ``coupling``: the design alone, untrained, over a fixed corpus of parameters."""

from __future__ import annotations

from collections.abc import Sequence

from invbench.late import Late
from invbench.store.cell import NON_FINITE
from invbench.store.record import Record
from invbench.tracks.row import common
from invbench.tracks.track import Page, Row, Track, register

__all__ = ["COUPLING"]


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    row = common(entry, case, cells) | {"n": None}
    for cell in cells:
        row |= {
            k: v
            for k, v in cell.measures.items()
            if isinstance(v, (bool, int, float, str)) or v is None
        }
    for name, value in row.items():
        if value in NON_FINITE:
            row[name] = float(value)
    return row


NOTES = (
    "sound: every law of soundness holds (invbench check). slope_lo, slope_hi, "
    "kappa_lower, inv_lipschitz_lower: extremes measured over a fixed "
    "corpus of parameters (raw values up to ±8), lower bounds (tier L0). "
    "inv_lipschitz_upper: certified over all x for the parameters of "
    "that corpus, by the design's slope_bounds (tier U2), else 1/s_l of its slope_range "
    "(U1). The two are never ranked together.",
    "displacement: as declared by the design, else measured as half the range of c⁻¹(y) − "
    "y for |y| ≤ 2²⁰. "
    "backward_error_u: in units of the dtype's roundoff. *_ns: nanoseconds per element, "
    "one thread, median of 9.",
)
COUPLING = register(
    Track(
        "coupling",
        Late("invbench.tracks.measuring.coupling", "plan"),
        Late("invbench.tracks.measuring.coupling", "measure"),
        "the design alone: soundness, slopes, conditioning, speed; no training",
        columns=tuple(
            "sound slope_lo slope_hi displacement tail_slopes_equal backward_error_u forward_ns "
            "inverse_ns train_ns".split()
        ),
        screen=tuple(
            "entry status sound slope_lo slope_hi displacement tail_slopes_equal kappa_lower "
            "inv_lipschitz_lower inv_lipschitz_upper backward_error_u forward_ns inverse_ns "
            "train_ns".split()
        ),
        short=tuple("entry sound slope_lo slope_hi displacement forward_ns inverse_ns".split()),
        digits={"backward_error_u": 1, "forward_ns": 1, "inverse_ns": 1, "train_ns": 1},
        row=_row,
        one_case="corpus",
        notes=NOTES,
        order=1,
        page=Page("the design alone, untrained", order=2, charts=("sensitivity",)),
    )
)
