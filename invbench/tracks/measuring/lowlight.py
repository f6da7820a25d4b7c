"""Cells of track ``lowlight``: samples of dark photographs in two dtypes, and the mean latent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from invbench.corruptions import DEFAULT_DARKENING, corrupt, corruption_names
from invbench.data.conditions import with_equalised
from invbench.data.datasets import Pair
from invbench.data.images import EMBEDDED, centre_crop, crops, embedded
from invbench.data.pair_files import lowlight_pairs
from invbench.measures.quality import psnr, rescaled, ssim
from invbench.registry import CORRUPTIONS
from invbench.store.case import Case
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.kinds import CERTIFICATE, LPIPS, MEAN, RADIUS
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.measuring.perceptual import measure_perceptual, perceptual_of
from invbench.tracks.measuring.samples import (
    inputs_of,
    loaded,
    measure_samples,
    model_settings,
    severities_of,
    spec_of,
    without_weights,
)
from invbench.tracks.measuring.searches import CROP, measure_radius, search_settings
from invbench.tracks.track import Options

__all__ = ["DARKENING", "dark_pairs", "measure", "plan"]

EMBEDDED_CROP, SAMPLES, TEMPERATURE = 256, 10, 1.0
MULTIPLE = 8  # of the sides of an image: squeezed three times
DARKENING = tuple(
    name
    for name in corruption_names("lowlight")
    if CORRUPTIONS[name].metadata["track"] == "lowlight"
)
# what else is measured of a condition in float32
OTHERWISE: tuple[dict[str, Any], ...] = (
    {"precision": "float16"},
    {"measure": MEAN, "settings": {"samples": 1, "temperature": 0.0}},
)
# conditions whose critical radius is measured
SEARCHED = (("clean", None), (DARKENING[0], 3))


def plan(target: Target, options: Options) -> list[CellSpec]:
    """Of every data set and condition the samples in ``options.dtype`` and, where that is float32,
    the same under float16 autocast and the decode of the mean latent, which is all that the
    released code decodes; of the ``SEARCHED`` ones the critical radius, of clean ones LPIPS.

    A data set of dark photographs has its ``clean`` ones, the embedded photographs are darkened by
    the families ``DARKENING``; families that are named take their place, or stand beside
    ``clean``."""
    settings: dict[str, Any] = {
        **model_settings(options, "llflow"),
        "embedded_crop": EMBEDDED_CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    specs = []
    for case in _cases(options):
        for seed in range(options.seeds or 1):
            size = SAMPLES if case.dataset == "embedded" else 1
            own = settings | inputs_of(options, case)
            spec = spec_of("lowlight", target, options, own, case, seed, size)
            specs.append(spec)
            if options.dtype == "float32":
                for changed in OTHERWISE:
                    more = spec.settings | changed.get("settings", {})
                    specs.append(spec.at(**{**changed, "settings": more}))
            if (case.corruption, case.severity) in SEARCHED:
                searched = search_settings(spec.settings, options)
                specs.append(spec.at(measure=RADIUS, settings=searched, batch_size=1))
    return specs + perceptual_of(specs) + certificates_of(specs)


def _cases(options: Options) -> Iterator[Case]:
    for dataset in options.datasets:
        corruptions = options.corruptions
        if dataset != "embedded":
            yield Case(dataset=dataset, corruption="clean")
        else:
            corruptions = corruptions or DARKENING
        for name in corruptions:
            if name != "clean":
                for severity in severities_of(options, name):
                    yield Case(dataset=dataset, corruption=name, severity=severity)


def measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    if spec.measure == CERTIFICATE:
        return measure_certificate(spec, flow)
    pairs = dark_pairs(
        spec.dataset, int(spec.settings["crops_per_image"] or 1), spec.settings["limit"]
    )
    if spec.dataset == "embedded" and spec.corruption not in DARKENING:
        dusk = corrupt(*DEFAULT_DARKENING, pairs, spec.seed)
        pairs = [Pair(pair.name, pair.high, low) for pair, low in zip(pairs, dusk, strict=True)]
    conditions = corrupt(spec.corruption, int(spec.severity or 1), pairs, spec.seed)
    if spec.measure == RADIUS:
        return measure_radius(
            spec, flow, [_part(*both) for both in zip(pairs, conditions, strict=True)], scale=None
        )
    if spec.measure == LPIPS:
        return measure_perceptual(spec, flow, pairs, conditions)
    return measure_samples(spec, flow, pairs, conditions, _quality)


def dark_pairs(dataset: str, per_image: int, limit: Any) -> list[Pair]:
    """At most ``limit`` pairs: of a data set its test photographs whole, sides cut to multiples of
    8; of the embedded photographs crops, the first of each before the second ones, with themselves
    for a condition."""
    if dataset != "embedded":
        files = lowlight_pairs(dataset, "test")[:limit]
        return [
            Pair(p.name, centre_crop(p.high, MULTIPLE), centre_crop(p.low, MULTIPLE)) for p in files
        ]
    found = {name: crops(embedded(name), EMBEDDED_CROP, per_image) for name in EMBEDDED}
    pairs = [
        Pair(f"{name}/{k}", found[name][k], found[name][k])
        for k in range(per_image)
        for name in EMBEDDED
    ]
    return pairs[:limit]


def _part(pair: Pair, condition: Tensor) -> Pair:
    """The central 64×64 of a pair; its condition beside the equalisation of the whole, as in
    training."""
    high, low = (crops(image, CROP, 1)[0] for image in (pair.high, with_equalised(condition)))
    return Pair(pair.name, high, low)


def _quality(samples: Tensor, pair: Pair) -> dict[str, float]:
    """PSNR, PSNR at the ground truth's mean brightness, and SSIM; means over the samples."""
    high = pair.high[None]
    return {
        "psnr": psnr(samples, high).mean().item(),
        "psnr_rescaled": psnr(rescaled(samples, high), high).mean().item(),
        "ssim": ssim(samples, high).mean().item(),
    }
