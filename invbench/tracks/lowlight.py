"""Track ``lowlight``: dark photographs made bright, by a camera model or as a data set has them
(Table 2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from invbench.corruptions import DEFAULT_DARKENING, corrupt, corruption_names
from invbench.data.conditions import with_equalised
from invbench.data.datasets import Pair
from invbench.data.images import EMBEDDED, centre_crop, crops, embedded
from invbench.data.layouts import LOW_LIGHT
from invbench.data.pair_files import lowlight_pairs
from invbench.measures.quality import psnr, rescaled, ssim
from invbench.registry import CORRUPTIONS
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.samples import (
    condition_of,
    inputs_of,
    loaded,
    measure_samples,
    model_settings,
    spec_of,
    without_weights,
)
from invbench.tracks.searches import CROP, RADIUS, measure_radius, search_settings
from invbench.tracks.track import Data, Options, Track

__all__ = ["DARKENING", "HALF", "LOWLIGHT", "MEAN", "dark_pairs"]

FLOW = "llflow"
EMBEDDED_CROP, SAMPLES, TEMPERATURE = 256, 10, 1.0
MULTIPLE = 8  # of the sides of an image: squeezed three times
DARKENING = tuple(
    name
    for name in corruption_names("lowlight")
    if CORRUPTIONS[name].metadata["track"] == "lowlight"
)
# end the names of a case's cells: under autocast, and of the mean latent
HALF, MEAN = "#fp16", "#mean"
OTHERWISE: dict[str, dict[str, Any]] = {
    HALF: {"autocast": "float16"},
    MEAN: {"samples": 1, "temperature": 0.0},
}
SEARCHED = ("clean", f"{DARKENING[0]}-3")  # conditions whose critical radius is measured


def _plan(target: Target, options: Options) -> list[CellSpec]:
    """Of every data set and condition the samples in ``options.dtype`` and, where that is float32,
    the same under float16 autocast and the decode of the mean latent, which is all that the
    released code decodes; of the ``SEARCHED`` ones the critical radius.

    A data set of dark photographs has its ``clean`` ones, the embedded photographs are darkened by
    the families ``DARKENING``; families that are named take their place, or stand beside
    ``clean``."""
    settings: dict[str, Any] = {
        **model_settings(options, FLOW),
        "embedded_crop": EMBEDDED_CROP,
        "samples": SAMPLES,
        "temperature": TEMPERATURE,
    }
    specs = []
    for dataset, condition in _conditions(options):
        for seed in range(options.seeds or 1):
            size = SAMPLES if dataset == "embedded" else 1
            case = f"{dataset}/{condition}"
            spec = spec_of(
                "lowlight", target, options, settings | inputs_of(options, case), case, seed, size
            )
            specs.append(spec)
            if options.dtype == "float32":
                for part, changed in OTHERWISE.items():
                    specs.append(spec.at(spec.case + part, settings=spec.settings | changed))
            if condition in SEARCHED:
                specs.append(
                    spec.at(
                        spec.case + RADIUS,
                        settings=search_settings(spec.settings, options),
                        batch_size=1,
                    )
                )
    return specs


def _conditions(options: Options) -> Iterator[tuple[str, str]]:
    severities = options.severities or options.size.severities
    for dataset in options.datasets:
        families = options.families
        if dataset != "embedded":
            yield dataset, "clean"
        else:
            families = families or DARKENING
        for family in families:
            known = len(CORRUPTIONS[family].metadata["strengths"])
            if family != "clean":
                yield from ((dataset, f"{family}-{s}") for s in severities if s <= known)


def _measure(spec: CellSpec, target: Target) -> Measured:
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    dataset, family, severity = condition_of(spec.case)
    pairs = dark_pairs(dataset, int(spec.settings["crops_per_image"] or 1), spec.settings["limit"])
    if dataset == "embedded" and family not in DARKENING:
        dusk = corrupt(*DEFAULT_DARKENING, pairs, spec.seed)
        pairs = [Pair(pair.name, pair.high, low) for pair, low in zip(pairs, dusk, strict=True)]
    conditions = corrupt(family, severity, pairs, spec.seed)
    if spec.case.endswith(RADIUS):
        return measure_radius(
            spec, flow, [_part(*both) for both in zip(pairs, conditions, strict=True)], scale=None
        )
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


def _accepts(name: str) -> bool:
    return name == "embedded" or (name, "test") in LOW_LIGHT


def _check_data(name: str) -> None:
    if name != "embedded":
        lowlight_pairs(name, "test")


LOWLIGHT = Track(
    "lowlight",
    _plan,
    _measure,
    (
        "photographs in low light, by a camera model or as a data set has them, in float32 "
        "and under fp16 autocast, and at the mean latent (Table 2)"
    ),
    weights=FLOW,
    data=Data(_accepts, _check_data),
    chooses_flow=True,
)
