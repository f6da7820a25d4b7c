"""Track ``lowlight``: dark photographs made bright, by a camera model or as a data set has them
(Table 2)."""

from __future__ import annotations

from collections.abc import Sequence

from invbench.data.layouts import LOW_LIGHT
from invbench.late import Late
from invbench.store.case import Case
from invbench.store.record import Record
from invbench.tracks.kinds import LPIPS, MEAN, RADII, RADIUS
from invbench.tracks.row import RATES, common, mean, median, of_every_training
from invbench.tracks.track import Data, Page, Row, Track, register

__all__ = ["LOWLIGHT"]


def _accepts(name: str) -> bool:
    return name == "embedded" or (name, "test") in LOW_LIGHT


def _check_data(name: str) -> None:
    if name != "embedded":
        from invbench.data.pair_files import lowlight_pairs

        lowlight_pairs(name, "test")


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    samples = [cell for cell in cells if cell.spec.measure not in (RADIUS, LPIPS)]
    row = common(entry, case, samples or cells)
    row |= {column: median(cells, name) for column, name in RADII.items()}
    row["lpips"] = of_every_training(samples, cells, LPIPS)
    return row | {name: mean(samples, name) for name in ("psnr", "ssim", "psnr_rescaled")}


def _pooled(case: Case) -> str:
    """The severities of a corruption in one row."""
    return f"{case.dataset}/{case.corruption}"


NOTES = (
    "embedded/…: photographs (256×256 crops) darkened by a camera model: under-exposure, "
    "sensor-noise (invbench list conditions); other families "
    "change the photograph under-exposed to 1/16. DATA/clean: the test photographs of a "
    "data set, whole, as they are.",
    "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > "
    "1.5, < −0.5 or non-finite, before any clamp. τ = 1: "
    "latents are drawn, the released code decodes their mean.",
    (
        "(fp16): the same latents under float16 autocast, as the released test runs; there "
        "65504 is the largest number."
    ),
    (
        "(mean): one decode of the mean latent, τ = 0, in place of samples: what the released "
        "code shows."
    ),
    *RATES,
    "PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0, means over "
    "samples and inputs. psnr_rescaled: after "
    "x·mean(truth)/mean(x), which takes the exposure from the ground truth; a black "
    "sample stays black. "
    "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
    ("critical_radius: as in track sr, of clean photographs and of under-exposure 3, 64×64 crops."),
)
LOWLIGHT = register(
    Track(
        "lowlight",
        Late("invbench.tracks.measuring.lowlight", "plan"),
        Late("invbench.tracks.measuring.lowlight", "measure"),
        (
            "photographs in low light, by a camera model or as a data set has them, in float32 "
            "and under fp16 autocast, and at the mean latent (Table 2)"
        ),
        weights="llflow",
        data=Data(_accepts, _check_data),
        chooses_flow=True,
        columns=(
            "max_abs_certified",
            "critical_radius_typical",
            "psnr",
            "ssim",
            "lpips",
            "psnr_rescaled",
        ),
        screen=tuple(
            "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
            "max_abs_log10 max_abs_certified critical_radius psnr psnr_rescaled ssim tier "
            "tier_given".split()
        ),
        short=tuple("entry inf_pct error_pct max_abs_log10 max_abs_certified psnr tier".split()),
        digits={
            "max_abs_certified": 2,
            "critical_radius_typical": 2,
            "psnr": 2,
            "ssim": 3,
            "lpips": 3,
            "psnr_rescaled": 2,
        },
        row=_row,
        pooled=_pooled,
        own_rows=(MEAN,),
        notes=NOTES,
        order=4,
        page=Page(
            "dark photographs made bright",
            order=4,
            charts=("pareto", "bound", "severity", "survival"),
            quality=("psnr", True),
            clean=("clean", "under-exposure-1"),
        ),
    )
)
