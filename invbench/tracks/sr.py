"""Track ``sr``: super-resolution of photographs under clean and out-of-distribution conditions
(Table 1)."""

from __future__ import annotations

from collections.abc import Sequence

from invbench.late import Late
from invbench.store.record import Record
from invbench.tracks.kinds import LPIPS, PHOTOGRAPHS, RADII, STRETCH
from invbench.tracks.row import RATES, common, largest, mean, median, of_every_training
from invbench.tracks.track import Page, Row, Track, register

__all__ = ["SR"]


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    samples = [cell for cell in cells if not cell.spec.measure]
    row = common(entry, case, samples or cells)
    for column, name in (("inv_lipschitz_lower", "inv_lipschitz"), ("kappa_lower", "kappa")):
        row[column] = largest(cells, name)
    row |= {column: median(cells, name) for column, name in RADII.items()}
    row["lpips"] = of_every_training(samples, cells, LPIPS)
    return row | {
        name: mean(samples, name) for name in ("lr_psnr_min", "lr_psnr_std", "psnr", "ssim")
    }


NOTES = (
    (
        "inf_pct: inputs with a non-finite pixel in any sample; error_pct: with a pixel > "
        "1.5, < −0.5 or non-finite, before any clamp. τ = 0.9."
    ),
    *RATES,
    "LR-PSNR, PSNR, SSIM on samples clamped to [0, 1], +Inf as 1, −Inf and NaN as 0; "
    "LR-PSNR minimum and standard deviation over the 10 "
    "samples, then the mean over inputs, against the clean low-resolution image. "
    "Identical images count as 100 dB. "
    "SSIM: 11×11 Gaussian, σ = 1.5 (torchmetrics).",
    "inv_lipschitz_lower, kappa_lower: largest singular value of the decoder's Jacobian, "
    "and that times ‖z‖/‖x‖, at one latent each of the "
    "first 4 photographs (64×64 crops, float64, severity 3), tier L0: true at those "
    "points, a lower bound beyond. "
    "inf: the decode overflows in float64.",
    "critical_radius: the least ℓ∞ change of a drawn latent, in units of τ, at which a "
    "search of fixed budget makes some |x| > 10; median over "
    "inputs (64×64 crops), inf: not within 4τ in half of them, empty: one was not "
    "searched. critical_radius_typical: the same among latents "
    "with the marginals and covariances of draws. Known to a factor of 1.2 at budget "
    "default; upper bounds, as every attack is.",
    "Rows …/attack-NAME-EPS (EPS/255): what a search at fixed budget found, worst sample "
    "per input, confirmed by a plain decode "
    "(invbench list attacks). …/attacked: inputs that any of them makes fail, those with "
    "a radius at 8/255. n counts inputs, not samples.",
)
SR = register(
    Track(
        "sr",
        Late("invbench.tracks.measuring.sr", "plan"),
        Late("invbench.tracks.measuring.sr", "measure"),
        "super-resolution ×4 of photographs, clean and out of distribution (Table 1)",
        weights="srflow",
        data=PHOTOGRAPHS,
        chooses_flow=True,
        columns=tuple(
            "max_abs_certified critical_radius_typical lr_psnr_min lr_psnr_std psnr "
            "ssim lpips".split()
        ),
        screen=tuple(
            "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
            "max_abs_log10 max_abs_certified critical_radius critical_radius_typical "
            "inv_lipschitz_lower "
            "lr_psnr_min lr_psnr_std psnr ssim tier tier_given".split()
        ),
        short=tuple(
            "entry n error_pct max_abs_log10 max_abs_certified lr_psnr_min psnr tier".split()
        ),
        digits={
            "max_abs_certified": 2,
            "critical_radius_typical": 2,
            "lr_psnr_min": 2,
            "lr_psnr_std": 3,
            "psnr": 2,
            "ssim": 3,
            "lpips": 3,
        },
        row=_row,
        dtypes={STRETCH: "float64"},
        notes=NOTES,
        order=3,
        page=Page(
            "super-resolution of photographs",
            order=1,
            charts=("pareto", "heatmap", "survival", "bound", "severity", "eps", "sensitivity"),
            quality=("psnr", True),
        ),
    )
)
