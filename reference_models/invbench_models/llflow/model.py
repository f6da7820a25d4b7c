"""LLFlow in three sizes: levels of squeeze → K steps (ActNorm → 1×1 convolution → injector →
coupling), without a split, with the prior N(colour map, 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, ConditionalFlow, ConvConditioner
from invbench.flows.conditional_flow import Resized
from invbench.registry import flow
from invbench_models.level_layers import level_layers
from invbench_models.llflow.encoder import Encoder, PublishedEncoder
from invbench_models.multiscale import Levels
from invbench_models.options import OPTIONS

__all__ = ["SIZES", "LLFlowSize", "LowLightFlow", "llflow"]


@dataclass(frozen=True)
class LLFlowSize:
    """Numbers that fix the architecture; the coupling is not among them.

    ``features``: width of the encoder. ``blocks``: of the published encoder, of which those in
    ``stacked`` join the condition; 0 for the mini's. ``unused``: inputs of a convolution that
    published checkpoints hold and no computation uses.
    """

    levels: int = 3
    steps: int = 4
    width: int = 32
    features: int = 32
    transitions: int = 0
    blocks: int = 0
    stacked: tuple[int, ...] = ()
    unused: int = 0

    @property
    def condition(self) -> int:
        """Channels of every level's condition."""
        return self.features * (1 + len(self.stacked))


SIZES = {
    "mini": LLFlowSize(levels=2, width=20),
    "small": LLFlowSize(width=64, transitions=2, blocks=4, stacked=(1,), unused=128),
    "paper": LLFlowSize(
        steps=12, width=64, features=64, transitions=2, blocks=24, stacked=(1, 3, 5, 7), unused=320
    ),
}


class ColourPrior(nn.Module):
    """g_θ(y) → the mean of the latent, (B, 3·4^levels, H/2^levels, W/2^levels) (Wang et al., eq.
    5).

    sigmoid(conv 1×1 of the first F channels) is a colour map (B, 3, H/2, W/2). It is enlarged to
    the image's size (nearest), and squeezed as the image is.
    """

    def __init__(self, features: int, levels: int) -> None:
        super().__init__()
        self.levels = levels
        self.head = nn.Conv2d(features, 3, 1)

    def forward(self, features: Tensor) -> Tensor:
        mean = F.interpolate(
            torch.sigmoid(self.head(features[:, : self.head.in_channels])),
            scale_factor=2,
            mode="nearest",
        )
        for _ in range(self.levels):
            mean = F.pixel_unshuffle(mean, 2)
        return mean


class LowLightFlow(ConditionalFlow):
    """x: (B, 3, H, W) ↔ one latent (B, 3·4^levels, H/2^levels, W/2^levels), given y (B, 3 or 6, H,
    W).

    Raises ``UsageError`` when y has another number of channels, and when its sides cannot be
    squeezed, are shorter than 8, or are not those of x.
    """

    def __init__(self, spec: LLFlowSize, layers: dict[str, nn.Module], encoder: nn.Module) -> None:
        super().__init__(
            layers, encoder, self._shapes, prior=ColourPrior(spec.features, spec.levels)
        )
        self.spec = spec
        if spec.unused:
            self.unused = nn.Conv2d(spec.unused, 384, 3, padding=1)

    def encode(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Data → noise: (latents, log_det of shape (B,))."""
        self._shapes(y)
        if x.shape[1:] != (3, *y.shape[2:]):
            raise UsageError(
                f"an image of shape {tuple(x.shape)} has not the size of its condition, "
                f"{tuple(y.shape)}"
            )
        return super().encode(x, y)

    def conditions(self, y: Tensor) -> Resized:
        """g_θ(y) for every level."""
        self._shapes(y)
        published = isinstance(self.encoder, PublishedEncoder)
        return Pyramid(self.encoder.levels(y)) if published else super().conditions(y)  # type: ignore[operator]

    def _shapes(self, y: Tensor) -> list[tuple[int, ...]]:
        if y.ndim != 4 or y.shape[1] not in (3, 6):
            raise UsageError(
                f"the condition must be of shape (B, 3, H, W) or (B, 6, H, W), got {tuple(y.shape)}"
            )
        side = 2**self.spec.levels
        height, width = y.shape[-2:]
        if height % side or width % side or min(height, width) < 8:
            raise UsageError(
                f"the sides of a condition must be divisible by {side} and 8 or longer, got "
                f"{height}×{width}; crop or pad it"
            )
        return [(3 * side * side, height // side, width // side)]


class Pyramid(Levels):
    """One condition per level; the prior reads that of the finest."""

    def __init__(self, levels: list[Tensor]) -> None:
        super().__init__(levels)
        self.features = levels[0]


@flow(
    "llflow",
    sizes=tuple(SIZES),
    published=("small", "paper"),
    track="lowlight",
    temperature=1.0,
    recipe="invbench_models.llflow.recipe",
    weights=Path(__file__).with_name("weights"),
    convert="invbench_models.convert:from_published",
    options={"conv1x1": OPTIONS["conv1x1"]},
)
def llflow(
    coupling: Callable[[], Elementwise], size: str = "mini", seed: int = 0, conv1x1: str = "free"
) -> LowLightFlow:
    """The low-light flow LLFlow (Wang, Wan, Yang, Li, Chau, Kot, AAAI 2022): a photograph x at
    normal exposure, given a dark one y.

    x: (B, 3, H, W) in [0, 1], H and W divisible by 2^levels. y: (B, 3, H, W) in [0, 1], or (B, 6,
    H, W) as in ``inputs.encoder_inputs``. The latent u = z − c(y) is standard normal, so that
    z ~ N(c(y), 1) with c the ``ColourPrior``. Samples are drawn, where the released code decodes
    z = c(y) only.

    ``paper`` is the released ``LOL-pc``, with 38.86 M parameters for ``affine``; ``small`` is its
    ``LOL_smallNet``, with 5.43 M. ``mini`` differs from ``small`` by two levels, a conditioner of
    width 20, a small encoder instead of dense blocks, and no transition steps. In all of them c is
    learned by likelihood alone; in the released training the colour map of the ground truth takes
    its place in some steps. Weights are drawn from ``seed``. ``conv1x1`` is that of ``srflow``.
    There is no split.
    """
    return _build(SIZES[size], coupling, seed, conv1x1)


def _build(
    spec: LLFlowSize, coupling: Callable[[], Elementwise], seed: int, conv1x1: str
) -> LowLightFlow:
    conditioner = partial(ConvConditioner, width=spec.width)

    def step(prefix: str, channels: int) -> dict[str, nn.Module]:
        return {
            f"{prefix}_{name}": ConditionalCoupling(
                coupling(), channels, half, spec.condition, conditioner
            )
            for name, half in (("injector", 0), ("coupling", channels // 2))
        }

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = _encoder(spec)
        layers = level_layers(
            spec.levels,
            spec.steps,
            step,
            coupling,
            transitions=spec.transitions,
            conv1x1=conv1x1,
        )
        return LowLightFlow(spec, layers, encoder)


def _encoder(spec: LLFlowSize) -> nn.Module:
    return (
        PublishedEncoder(spec.features, spec.blocks, spec.stacked)
        if spec.blocks
        else Encoder(spec.features)
    )
