"""A small flow that explodes, and what makes it."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from invbench.couplings import Affine
from invbench.flows import (
    ActNorm,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    ConvConditioner,
    Split,
    Squeeze,
)
from invbench.flows.example_layers import randomized

NAN, INF = math.nan, math.inf
conv = partial(ConvConditioner, width=6)


def exploding_flow():
    """Two levels of squeeze, affine step and affine split on (3, 8, 8) given (3, 2, 2), with base
    and prior; its scales are unbounded."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers: dict[str, nn.Module] = {}
        for level, channels in ((1, 12), (2, 24)):
            layers[f"squeeze{level}"] = Squeeze()
            layers[f"actnorm{level}"] = ActNorm(channels)
            layers[f"conv1x1{level}"] = Conv1x1(channels)
            layers[f"injector{level}"] = ConditionalCoupling(Affine(), channels, 0, 4, conv)
            layers[f"coupling{level}"] = ConditionalCoupling(
                Affine(), channels, channels // 2, 4, conv
            )
            layers[f"split{level}"] = Split(channels, conv)
        encoder, prior = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 12, 1)
    shapes = [(6, 4, 4), (12, 2, 2), (12, 2, 2)]
    flow = ConditionalFlow(
        layers, encoder, lambda y: shapes, lambda y: y.mean((2, 3), keepdim=True), prior
    )
    return randomized(flow.double().eval(), 1, 0.1)


def attacks(flow, y):
    """Name → (latents, condition) that the flow was never trained for."""
    z = flow.sample_latents(len(y), y, 1.0, torch.Generator().manual_seed(3))
    first_nan, first_inf = [t.clone() for t in z], [t.clone() for t in z]
    for found, value in ((first_nan, NAN), (first_inf, -INF)):
        for t in found:
            t[0, 0] = value
    return {
        "drawn": (z, y),
        "far latents": ([40 * t for t in z], y),
        "NaN latents": (first_nan, y),
        "Inf latents": (first_inf, y),
        "far condition": (z, 500 * (y - 0.5)),
        "NaN condition": (z, torch.full_like(y, NAN)),
        "Inf condition": (z, torch.full_like(y, INF)),
        "both far": ([1e3 * t for t in z], -1e3 * y),
    }
