"""memcnn: reversible blocks for memory's sake: one tensor each way, no log_det; there are no
conditions.

It asks for torchvision and SimpleITK, which its layers do not need: ``pip install --no-deps
memcnn`` beside a CPU torch. ``keep_input`` is on where it can be given: by default the wrapper
frees the storage of the input tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from memcnn import (
    AdditiveCoupling,
    AffineAdapterNaive,
    AffineAdapterSigmoid,
    AffineCoupling,
    InvertibleModuleWrapper,
)
from torch import Tensor, nn

from invbench.flows.example_layers import randomized
from invbench.registry import layer

DIM = 6


class Plain(nn.Module):
    """Without log_det: 0 is handed on, and the layer declares that it has none."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.module(x), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.module.inverse(z), z.new_zeros(z.shape[0])  # type: ignore[operator]


def _network(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(DIM // 2, 16), nn.Tanh(), nn.Linear(16, outputs))


def _coupling(
    name: str, cls: Any, doc: str, outputs: int = DIM // 2, wrapped: bool = False, **options: Any
) -> None:
    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        module = cls(_network(outputs), _network(outputs), **options)
        if wrapped:
            module = InvertibleModuleWrapper(module, keep_input=True, keep_input_inverse=True)
        return Plain(randomized(module, seed, 0.1))

    make.__doc__ = doc
    layer(f"memcnn/{name}", event_shape=(DIM,), log_det="none")(make)


_coupling("additive", AdditiveCoupling, "AdditiveCoupling")
_coupling(
    "affine-naive", AffineCoupling, "AffineCoupling, AffineAdapterNaive", adapter=AffineAdapterNaive
)
_coupling(
    "affine-sigmoid",
    AffineCoupling,
    "AffineCoupling, AffineAdapterSigmoid",
    outputs=DIM,
    adapter=AffineAdapterSigmoid,
)
_coupling(
    "wrapped-additive",
    AdditiveCoupling,
    "InvertibleModuleWrapper of an AdditiveCoupling",
    wrapped=True,
)
