"""Cells of track ``unconditional``: photographs through a flow and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invbench.corruptions import corrupt, corruption_names
from invbench.data.conditions import sizes_only
from invbench.data.datasets import Pair, sr_pairs
from invbench.measures.bits import EIGHT_BIT, bits_per_dimension
from invbench.measures.explosion import explosion
from invbench.registry import CORRUPTIONS
from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.kinds import CERTIFICATE
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.measuring.samples import (
    cases_of,
    loaded,
    model_settings,
    spec_of,
    without_weights,
)
from invbench.tracks.track import Options
from invbench.uniform import stream_seed

__all__ = ["FAMILIES", "dequantised", "measure", "plan"]

CROP = 64
# |x̂ − x| of a pixel from which on the inverse has failed: half of the range of an image, as in
# track sr
WRONG = 0.5
GREY_LEVEL = 1 / 255  # the least that ‖x‖∞ counts as: a black image has no size to compare with
FAMILIES = tuple(
    n for n in corruption_names("sr") if not CORRUPTIONS[n].metadata["corruption"].needs_high
)  # an image has no larger one


def plan(target: Target, options: Options) -> list[CellSpec]:
    settings: dict[str, Any] = {
        **model_settings(options, "glow"),
        "crop": CROP,
        "crops_per_image": options.budget.crops,
        "limit": options.budget.limit,
    }
    corruptions = options.corruptions or options.budget.families or FAMILIES
    cases = cases_of(options, [name for name in corruptions if name in FAMILIES])
    seeds = range(options.seeds or 1)
    specs = [
        spec_of("unconditional", target, options, settings, case, seed)
        for case in cases
        for seed in seeds
    ]
    return specs + certificates_of(specs)


def dequantised(image: Tensor, seed: int) -> Tensor:
    """``EIGHT_BIT`` of an image (3, H, W), as the flow was trained: (v + U(0, 1))/256 with v =
    round(255·x), which what lies beyond [0, 1] keeps.

    The noise is that of Philox with the key (seed, 0) in float32: the same on every machine,
    another for every input and seed.
    """
    noise = np.random.Generator(np.random.Philox(key=[seed, 0])).random(
        tuple(image.shape), dtype=np.float32
    )
    return EIGHT_BIT.of((image * 255).round() / 255, torch.from_numpy(noise).to(image))


def measure(spec: CellSpec, target: Target) -> Measured:
    """Per input x, one at a time, x̂ = f⁻¹(f(x)): ``inf``, ``error`` (a pixel off by more than ½,
    or not finite), ``max_abs_log10`` of x̂, ``gain_log10`` = log10(‖x̂‖∞/‖x‖∞) (Prop. 1; ‖x‖∞ at
    least 1/255), ``round_trip`` = ‖x̂ − x‖∞, and ``nll`` in ``bits_per_dimension`` of
    ``dequantised`` x, infinite where its f is not finite.
    """
    if not spec.weights_digest:
        return without_weights(spec, target)
    flow = loaded(spec, target)
    if spec.measure == CERTIFICATE:
        return measure_certificate(spec, flow)
    limit = spec.settings["limit"]
    pairs = sr_pairs(
        spec.dataset,
        CROP,
        int(spec.settings["crops_per_image"] or 1),
        None if limit is None else int(limit),
    )
    whole = [Pair(pair.name, pair.high, pair.high) for pair in pairs]
    rows: dict[str, list[float]] = {}
    for index, changed in enumerate(
        corrupt(spec.corruption, int(spec.severity or 1), whole, spec.seed)
    ):
        x = changed.to(next(flow.parameters()))[None]
        noisy = dequantised(changed, stream_seed(spec.seed, index)).to(x)[None]
        y = sizes_only(x)
        with torch.no_grad():
            back = flow.decode(flow.encode(x, y)[0], y)
            nats = -flow.log_prob(noisy, y).item()
        off = (back - x).abs().max().nan_to_num(math.inf, math.inf).item()
        found = explosion(back)
        values = {
            "inf": int(found.inf),
            "error": int(off > WRONG),
            "max_abs_log10": found.max_abs_log10,
            "gain_log10": found.max_abs_log10 - math.log10(max(x.abs().max().item(), GREY_LEVEL)),
            "round_trip": off,
            "nll": bits_per_dimension(nats, x[0].numel(), EIGHT_BIT.width)
            if math.isfinite(nats)
            else math.inf,
        }
        for name, value in values.items():
            rows.setdefault(name, []).append(value)
    names = [pair.name for pair in pairs]
    return Measured(
        {"inputs": len(names), "names": names, **rows}, "diverged" if any(rows["inf"]) else "ok"
    )
