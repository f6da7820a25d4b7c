"""The model: levels of squeeze → K steps (ActNorm → 1×1 convolution → injector → coupling) → split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from invbench.conditions.resample import bicubic
from invbench.couplings.base import Elementwise
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, ConvConditioner, Split, Squeeze
from invbench.registry import flow

__all__ = ["SIZES", "SRFlowSize", "srflow"]


@dataclass(frozen=True)
class SRFlowSize:
    """Numbers that fix the architecture; the coupling is not among them."""

    scale: int = 4
    levels: int = 2
    steps: int = 4
    width: int = 32
    features: int = 24


SIZES = {"mini": SRFlowSize()}


class Encoder(nn.Sequential):
    """g_θ of the mini size: four 3×3 convolutions with LeakyReLU between, at the resolution of the condition."""

    def __init__(self, features: int) -> None:
        body: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1)]
        for _ in range(3):
            body += [nn.LeakyReLU(0.2), nn.Conv2d(features, features, 3, padding=1)]
        super().__init__(*body)


@flow("srflow", sizes=tuple(SIZES), track="sr", temperature=0.9)
def srflow(coupling: Callable[[], Elementwise], size: str = "mini", seed: int = 0) -> ConditionalFlow:
    """Super-resolution flow: x = bicubic(y) + residual, the residual given by the flow conditioned on g_θ(y).

    x: (B, 3, s·h, s·w) in [0, 1], s·h and s·w divisible by 2^levels; y: (B, 3, h, w) in [0, 1].
    After each level but the last, half of the channels leave through a ``Split``. Differences from the published
    model, all of size: two levels of four steps, conditioner width 32, a four-convolution encoder of width 24,
    no transition steps, and a residual target as in FS-NCSR. Weights are drawn from ``seed``.
    """
    spec = SIZES[size]
    conditioner = partial(ConvConditioner, width=spec.width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(spec.features)
        layers: dict[str, nn.Module] = {}
        channels = 3
        for level in range(1, spec.levels + 1):
            layers[f"level{level}_squeeze"] = Squeeze()
            channels *= 4
            for step in range(1, spec.steps + 1):
                prefix = f"level{level}_step{step}"
                layers[f"{prefix}_actnorm"] = ActNorm(channels)
                layers[f"{prefix}_conv1x1"] = Conv1x1(channels)
                layers[f"{prefix}_injector"] = ConditionalCoupling(coupling(), channels, 0, spec.features, conditioner)
                layers[f"{prefix}_coupling"] = ConditionalCoupling(
                    coupling(), channels, channels // 2, spec.features, conditioner
                )
            if level < spec.levels:
                layers[f"level{level}_split"] = Split(channels, conditioner)
                channels //= 2
        return ConditionalFlow(layers, encoder, partial(_latent_shapes, spec), partial(_upscale, spec.scale))


def _upscale(scale: int, y: Tensor) -> Tensor:
    return bicubic(y, scale)


def _latent_shapes(spec: SRFlowSize, y: Tensor) -> list[tuple[int, ...]]:
    channels, height, width = 3, y.shape[-2] * spec.scale, y.shape[-1] * spec.scale
    shapes: list[tuple[int, ...]] = []
    for level in range(1, spec.levels + 1):
        channels, height, width = channels * 4, height // 2, width // 2
        if level < spec.levels:
            channels //= 2
        shapes.append((channels, height, width))
    return shapes
