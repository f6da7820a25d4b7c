"""A small Glow: levels of squeeze → K steps (ActNorm → 1×1 convolution → coupling) → split, without
a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, ConditionalFlow, ConvConditioner
from invbench.flows.conditional_flow import Resized
from invbench.registry import flow
from invbench_models.level_layers import level_layers
from invbench_models.options import OPTIONS

__all__ = ["SIZES", "GlowSize", "UnconditionalFlow", "glow"]

GREY = 0.5  # subtracted from x, so that data are centred, as in Glow


@dataclass(frozen=True)
class GlowSize:
    """Numbers that fix the architecture; the coupling is not among them."""

    levels: int = 3
    steps: int = 4
    width: int = 32


SIZES = {"mini": GlowSize()}


class UnconditionalFlow(ConditionalFlow):
    """x: (B, 3, H, W) ↔ one latent per split and one at the end. y: (B, 0, H, W) holds no number.

    Raises ``UsageError`` when the sides cannot be squeezed ``spec.levels`` times.
    """

    def __init__(self, spec: GlowSize, layers: dict[str, nn.Module]) -> None:
        super().__init__(layers, nn.Identity(), self._shapes, _grey)
        self.spec = spec

    def conditions(self, y: Tensor) -> Resized:
        """No condition, for every layer."""
        self._shapes(y)
        return Nothing()

    def _shapes(self, y: Tensor) -> list[tuple[int, ...]]:
        side, height, width = 2**self.spec.levels, *y.shape[-2:]
        if height % side or width % side:
            raise UsageError(
                f"the sides of an image must be divisible by {side}, got {height}×{width}; crop it"
            )
        channels, shapes = 3, []
        for level in range(1, self.spec.levels + 1):
            channels, height, width = channels * 4, height // 2, width // 2
            if level < self.spec.levels:
                channels //= 2
                shapes.append((channels, height, width))
        return [*shapes, (channels, height, width)]


class Nothing(Resized):
    """Features that are None at any resolution."""

    def __init__(self) -> None:
        pass

    def like(self, h: Tensor) -> Tensor:
        return None  # type: ignore[return-value]


def _grey(y: Tensor) -> Tensor:
    return y.new_full((len(y), 1, *y.shape[2:]), GREY)


@flow(
    "glow",
    sizes=tuple(SIZES),
    track="unconditional",
    temperature=1.0,
    recipe="invbench_models.glow.recipe",
    weights=Path(__file__).with_name("weights"),
    convert="invbench_models.convert:from_published",
    options=OPTIONS,
)
def glow(
    coupling: Callable[[], Elementwise],
    size: str = "mini",
    seed: int = 0,
    conv1x1: str = "free",
    split: str = "affine",
) -> UnconditionalFlow:
    """The unconditional flow Glow (Kingma and Dhariwal, NeurIPS 2018, section 3 and Fig. 2), which
    is the subject of Proposition 1 of Hong, Park, Chun (ICCV 2023).

    x: (B, 3, H, W) in [0, 1], H and W divisible by 2^levels; y: (B, 0, H, W), ``sizes_only(x)``.
    Levels of squeeze → K × (ActNorm → 1×1 → coupling, the first half conditions the second) →
    split. ``mini``: three levels of four steps, width 32. It differs from Glow in three things: the
    conditioner is SRFlow's, as in the other flows here; such a conditioner also predicts the
    Gaussian of a split; and the last latent has a standard prior. Weights are drawn from ``seed``.
    ``conv1x1`` and ``split`` are those of ``srflow``.
    """
    spec = SIZES[size]
    conditioner = partial(ConvConditioner, width=spec.width)

    def step(prefix: str, channels: int) -> dict[str, nn.Module]:
        return {
            f"{prefix}_coupling": ConditionalCoupling(
                coupling(), channels, channels // 2, 0, conditioner
            )
        }

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = level_layers(
            spec.levels,
            spec.steps,
            step,
            coupling,
            splits=spec.levels - 1,
            predictor=conditioner,
            conv1x1=conv1x1,
            split=split,
        )
        return UnconditionalFlow(spec, layers)
