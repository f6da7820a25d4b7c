"""Track ``sr``: super-resolution of photographs under clean and out-of-distribution conditions (Table 1)."""

from __future__ import annotations

import shlex
from typing import Any

import torch
from torch import Tensor

from invbench.bench.cell import CellSpec
from invbench.bench.track import Measured, Options, Track
from invbench.bench.tracks.sr_attacks import ATTACKED, RADIUS, attack_specs, measure_attack, measure_radius
from invbench.conditions.datasets import sr_pairs
from invbench.conditions.families import apply_family, family_names
from invbench.conditions.folders import find_images
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.lipschitz import decoder, largest_stretch
from invbench.measures.quality import lr_psnr, psnr, ssim
from invbench.measures.round_trip import round_trip_error
from invbench.properties.check import parse_dtype
from invbench.reference_models.weights import digest_file, find_weights, load_flow
from invbench.registry import CONDITIONS
from invbench.targets import Target

__all__ = ["SR"]

FLOW, SIZE, SCALE = "srflow", "mini", 4
CROP, SAMPLES, TEMPERATURE = 128, 10, 0.9
STRETCH = "#stretch"  # ends the name of a case's second cell
STRETCHED = [("clean", 1)] + [(family, 3) for family in family_names("sr")]  # one severity per family
STRETCH_CROP, STRETCH_INPUTS, PRODUCTS = 64, 4, 30


