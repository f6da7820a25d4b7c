"""Cells of track ``sr``: samples of photographs, stretch at some of them, and searches."""

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
from invbench.targets import Target
from invbench.tracks.kinds import CERTIFICATE, LPIPS, RADIUS, STRETCH
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.measuring.perceptual import measure_perceptual, perceptual_of
from invbench.tracks.measuring.samples import (
    cases_of,
    inputs_of,
    loaded,
    measure_samples,
    model_settings,
    spec_of,
    without_weights,
)
from invbench.tracks.measuring.searches import measure_radius
from invbench.tracks.measuring.sr_attacks import attack_specs, measure_attack
from invbench.tracks.track import Options
from invbench.uniform import stream_seed

__all__ = ["CROP", "SAMPLES", "TEMPERATURE", "measure", "pairs_of", "plan", "quality"]

CROP, SAMPLES, TEMPERATURE = 128, 10, 0.9
# one severity per family
STRETCHED = [("clean", None)] + [(family, 3) for family in corruption_names("sr")]
STRETCH_CROP, STRETCH_INPUTS, PRODUCTS = 64, 4, 30


def plan(target: Target, options: Options) -> list[CellSpec]:
    narrowed = options.corruptions or options.severities
    corruptions = options.corruptions or options.budget.families or corruption_names("sr")
    if options.attacks and not narrowed:
        corruptions = ()
    cases = cases_of(options, corruptions)
    settings: dict[str, Any] = {
        **model_settings(options, "srflow"),
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
    stretched = STRETCHED if options.budget.stretched else STRETCHED[:1]
    more = [_stretch_of(s) for s in specs if (s.corruption, s.severity) in stretched]
    more += perceptual_of(specs)
    if narrowed and not options.attacks:
        return specs + more + certificates_of(specs)
    clean = [spec for spec in specs if spec.corruption == "clean"]
    searches = [attack_specs(spec, options) for spec in clean]
    found = [spec for group in searches for spec in group]
    return specs + more + found + certificates_of(specs)


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


def measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    if spec.measure == CERTIFICATE:
        return measure_certificate(spec, flow)
    pairs, scale = pairs_of(spec, flow)
    if spec.attack:
        return measure_attack(spec, target, flow, pairs, scale)
    if spec.measure == RADIUS:
        return measure_radius(spec, flow, pairs, scale)
    conditions = corrupt(spec.corruption, int(spec.severity or 1), pairs, spec.seed)
    if spec.measure == STRETCH:
        return _stretches(spec, flow, [pair.name for pair in pairs], conditions)
    if spec.measure == LPIPS:
        return measure_perceptual(spec, flow, pairs, conditions)
    return measure_samples(spec, flow, pairs, conditions, partial(quality, scale=scale))


def pairs_of(spec: CellSpec, flow: ConditionalFlow) -> tuple[Sequence[Pair], int]:
    """(the photographs of a cell with their conditions, the scale of its flow)."""
    limit, crop = spec.settings["limit"], int(spec.settings["crop"] or CROP)
    scale: int = flow.spec.scale  # type: ignore[assignment, union-attr]
    count = int(spec.settings["crops_per_image"] or 1)
    most = None if limit is None else int(limit)
    return sr_pairs(spec.dataset, crop, count, most, scale), scale


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
