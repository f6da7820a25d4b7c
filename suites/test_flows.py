"""The trained mini flows under generated conditions; ``--coupling`` and ``--flow`` add those that
have weights."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from invbench.attacks.latents import LATENT_PATTERNS, patterned
from invbench.corruptions import DEFAULT_DARKENING, corrupt, corruption_names
from invbench.data.conditions import sizes_only
from invbench.data.datasets import Pair, sr_pairs
from invbench.flows import ConditionalFlow
from invbench.measures.explosion import explosion
from invbench.measures.round_trip import round_trip_error
from invbench.registry import CORRUPTIONS
from invbench.registry import FLOWS as FLOW_REGISTRY
from invbench.training.weights import load_flow
from suites.records import append

PROPERTY = "no-explosion"
FLOWS, ANY_FLOWS = ("srflow", "fs_ncsr", "llflow"), ("srflow", "fs_ncsr", "llflow", "glow")
SAMPLES, TEMPERATURE = 4, 0.9
LIMIT = 2.0  # log10: |x| > 100 is an explosion of an image in [0, 1]; an overshoot is not

loaded = lru_cache(maxsize=4)(load_flow)


@lru_cache
def pairs(flow_name: str = "srflow") -> list[Pair]:
    """24 crops with the conditions that a flow of that name takes."""
    found = sr_pairs("embedded", 64, 4)
    track = FLOW_REGISTRY[flow_name].metadata.get("track", "sr")
    if track == "lowlight":
        dark = corrupt(*DEFAULT_DARKENING, [pair.high for pair in found])
        return [Pair(pair.name, pair.high, low) for pair, low in zip(found, dark, strict=True)]
    return (
        [Pair(p.name, p.high, sizes_only(p.high[None])[0]) for p in found]
        if track == "unconditional"
        else found
    )


@st.composite
def cases(draw: st.DrawFn) -> dict[str, int | str]:
    family = draw(st.sampled_from(corruption_names("sr")))
    severities = len(CORRUPTIONS[family].metadata["strengths"])
    return {
        "family": family,
        "severity": draw(st.integers(1, severities)),
        "image": draw(st.integers(0, 23)),
        "seed": draw(st.integers(0, 2**20)),
        "latents": draw(st.sampled_from(list(LATENT_PATTERNS))),
    }


def log10_largest(flow_name, coupling, dtype, device, case) -> float:
    """log10 of the largest |x| over four samples of one condition; infinite when a pixel is not
    finite."""
    flow, y, latents = drawn(flow_name, coupling, dtype, device, case, SAMPLES)
    with torch.no_grad():
        return explosion(flow.decode(latents, y)).max_abs_log10


def drawn(
    flow_name, coupling, dtype, device, case, samples
) -> tuple[ConditionalFlow, Tensor, list[Tensor]]:
    """(flow, ``samples`` times the condition of ``case``, its latents)."""
    flow = loaded(flow_name, coupling).to(device, getattr(torch, dtype))
    (changed,) = corrupt(
        case["family"], case["severity"], [pairs(flow_name)[case["image"]]], case["seed"]
    )
    y = changed.to(device, getattr(torch, dtype))[None].expand(samples, -1, -1, -1)
    normal = flow.sample_latents(samples, y, 1.0, torch.Generator().manual_seed(case["seed"]))
    return flow, y, [TEMPERATURE * z for z in patterned(normal, case.get("latents", "normal"))]


@given(case=cases())
def test_flow_does_not_explode(flow_name, coupling, dtype, device, results_folder, case):
    found = log10_largest(flow_name, coupling, dtype, device, case)
    if found > LIMIT:
        if results_folder is not None:
            name = f"{flow_name}:{coupling.name}"
            record = {
                "target": name,
                "property": PROPERTY,
                "recipe": case,
                "message": f"10^{found:.3g}",
            }
            append(results_folder, record)
        pytest.fail(
            f"{flow_name} with {coupling.name}: |x| reaches 10^{found:.3g} for {case}",
            pytrace=False,
        )


def test_known_explosion_is_still_there(flow_name, coupling, dtype, device, known_failure):
    """A listed explosion is replayed from its recipe; an entry that no longer explodes is stale."""
    known = known_failure(f"{flow_name}:{coupling.name}", PROPERTY)
    found = log10_largest(flow_name, coupling, dtype, device, known.recipe)
    if found <= LIMIT:
        pytest.fail(
            f"stale entry: {known.target} stays at 10^{found:.3g}; remove it", pytrace=False
        )
    pytest.xfail(f"{known.reason} (|x| reaches 10^{found:.3g})")


@given(image=st.integers(0, 23))
def test_flow_round_trip_on_clean_photographs(any_flow, dtype, device, image):
    """decode(encode(x, y), y) = x within 1e-2 on photographs with their own conditions, for every
    design."""
    flow_name, coupling = any_flow
    flow = loaded(flow_name, coupling).to(device, getattr(torch, dtype))
    pair = pairs(flow_name)[image]
    x, y = (t[None].to(device, getattr(torch, dtype)) for t in (pair.high, pair.low))
    assert round_trip_error(flow, x, y).item() <= 1e-2