def _plan(target: Target, options: Options) -> list[CellSpec]:
    narrowed = options.families or options.severities
    families = options.families or options.size.families or family_names("sr")
    if options.attacks and not narrowed:
        families = ()
    cases = []
    for dataset in options.datasets:
        cases.append(f"{dataset}/clean")
        for family in families:
            known = len(CONDITIONS[family].metadata["strengths"])
            if family != "clean":
                cases += [
                    f"{dataset}/{family}-{s}" for s in options.severities or options.size.severities if s <= known
                ]
    settings: dict[str, Any] = {
        "flow": FLOW,
        "size": SIZE,
        "crop": CROP,
        "crops_per_image": options.size.crops,
        "limit": options.size.limit,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    specs = []
    for case in cases:
        for seed in range(options.seeds or 1):
            weights = find_weights(FLOW, target, SIZE, seed)
            specs.append(
                CellSpec(
                    track="sr",
                    entry=target.name,
                    case=case,
                    seed=seed,
                    entry_digest=target.digest,
                    weights_digest=digest_file(weights) if weights else "",
                    dtype=options.dtype,
                    device=options.device,
                    batch_size=SAMPLES,
                    settings=settings,
                    target=target.spec,
                )
            )
    stretches = [_stretch_of(spec) for spec in specs if _condition(spec.case)[1:] in STRETCHED]
    if narrowed and not options.attacks:
        return specs + stretches
    clean = [spec for spec in specs if spec.case.endswith("/clean")]
    searches = [attack_specs(spec, spec.case.partition("/")[0], options) for spec in clean]
    return specs + stretches + [spec for group in searches for spec in group]


def _stretch_of(spec: CellSpec) -> CellSpec:
    """The cell of the same case that measures sensitivity: fewer inputs, since each costs 30 products with a Jacobian."""
    settings = {
        **spec.settings,
        "crop": STRETCH_CROP,
        "crops_per_image": 1,
        "limit": STRETCH_INPUTS,
        "products": PRODUCTS,
    }
    case = spec.case + STRETCH
    return spec.model_copy(update={"case": case, "settings": settings, "dtype": "float64", "batch_size": 1})


def _condition(case: str) -> tuple[str, str, int]:
    """(data set, family, severity) of ``dataset/family-severity`` or ``dataset/clean``."""
    dataset, _, condition = case.partition("#")[0].partition("/")
    family, _, severity = condition.rpartition("-") if condition[-1].isdigit() else (condition, "", "1")
    return dataset, family, int(severity)


def _measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        command = f"invbench train {FLOW} --coupling {shlex.quote(target.spec)} --size {SIZE} --seed {spec.seed}"
        return Measured({}, "skipped", f"no weights for this design; {command}")
    dtype = parse_dtype(spec.dtype)
    flow = load_flow(FLOW, target, SIZE, seed=spec.seed).to(spec.device, dtype)
    dataset, family, severity = _condition(spec.case)
    limit, crop = spec.settings["limit"], int(spec.settings["crop"] or CROP)
    pairs = sr_pairs(dataset, crop, int(spec.settings["crops_per_image"] or 1), None if limit is None else int(limit))
    if ATTACKED in spec.case:
        return measure_attack(spec, target, flow, pairs)
    if spec.case.endswith(RADIUS):
        return measure_radius(spec, flow, pairs)
    conditions = apply_family(family, severity, pairs, spec.seed)
    if spec.case.endswith(STRETCH):
        return _stretches(spec, flow, [pair.name for pair in pairs], conditions)
    rows: dict[str, list[float]] = {name: [] for name in PER_INPUT}
    totals = dict.fromkeys(("plus_inf", "minus_inf", "nan", "range_errors", "failed_samples"), 0)
    for index, (pair, condition_image) in enumerate(zip(pairs, conditions, strict=True)):
        y = condition_image.to(spec.device, dtype)[None].expand(SAMPLES, -1, -1, -1)
        # one stream per (seed, input): a result does not depend on the other inputs
        generator = torch.Generator().manual_seed(spec.seed * 1_000_003 + index)
        with torch.no_grad():
            samples = flow.decode(flow.sample_latents(SAMPLES, y, TEMPERATURE, generator), y).cpu().float()
        high, low = pair.high[None], pair.low[None]
        found = explosion(samples)
        in_low = lr_psnr(samples, low, SCALE)
        values = {
            "inf": int(found.inf),
            "error": int(found.error),
            "max_abs_log10": found.max_abs_log10,
            "lr_psnr_min": in_low.min().item(),
            "lr_psnr_std": in_low.std(correction=0).item(),
            "psnr": psnr(samples, high).mean().item(),
            "ssim": ssim(samples, high).mean().item(),
            "round_trip": round_trip_error(flow, high.to(y), y[:1]).item(),
        }
        for name, value in values.items():
            rows[name].append(value)
        for name, value in (
            ("plus_inf", found.plus_inf),
            ("minus_inf", found.minus_inf),
            ("nan", found.nan),
            ("range_errors", found.out_of_range),
            ("failed_samples", found.failed_samples),
        ):
            totals[name] += value
    measures = {"inputs": len(pairs), "samples": SAMPLES, "names": [pair.name for pair in pairs], **totals, **rows}
    return Measured(measures, "diverged" if any(rows["inf"]) else "ok")


def _stretches(spec: CellSpec, flow: ConditionalFlow, names: list[str], conditions: list[Tensor]) -> Measured:
    """σmax of the decoder's Jacobian per input at one latent (tier L0, float64), and κ = σmax·‖z‖/‖x‖; infinite where the decode itself
    is not finite in float64. The witness is the latent of (seed, input), drawn again by the same command."""
    stretches, kappas = [], []
    for index, condition in enumerate(conditions):
        y = condition.to(spec.device, torch.float64)[None]
        generator = torch.Generator().manual_seed(spec.seed * 1_000_003 + index)
        decode, z = decoder(flow, flow.sample_latents(1, y, TEMPERATURE, generator), y)
        value = largest_stretch(decode, z, int(spec.settings["products"] or PRODUCTS)).value.nan_to_num(torch.inf)
        with torch.no_grad():
            size = decode(z).norm()
        stretches.append(value.item())
        kappas.append((value * z.norm() / size).nan_to_num(torch.inf).item())
    return Measured({"names": names, "inv_lipschitz": stretches, "kappa": kappas})


PER_INPUT = ("inf", "error", "max_abs_log10", "lr_psnr_min", "lr_psnr_std", "psnr", "ssim", "round_trip")


def dataset_check(names: tuple[str, ...]) -> None:
    """Raise ``UsageError`` before anything runs when a data set is not there; a damaged image is its cells' own error."""
    for name in names:
        if name != "embedded":
            try:
                find_images(name)
            except UsageError as error:
                raise UsageError(f"--data {name}: {error}") from None


SR = Track(
    "sr", _plan, _measure, "super-resolution ×4 of photographs, clean and out of distribution (Table 1)", trained=True
)
