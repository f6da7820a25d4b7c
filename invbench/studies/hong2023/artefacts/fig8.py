"""Fig. 8: where along depth an explosion starts, how it spreads, and what its pixels look like."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from invbench.corruptions import corrupt
from invbench.data.datasets import sr_pairs
from invbench.flows import ConditionalFlow
from invbench.measures.depth import depth_profile, origin
from invbench.studies.hong2023.appearance import MACHINE, appearance, nan_level
from invbench.studies.hong2023.feature_maps import feature_maps
from invbench.studies.hong2023.profiles import profile_picture, profiles
from invbench.studies.hong2023.samples import Input, drawn
from invbench.studies.study import Made, Study
from invbench.training.weights import load_flow

__all__ = ["THRESHOLD", "make", "spread"]

EXPLODING = ("affine", "affine-floor")
# condition -> (family, severity)
CORRUPTIONS = {"clean": ("clean", 1)} | {
    f"{family}-{severity}": (family, severity)
    for family in (
        "sharpen",
        "binarise",
        "checkerboard",
        "constant",
        "channel-swap",
        "out-of-range",
    )
    for severity in (3, 5)
}
THRESHOLD, SAMPLES, CROP = 10.0, 10, 128
KINDS = ("coupling", "injector", "actnorm", "1×1", "split")
TEXT = """Exploding: a sample with max |x| > {threshold:g} of {samples} per photograph and condition, the worst of each; the embedded
photographs, {crop}×{crop}, under {conditions} conditions, seed 0.

{summary}
## How it looks and spreads

Medians over exploding samples [quartiles]; the verdict on C6 is computed from these (fig8.csv).

{looks}

Area: share of positions with |h| > {threshold:g} in some channel, behind the first layer that has one and in the output; spread: their ratio.
Saturated: of finite error pixels (> 1.5 or < −0.5), those that are 0 or 1 in every channel once clamped; baseline, of all other finite pixels.
Black: of non-finite pixels, those black in the released conversion (clamped to [0, 1], times 255, cast to 8 bits) if a NaN becomes 0; least: if it
becomes 255. The cast of NaN is undefined: where this was made ({machine}) it becomes {level}. NaN: those with a NaN.

![log10 |h| along depth](fig8.png)

![Variance along depth](fig8_profile.png)

Pixels that are NaN in every channel are black or white as the viewer's machine has it; only a non-finite pixel without NaN shows what the flow did.

**The paper**: in the feature map nearest to z only a very small area is large, it spreads gradually and becomes a black region with Inf; both
artefacts, random primary colours and black, stand in the output. **Ours**: the same on the clean photograph on which `affine` gets furthest.

