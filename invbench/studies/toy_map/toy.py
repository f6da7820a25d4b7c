"""One toy of the map, ready to be trained: built from its seed, ActNorm set by its first batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from invbench.couplings.affine import Affine
from invbench.couplings.base import Elementwise
from invbench.flows import ConditionalCoupling, ConditionalFlow
from invbench.studies.toy_map.axes import Setting
from invbench.studies.toy_map.shapes import batches
from invbench.training.toy2d import SIZES, ToySize, toy2d

__all__ = ["AffineAbove", "toy"]


class AffineAbove(Affine):
    """``affine`` with the floor ε of its scale as a buffer, so that it may differ within a
    stack."""

    least: Tensor

    def __init__(self, floor: float) -> None:
        super().__init__()
        self.register_buffer("least", torch.tensor(floor))

    @property
    def floor(self) -> Tensor:  # type: ignore[override]
        return self.least


def toy(setting: Setting, coupling: Callable[[], Elementwise], seed: int) -> ConditionalFlow:
    """In evaluation mode: its ActNorms are set, or stay the identity."""
    SIZES["map"] = ToySize(steps=setting.steps)
    flow = toy2d(coupling, "map", seed)
    if setting.head:
        scale_heads(flow, setting.head, seed)
    flow.to(getattr(torch, setting.dtype))
    if setting.actnorm != "none":
        x, y = batches(setting.shape, setting.batch, seed, setting.samples)(0)
        first = next(flow.parameters())
        with torch.no_grad():
            flow.train().encode(x.to(first), y.to(first))
    return flow.eval()


@torch.no_grad()
def scale_heads(flow: ConditionalFlow, factor: float, seed: int) -> None:
    """Heads of the sub-networks uniform in ±factor/√width, which is PyTorch's own at 1."""
    generator = torch.Generator().manual_seed(seed)
    for layer in flow.layers.values():
        if isinstance(layer, ConditionalCoupling):
            head = layer.network[-1]  # type: ignore[index]
            assert isinstance(head, nn.Linear)
            bound = factor / math.sqrt(head.in_features)
            head.weight.uniform_(-bound, bound, generator=generator)
            head.bias.uniform_(-bound, bound, generator=generator)
