"""The toy flow: steps of ActNorm → 1×1 convolution → conditional coupling on two dimensions,
conditioned on y itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, DenseConditioner
from invbench.registry import flow

__all__ = ["SIZES", "ToySize", "toy2d"]


@dataclass(frozen=True)
class ToySize:
    """Numbers that fix the architecture. The conditioner, 3 → 64 with four hidden layers of 64, is
    that of the paper; the number of steps is ours."""

    steps: int = 6
    width: int = 64
    hidden: int = 4


SIZES = {"mini": ToySize()}


@flow(
    "toy2d",
    sizes=tuple(SIZES),
    track="toy2d",
    temperature=1.0,
    recipe="invbench.training.toy2d.recipe",
)
def toy2d(
    coupling: Callable[[], Elementwise], size: str = "mini", seed: int = 0
) -> ConditionalFlow:
    """The conditional flow in two dimensions of Fig. 3a. x: (B, 2); y: (B, 2), the condition
    itself. Weights are drawn from ``seed``."""
    spec = SIZES[size]
    conditioner = partial(DenseConditioner, width=spec.width, hidden=spec.hidden)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: dict[str, nn.Module] = {}
        for step in range(1, spec.steps + 1):
            layers[f"step{step}_actnorm"] = ActNorm(2)
            layers[f"step{step}_conv1x1"] = Conv1x1(2)
            layers[f"step{step}_coupling"] = ConditionalCoupling(coupling(), 2, 1, 2, conditioner)
        return ConditionalFlow(layers, nn.Identity(), _latent_shapes)


def _latent_shapes(y: Tensor) -> list[tuple[int, ...]]:
    return [(2,)]
