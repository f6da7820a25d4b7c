"""Photographs, crops, MATLAB's bicubic and 8 bits once more; nothing of invbench."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import skimage.data
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

FLAT = ("T91",)  # its files lie in the folder of the data set, those of the others in HR


def as_tensor(pixels: np.ndarray) -> Tensor:
    colour = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, -1)
    return torch.from_numpy(np.ascontiguousarray(colour.transpose(2, 0, 1))).float() / 255


def files(dataset: str) -> list[Path]:
    """Sorted image files below INVBENCH_DATA; ends with code 2 where they are not."""
    root = os.environ.get("INVBENCH_DATA", "")
    found = (
        sorted((Path(root) / dataset / ("" if dataset in FLAT else "HR")).glob("*.[pjb][npm][gp]"))
        if root
        else []
    )
    if not found:
        print(f"{dataset} is not under INVBENCH_DATA={root or '(unset)'}; this number needs it")
        raise SystemExit(2)
    return found


def photograph(dataset: str, name: str) -> Tensor:
    """(3, H, W) in [0, 1]."""
    if dataset != "embedded":
        (path,) = (p for p in files(dataset) if p.stem == name)
        return as_tensor(np.asarray(Image.open(path).convert("RGB")))
    if name in ("china", "flower"):
        return as_tensor(load_sample_image(f"{name}.jpg"))
    if name == "hopper":
        return as_tensor(
            np.asarray(
                Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
            )
        )
    return as_tensor(
        skimage.data.stereo_motorcycle()[0]
        if name == "motorcycle"
        else getattr(skimage.data, name)()
    )


def crop(image: Tensor, size: int, number: int, count: int) -> Tensor:
    """Crop ``number`` of ``count``, at (number + 1)/(count + 1) of the way along the diagonal."""
    share = (number + 1) / (count + 1)
    top, left = (int((side - size) * share) for side in image.shape[1:])
    return image[:, top : top + size, left : left + size]


def keys(t: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel, a = −½."""
    t = abs(t)
    return np.where(
        t <= 1,
        (1.5 * t - 2.5) * t * t + 1,
        np.where(t <= 2, ((-0.5 * t + 2.5) * t - 4) * t + 2, 0.0),
    )


def axis(size: int, scale: float) -> Tensor:
    """The matrix of one axis: pixel i of the result lies at (i + ½)/scale − ½; the kernel is
    widened when shrinking, the border mirrored."""
    widen, rows = max(1.0, 1 / scale), int(np.ceil(size * scale))
    matrix = np.zeros((rows, size))
    for i in range(rows):
        centre = (i + 0.5) / scale - 0.5
        taps = np.arange(int(np.floor(centre - 2 * widen)), int(np.ceil(centre + 2 * widen)) + 1)
        weights = keys((centre - taps) / widen)
        mirrored = np.pad(np.arange(size), size, mode="symmetric")[taps + size]
        np.add.at(matrix[i], mirrored, weights / weights.sum())
    return torch.from_numpy(matrix)


def bicubic(image: Tensor, scale: float) -> Tensor:
    """MATLAB's imresize(…, 'bicubic') of (…, H, W), antialiased when shrinking."""
    rows, columns = (axis(side, scale).to(image) for side in image.shape[-2:])
    return rows @ image @ columns.T


def eight_bits(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


def pair(dataset: str, name: str, size: int, count: int) -> tuple[Tensor, Tensor]:
    """(ground truth, condition), each with a batch of one, of an input that a cell calls
    ``photograph/crop``."""
    stem, _, number = name.rpartition("/")
    high = crop(photograph(dataset, stem), size, int(number), count)[None]
    return high, eight_bits(bicubic(high, 0.25))
