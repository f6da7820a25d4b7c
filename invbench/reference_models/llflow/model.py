"""The model: levels of squeeze → K steps (ActNorm → 1×1 convolution → injector → coupling), no split, prior N(colour map, 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.couplings.base import Elementwise
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, ConvConditioner, Squeeze
from invbench.reference_models.llflow.inputs import encoder_inputs
from invbench.registry import flow

__all__ = ["SIZES", "LLFlowSize", "llflow"]

INPUTS = 12


@dataclass(frozen=True)
class LLFlowSize:
    """Numbers that fix the architecture; the coupling is not among them."""

    levels: int = 3
    steps: int = 4
    width: int = 32
    features: int = 32


SIZES = {"mini": LLFlowSize()}


class Encoder(nn.Module):
    """g_θ of the mini size, at half the resolution: conv 3×3 (12 → F), conv 3×3, 2×2 maximum; two residual blocks of two 3×3 convolutions;
    plus what two more see at an eighth of the resolution. LeakyReLU(0.2) between."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(INPUTS, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.blocks = nn.ModuleList(_two_convolutions(features) for _ in range(2))
        self.around = _two_convolutions(features)

    def forward(self, y: Tensor) -> Tensor:
        h = F.leaky_relu(self.first(encoder_inputs(y)), 0.2)
        h = F.max_pool2d(self.second(h), 2)
        for block in self.blocks:
            h = h + block(F.leaky_relu(h, 0.2))
        around = self.around(F.avg_pool2d(h, 4))
        return h + F.interpolate(around, size=h.shape[2:], mode="nearest")


def _two_convolutions(features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(features, features, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(features, features, 3, padding=1)
    )


class ColourPrior(nn.Module):
    """g_θ(y) → the mean of the latent: sigmoid(conv 1×1) gives a colour map (B, 3, H/2, W/2), doubled to the image's size (nearest) and
    squeezed as the image is, (B, 3·4^levels, H/2^levels, W/2^levels). Wang et al., eq. 5."""

    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.head = nn.Conv2d(features, 3, 1)

    def forward(self, features: Tensor) -> Tensor:
        mean = F.interpolate(torch.sigmoid(self.head(features)), scale_factor=2, mode="nearest")
        for _ in range(self.levels):
            mean = F.pixel_unshuffle(mean, 2)
        return mean


@flow("llflow", sizes=tuple(SIZES), track="lowlight", temperature=1.0)
def llflow(coupling: Callable[[], Elementwise], size: str = "mini", seed: int = 0) -> ConditionalFlow:
    """Low-light enhancement flow: a photograph x at normal exposure given a dark one y.

    x: (B, 3, H, W) in [0, 1], H and W divisible by 2^levels; y: (B, 3, H, W) in [0, 1], or (B, 6, H, W) as in ``inputs.encoder_inputs``.
    The latent u = z − c(y), (B, 3·4^levels, H/2^levels, W/2^levels), is standard normal, so that z ~ N(c(y), 1) with c the ``ColourPrior``:
    samples are drawn, where the released code decodes z = c(y) and nothing else. After Wang, Wan, Yang, Li, Chau, Kot: Low-Light Image
    Enhancement with Normalizing Flow, AAAI 2022. Differences from the published ``LOL_smallNet``, which has its L = 3 and K = 4: conditioner
    width 32, a small encoder instead of RRDB blocks, no transition steps, and c learned by likelihood alone, without the share of steps in which
    the ground truth's own colour map stands for it. Weights are drawn from ``seed``.
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
        prior = ColourPrior(spec.features, spec.levels)
        return ConditionalFlow(layers, encoder, partial(_latent_shapes, spec), prior=prior)


def _latent_shapes(spec: LLFlowSize, y: Tensor) -> list[tuple[int, ...]]:
    side = 2**spec.levels
    height, width = y.shape[-2:]
    if height % side or width % side:
        raise ValueError(f"the sides of a condition must be divisible by {side}, got {height}×{width}; crop it")
    return [(3 * side * side, height // side, width // side)]
