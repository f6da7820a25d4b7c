"""Track ``cures``: what a cure does to a flow that explodes, on clean, changed, faulty and attacked
conditions, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invbench.late import Late
from invbench.store.record import Record
from invbench.tracks.kinds import COST, FAULTY, PHOTOGRAPHS, RADII, RADIUS
from invbench.tracks.row import RATES, common, mean, median, single
from invbench.tracks.track import Page, Row, Track, register

__all__ = ["CURES_TRACK", "NEEDS"]

NOTHING, PHOTOS, SMALL, ANEW = "nothing", "photographs", "a small network", "training anew"
# cure → what it takes to have it; a test holds it to the table of cures
NEEDS: Mapping[str, str] = {
    "guard": PHOTOS,
    "gate": PHOTOS,
    "prior": SMALL,
    "temperature": NOTHING,
    "truncated": NOTHING,
    "redraw": NOTHING,
    "float64": NOTHING,
    "clip": NOTHING,
}
UNCURED = ("affine", "affine-floor")  # the published couplings
QUALITY = ("lr_psnr_min", "lr_psnr_std", "psnr", "ssim", "diversity", "median_distance")


def needs(entry: str) -> str:
    """What an entry takes, beside an ``affine`` flow that is trained already."""
    design, plus, cure = entry.rpartition("+")
    if plus:
        return NEEDS.get(cure.partition("(")[0], "") if design in UNCURED else ANEW
    return NOTHING if entry in UNCURED else ANEW


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    samples = [cell for cell in cells if cell.spec.measure not in (COST, RADIUS)]
    row = common(entry, case, samples or cells)
    costs = [v for cell in cells for v in single(cell, "decode_ratio")]
    acted = mean(samples, "acted")
    row |= {column: median(cells, name) for column, name in RADII.items()}
    return row | {
        "acted_pct": None if acted is None else 100 * acted,
        **{name: mean(samples, name) for name in QUALITY},
        "decode_ratio": max(costs, default=None),
        "needs": needs(entry),
    }


NOTES = (
    "entry: DESIGN+CURE; DESIGN alone is the flow as it was trained. Every row has the same "
    "photographs and random streams. τ = 0.9, K = 10 samples.",
    "error_pct: inputs with a pixel > 1.5, < −0.5 or non-finite in any sample, before any clamp "
    "that is not the cure's own.",
    *RATES,
    "acted_pct: how often the cure acted. guard, clip: of values; truncated: of latents; gate: of "
    "inputs, which were refused; redraw: draws beyond the first, per hundred samples.",
    "lr_psnr_min, median_distance: artefacts that no cut of the pixels hides. median_distance: "
    "root mean square of a sample's distance to the median sample, the largest of the 10. "
    "diversity: standard deviation of a pixel over samples, mean over pixels.",
    "…/attacked: searches through the cure, by its own gradient, straight through its clamps, and "
    "on the flow without it; each point is judged by the cured flow, and the worst counts. "
    "out-of-range: pixels of the condition anywhere in [−5, 5].",
    "…/clean (faulty): a condition with a NaN or an infinite pixel, or 255 times too bright.",
    "decode_ratio: seconds of a decode over those of the flow without the cure, the median of "
    "pairs measured in turn in one process.",
)
CURES_TRACK = register(
    Track(
        "cures",
        Late("invbench.tracks.measuring.cures", "plan"),
        Late("invbench.tracks.measuring.cures", "measure"),
        "flow × cure: failures, artefacts, cost and certificate, with attacks through the cure",
        protocol=2,  # 1: acted_pct was that of the round trip
        weights="srflow",
        data=PHOTOGRAPHS,
        chooses_flow=True,
        flows_of="sr",
        asked=True,
        columns=(
            *"max_abs_certified critical_radius_typical acted_pct".split(),
            *QUALITY,
            "decode_ratio",
            "needs",
        ),
        screen=tuple(
            "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
            "max_abs_log10 max_abs_certified critical_radius acted_pct lr_psnr_min lr_psnr_std "
            "psnr ssim diversity median_distance decode_ratio needs tier tier_given".split()
        ),
        short=tuple("entry n error_pct max_abs_log10 max_abs_certified lr_psnr_min needs".split()),
        digits={
            "max_abs_certified": 2,
            "critical_radius_typical": 2,
            "acted_pct": 3,
            "lr_psnr_min": 2,
            "lr_psnr_std": 3,
            "psnr": 2,
            "ssim": 3,
            "diversity": 4,
            "median_distance": 4,
            "decode_ratio": 2,
        },
        row=_row,
        own_rows=(FAULTY,),
        notes=NOTES,
        order=2,
        page=Page("cures of flows that explode", order=2),
    )
)
