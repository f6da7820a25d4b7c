"""Conditioners: networks that map the kept half and the condition to a coupling's raw
parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from invbench.flows.actnorm import ActNorm
from invbench.flows.shapes import per_channel

__all__ = ["Conditioner", "ConvConditioner", "DenseConditioner", "ZeroConv"]

Conditioner = Callable[[int, int], nn.Module]  # (inputs, outputs) -> network


class ConvConditioner(nn.Module):
    """SRFlow's conditioner: conv 3×3 + ActNorm + ReLU → conv 1×1 + ActNorm + ReLU → conv 3×3, times
    exp(3·logs); the last convolution starts at zero (Lugmayr et al., ECCV 2020)."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        self.first_norm = ActNorm(width)
        self.second = nn.Conv2d(width, width, 1, bias=False)
        self.second_norm = ActNorm(width)
        self.head = nn.Conv2d(width, outputs, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(outputs))
        for conv in (self.first, self.second):
            nn.init.normal_(conv.weight, std=0.05)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        h = self.first_norm(self.first(h))[0].relu()
        h = self.second_norm(self.second(h))[0].relu()
        out = self.head(h)
        return out * per_channel((3 * self.logs).exp(), out)


class ZeroConv(nn.Module):
    """Glow's conditioner: one conv 3×3 that starts at zero, times exp(3·logs). SRFlow's Split2d has
    it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(outputs))
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        out = self.head(h)
        return out * per_channel((3 * self.logs).exp(), out)


class DenseConditioner(nn.Sequential):
    """The toy's conditioner: a layer inputs → width, ``hidden`` layers width → width, and a head
    that starts at zero, with ReLU between."""

    def __init__(self, inputs: int, outputs: int, width: int, hidden: int = 4) -> None:
        head = nn.Linear(width, outputs)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        body: list[nn.Module] = [nn.Linear(inputs, width), nn.ReLU()]
        for _ in range(hidden):
            body += [nn.Linear(width, width), nn.ReLU()]
        super().__init__(*body, head)
