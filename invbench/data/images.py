"""Photographs as tensors, from files and from those that ship inside scikit-image, scikit-learn and
matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from invbench.errors import UsageError

__all__ = [
    "EMBEDDED",
    "OTHER_KINDS",
    "centre_crop",
    "crops",
    "embedded",
    "image_size",
    "read_image",
]

# eight in colour, then four in grey
EMBEDDED = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "china",
    "flower",
    "motorcycle",
    "hopper",
    "camera",
    "coins",
    "brick",
    "grass",
)
FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "TIFF",
    "WEBP",
    "PPM",
)  # without PostScript, which Pillow hands to another program
# a photograph of 6000 × 4000 fits: a megabyte of PNG could hold a gigabyte of pixels
MOST_PIXELS = 25_000_000
# pictures in scikit-image that are no photographs of scenes: texture, print, sky, microscopy
OTHER_KINDS = ("gravel", "page", "moon", "hubble_deep_field", "immunohistochemistry", "retina")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The image file, opened by Pillow. What goes wrong with it in the block is raised as
    ``UsageError``."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(
                    f"{image.width}×{image.height} pixels are more than {MOST_PIXELS // 10**6} "
                    f"million"
                )
            yield image
    except FileNotFoundError:
        raise UsageError(f"{path}: no such image file") from None
    except UnidentifiedImageError:
        kinds = ", ".join(FORMATS)
        raise UsageError(
            f"{path}: not a readable image (none of {kinds}, or cut off); replace or remove it"
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError(f"{path}: not a readable image ({error}); replace or remove it") from None


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) from the header of an image file. Raises ``UsageError`` when the file is missing or no
    image."""
    with _opened(path) as image:
        return image.height, image.width


def read_image(path: Path) -> Tensor:
    """An image file as (3, H, W) float32 in [0, 1]. Grey becomes RGB, and alpha is dropped. 16-bit
    grey is scaled; of 16-bit colour Pillow reads the upper 8 bits.

    Raises ``UsageError`` when the file is missing, cut off, no image, or has floating-point pixels,
    which have no stated range.
    """
    with _opened(path) as image:
        if image.mode == "F":
            raise UsageError(
                f"{path}: floating-point pixels have no stated range; save it with 8 or 16 bits"
            )
        deep = image.mode.startswith("I")
        array = np.asarray(image if deep else image.convert("RGB"))
    if deep:
        array = np.repeat((array.astype(np.float64) / 65535)[..., None], 3, axis=-1)
        return torch.from_numpy(array.astype(np.float32)).movedim(-1, 0).contiguous()
    return _to_tensor(array)


def _to_tensor(array: np.ndarray) -> Tensor:
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=-1)
    return torch.from_numpy(np.array(array)).movedim(-1, 0).contiguous().float() / 255


def _of_scikit_learn(name: str) -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return load_sample_image(f"{name}.jpg")


def _of_matplotlib(name: str) -> np.ndarray:
    from matplotlib.cbook import get_sample_data

    return np.asarray(
        Image.open(get_sample_data(f"grace_{name}.jpg", asfileobj=False)).convert("RGB")
    )


def _stereo(name: str) -> np.ndarray:
    import skimage.data

    return skimage.data.stereo_motorcycle()[0]


# of the photographs for which scikit-image has no function of that name
READERS = {
    "china": _of_scikit_learn,
    "flower": _of_scikit_learn,
    "hopper": _of_matplotlib,
    "motorcycle": _stereo,
}


@cache
def embedded(name: str) -> Tensor:
    """One of the photographs ``EMBEDDED`` or pictures ``OTHER_KINDS``, (3, H, W) float32 in [0, 1],
    without network. Grey becomes RGB."""
    if reader := READERS.get(name):
        return _to_tensor(reader(name))
    import skimage.data

    return _to_tensor(getattr(skimage.data, name)())


def crops(image: Tensor, size: int, count: int) -> list[Tensor]:
    """``count`` crops of size × size, evenly spaced along the diagonal of an image (3, H, W); the
    whole image where a side is shorter."""
    height, width = image.shape[-2:]
    if min(height, width) < size:
        return [image]
    found = []
    for k in range(count):
        share = (k + 1) / (count + 1)
        top, left = int((height - size) * share), int((width - size) * share)
        found.append(image[:, top : top + size, left : left + size])
    return found


def centre_crop(image: Tensor, multiple: int) -> Tensor:
    """The largest central part of an image (3, H, W) whose sides are divisible by ``multiple``."""
    height, width = (side - side % multiple for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[:, top : top + height, left : left + width]
