"""Track ``sr``: super-resolution of photographs under clean and out-of-distribution conditions
(Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from invbench.bounds.lipschitz import decoder, largest_jacobian_norm
from invbench.corruptions import corrupt, corruption_names
from invbench.data.datasets import Pair, sr_pairs
from invbench.flows import ConditionalFlow
from invbench.measures.quality import lr_psnr, psnr, ssim
from invbench.store.cell import CellSpec, Measured
from invbench.store.record import Record
from invbench.targets import Target
from invbench.tracks.row import RATES, common, largest, mean, median
from invbench.tracks.samples import (
    PHOTOGRAPHS,
    cases_of,
    inputs_of,
    loaded,
    measure_samples,
    model_settings,
    spec_of,
    without_weights,
)
from invbench.tracks.searches import RADII, RADIUS, measure_radius
from invbench.tracks.sr_attacks import attack_specs, measure_attack
from invbench.tracks.track import Options, Page, Row, Track, register
from invbench.uniform import stream_seed

__all__ = ["SAMPLES", "SR", "TEMPERATURE", "quality"]

FLOW = "srflow"
CROP, SAMPLES, TEMPERATURE = 128, 10, 0.9
STRETCH = "stretch"  # the measure of a condition's second cell
# one severity per family
STRETCHED = [("clean", None)] + [(family, 3) for family in corruption_names("sr")]
STRETCH_CROP, STRETCH_INPUTS, PRODUCTS = 64, 4, 30


def _plan(target: Target, options: Options) -> list[CellSpec]:
    narrowed = options.corruptions or options.severities
    corruptions = options.corruptions or options.budget.families or corruption_names("sr")
    if options.attacks and not narrowed:
        corruptions = ()
    cases = cases_of(options, corruptions)
    settings: dict[str, Any] = {
        **model_settings(options, FLOW),
        "crop": CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    seeds = range(options.seeds or 1)
    specs = [
        spec_of("sr", target, options, settings | inputs_of(options, case), case, seed, SAMPLES)
        for case in cases
        for seed in seeds
    ]
    stretches = [_stretch_of(s) for s in specs if (s.corruption, s.severity) in STRETCHED]
    if narrowed and not options.attacks:
        return specs + stretches
    clean = [spec for spec in specs if spec.corruption == "clean"]
    searches = [attack_specs(spec, options) for spec in clean]
    return specs + stretches + [spec for group in searches for spec in group]


def _stretch_of(spec: CellSpec) -> CellSpec:
    """The cell of the same case that measures sensitivity: fewer inputs, since each costs 30
    products with a Jacobian."""
    settings = {
        **{
            name: value for name, value in spec.settings.items() if name != "photographs"
        },  # the first four, of however many
        "crop": STRETCH_CROP,
        "crops_per_image": 1,
        "limit": STRETCH_INPUTS,
        "products": PRODUCTS,
    }
    return spec.at(measure=STRETCH, settings=settings, dtype="float64", batch_size=1)


def _measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    limit, crop = spec.settings["limit"], int(spec.settings["crop"] or CROP)
    scale: int = flow.spec.scale  # type: ignore[assignment, union-attr]
    count = int(spec.settings["crops_per_image"] or 1)
    pairs = sr_pairs(spec.dataset, crop, count, None if limit is None else int(limit), scale)
    if spec.attack:
        return measure_attack(spec, target, flow, pairs, scale)
    if spec.measure == RADIUS:
        return measure_radius(spec, flow, pairs, scale)
    conditions = corrupt(spec.corruption, int(spec.severity or 1), pairs, spec.seed)
    if spec.measure == STRETCH:
        return _stretches(spec, flow, [pair.name for pair in pairs], conditions)
    return measure_samples(spec, flow, pairs, conditions, partial(quality, scale=scale))


def quality(samples: Tensor, pair: Pair, scale: int) -> dict[str, float]:
    """LR-PSNR, minimum and standard deviation over the samples; PSNR and SSIM, their means."""
    high, in_low = pair.high[None], lr_psnr(samples, pair.low[None], scale)
    return {
        "lr_psnr_min": in_low.min().item(),
        "lr_psnr_std": in_low.std(correction=0).item(),
        "psnr": psnr(samples, high).mean().item(),
        "ssim": ssim(samples, high).mean().item(),
    }


def _stretches(
    spec: CellSpec, flow: ConditionalFlow, names: list[str], conditions: list[Tensor]
) -> Measured:
    """σmax of the decoder's Jacobian per input at one latent (tier L0, float64), and κ =
    σmax·‖z‖/‖x‖; infinite where the decode itself is not finite in float64. The witness is the
    latent of (seed, input), drawn again by the same command."""
    stretches, kappas = [], []
    for index, condition in enumerate(conditions):
        y = condition.to(spec.device, torch.float64)[None]
        generator = torch.Generator().manual_seed(stream_seed(spec.seed, index))
        decode, z = decoder(flow, flow.sample_latents(1, y, TEMPERATURE, generator), y)
        value = largest_jacobian_norm(
            decode, z, int(spec.settings["products"] or PRODUCTS)
        ).value.nan_to_num(torch.inf, torch.inf)
        with torch.no_grad():
            size = decode(z).norm()
        stretches.append(value.item())
        kappas.append((value * z.norm() / size).nan_to_num(torch.inf, torch.inf).item())
    return Measured({"names": names, "inv_lipschitz": stretches, "kappa": kappas})


def _row(entry: str, case: str, cells: Sequence[Record]) -> Row:
    samples = [cell for cell in cells if not cell.spec.measure]
    row = common(entry, case, samples or cells)
    for column, name in (("inv_lipschitz_lower", "inv_lipschitz"), ("kappa_lower", "kappa")):
        row[column] = largest(cells, name)
    row |= {column: median(cells, name) for column, name in RADII.items()}
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
        _plan,
        _measure,
        "super-resolution ×4 of photographs, clean and out of distribution (Table 1)",
        weights=FLOW,
        data=PHOTOGRAPHS,
        chooses_flow=True,
        columns=tuple("critical_radius_typical lr_psnr_min lr_psnr_std psnr ssim lpips".split()),
        screen=tuple(
            "entry case cases n photographs seeds status inf_pct error_pct error_lo error_hi "
            "max_abs_log10 critical_radius critical_radius_typical inv_lipschitz_lower "
            "lr_psnr_min lr_psnr_std psnr ssim tier tier_given".split()
        ),
        digits={
            "critical_radius_typical": 2,
            "lr_psnr_min": 2,
            "lr_psnr_std": 3,
            "psnr": 2,
            "ssim": 3,
        },
        row=_row,
        dtypes={STRETCH: "float64"},
        notes=NOTES,
        order=3,
        page=Page(
            "super-resolution of photographs",
            order=1,
            charts=("pareto", "severity", "eps", "survival", "sensitivity"),
            quality=("psnr", True),
        ),
    )
)
