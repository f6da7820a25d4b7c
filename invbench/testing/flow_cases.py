"""Generated conditions of a trained flow: the cases of the suites, and what stands for each.

A case names a photograph, what happens to it and how the latents are drawn; it is a plain
dictionary, so that a violation can be written down and replayed.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from hypothesis import strategies as st
from torch import Tensor

from invbench.attacks.latents import LATENT_PATTERNS, patterned
from invbench.corruptions import DEFAULT_DARKENING, corrupt, corruption_names
from invbench.data.conditions import sizes_only
from invbench.data.datasets import Pair, sr_pairs
from invbench.flows import ConditionalFlow
from invbench.registry import CORRUPTIONS, FLOWS
from invbench.targets import Target, without_options
from invbench.training.weights import load_flow

__all__ = ["TEMPERATURE", "Case", "cases", "decoder_inputs", "loaded", "pairs"]

Case = dict[str, int | str]

TEMPERATURE = 0.9

loaded = lru_cache(maxsize=4)(load_flow)


@lru_cache
def pairs(flow_name: str = "srflow") -> list[Pair]:
    """24 crops with the conditions that a flow of that name takes."""
    found = sr_pairs("embedded", 64, 4)
    track = FLOWS[without_options(flow_name)].metadata.get("track", "sr")
    if track == "lowlight":
        dark = corrupt(*DEFAULT_DARKENING, [pair.high for pair in found])
        return [Pair(pair.name, pair.high, low) for pair, low in zip(found, dark, strict=True)]
    if track == "unconditional":
        return [Pair(pair.name, pair.high, sizes_only(pair.high[None])[0]) for pair in found]
    return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A photograph, a corruption of it, a pattern of latents and a seed."""
    family = draw(st.sampled_from(corruption_names("sr")))
    severities = len(CORRUPTIONS[family].metadata["strengths"])
    return {
        "family": family,
        "severity": draw(st.integers(1, severities)),
        "image": draw(st.integers(0, 23)),
        "seed": draw(st.integers(0, 2**20)),
        "latents": draw(st.sampled_from(list(LATENT_PATTERNS))),
    }


def decoder_inputs(
    flow_name: str, coupling: Target, dtype: str, device: str, case: Case, samples: int
) -> tuple[ConditionalFlow, Tensor, list[Tensor]]:
    """(the flow, ``samples`` times the condition of ``case``, its latents)."""
    flow = loaded(flow_name, coupling).to(device, getattr(torch, dtype))
    image, severity, seed = int(case["image"]), int(case["severity"]), int(case["seed"])
    (changed,) = corrupt(str(case["family"]), severity, [pairs(flow_name)[image]], seed)
    y = changed.to(device, getattr(torch, dtype))[None].expand(samples, -1, -1, -1)
    normal = flow.sample_latents(samples, y, 1.0, torch.Generator().manual_seed(seed))
    pattern = str(case.get("latents", "normal"))
    return flow, y, [TEMPERATURE * z for z in patterned(normal, pattern)]