What differs: a mini flow, two levels of four steps; embedded photographs.
"""


def conditions() -> Iterator[Input]:
    pairs = sr_pairs("embedded", CROP, 1)
    for name, (family, severity) in CORRUPTIONS.items():
        for index, y in enumerate(corrupt(family, severity, pairs, 0)):
            yield Input(name, pairs[index], y, index, SAMPLES)


def make(study: Study) -> Made:
    """Decodes the shipped flows, about two minutes. Raises ``UsageError`` without weights."""
    rows: list[dict[str, Any]] = []
    worst, largest = None, -math.inf
    for design in EXPLODING:
        flow = load_flow("srflow", design)
        for given in conditions():
            study.say(f"fig8: {design}, {given.case}, {given.pair.name}")
            x, z = drawn(flow, given)
            k = int(
                x.abs().flatten(1).nan_to_num(math.inf, math.inf).amax(1).argmax()
            )  # samples of one condition explode at the same place
            if not x[k].abs().nan_to_num(math.inf, math.inf).max() > THRESHOLD:
                continue
            latents = [part[k : k + 1] for part in z]
            rows.append(
                {
                    "design": design,
                    "condition": given.case,
                    "photograph": given.pair.name,
                    "sample": k,
                }
                | _row(flow, given.y[None], latents, x[k])
            )
            size = rows[-1]["max_abs_log10"]
            if (design, given.case) == ("affine", "clean") and size > largest:
                largest, worst = (
                    size,
                    (
                        flow,
                        latents,
                        given.y[None],
                        f"{design}, clean {given.pair.name}, sample {k}",
                    ),
                )
    table = pd.DataFrame(rows)
    text = TEXT.format(
        threshold=THRESHOLD,
        samples=SAMPLES,
        crop=CROP,
        conditions=len(CORRUPTIONS),
        summary="\n".join(
            _origins(design, mine) for design, mine in table.groupby("design", sort=False)
        ),
        looks=_looks(table),
        machine=MACHINE,
        level=nan_level(),
    )
    variances = profiles()
    pictures = {"fig8_profile": profile_picture(variances)}
    if worst:
        pictures["fig8"] = feature_maps(*worst, THRESHOLD)
    return Made(text, {"fig8": table, "fig8_profile": variances}, pictures)


def _row(flow: ConditionalFlow, y: Tensor, z: list[Tensor], x: Tensor) -> dict[str, Any]:
    records = depth_profile(flow, z, y)
    found = origin(records, THRESHOLD)
    assert found is not None
    steepest = max(
        records, key=lambda r: -math.inf if math.isnan(r.growth) else r.growth
    )  # where it stops being finite, that one
    return {
        "layer": found.name,
        "kind": found.kind,
        "growth": found.growth,
        "max_abs_log10": records[-1].max_abs_log10,
        "steepest_layer": steepest.name,
        "steepest_kind": steepest.kind,
        "steepest_growth": steepest.growth,
        **spread(flow, z, y, found.name),
        **appearance(x),
        "nan_level": nan_level(),
        "machine": MACHINE,
    }


@torch.no_grad()
def spread(flow: ConditionalFlow, z: list[Tensor], y: Tensor, first: str) -> dict[str, float]:
    """Share of positions with some |h| > 10 or not finite, per cent: behind layer ``first`` and in
    the output; their ratio."""
    areas = {name: _area(h) for name, h in flow.trace(z, y)}
    start, end = areas[first], areas["data"]
    return {"area_start_pct": start, "area_end_pct": end, "spread": end / start}


def _area(h: Tensor) -> float:
    return 100 * (~(h.abs() <= THRESHOLD)).any(1).double().mean().item()


def _origins(design: str, mine: pd.DataFrame) -> str:
    layers = mine.groupby(["layer", "kind"]).agg(
        cases=("growth", "size"),
        median_growth=("growth", "median"),
        largest_log10_x=("max_abs_log10", "max"),
    )
    table = (
        layers.sort_values("cases", ascending=False)
        .reset_index()
        .to_markdown(index=False, floatfmt=".3g")
    )
    first, most = (
        ", ".join(f"{kind} {count[kind]}" for kind in KINDS if count[kind])
        for count in (Counter(mine.kind), Counter(mine.steepest_kind))
    )
    where = ", ".join(f"{name} {n}" for name, n in Counter(mine.condition).items())
    return (
        f"**`{design}`**, {len(mine)} exploding samples ({where}).\nFirst layer behind which "
        f"|h| > {THRESHOLD:g}: {first}. "
        f"Layer across which max |h| grows most: {most}.\n\n{table}\n"
    )


def _looks(table: pd.DataFrame) -> str:
    names = [
        "area_start_pct",
        "area_end_pct",
        "spread",
        "saturated_pct",
        "baseline_pct",
        "black_pct",
        "black_least_pct",
        "nan_pct",
    ]
    rows = []
    for design, mine in table.groupby("design", sort=False):
        q = mine[names].quantile([0.25, 0.5, 0.75])
        cells = {
            n: f"{q[n][0.5]:.3g} [{q[n][0.25]:.3g}, {q[n][0.75]:.3g}]"
            if mine[n].notna().any()
            else ""
            for n in names
        }
        rows.append(
            {
                "design": design,
                "samples": len(mine),
                "with Inf or NaN": int(mine.black_pct.notna().sum()),
            }
            | cells
        )
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
