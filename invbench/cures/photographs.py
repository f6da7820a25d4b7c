"""Calibration data of guards: random crops of photographs and their conditions, as in the trainings
of each track."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from invbench.corruptions import DEFAULT_DARKENING, corrupt
from invbench.cures.activations import Batch
from invbench.data.conditions import sizes_only, with_equalised
from invbench.data.folders import LAYOUTS, find_images, image_files, some
from invbench.data.images import EMBEDDED, embedded, read_image
from invbench.data.layouts import LOW_LIGHT
from invbench.data.pair_files import PairFile, PairFiles, lowlight_pairs
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError
from invbench.measures.bits import EIGHT_BIT, LLFLOW, Dequantisation

__all__ = ["TRACKS", "Photographs", "photographs"]

# an image of ground truth (3, H, W), and an image (c, H, W) that is cropped with it
Whole = tuple[Tensor, Tensor | None]
Read = Callable[[], Whole]


@dataclass(frozen=True)
class Source:
    """How a track finds photographs (``find``), dequantises them (``noise``), and makes the
    conditions of a batch: (images, what was cropped with them, scale) → y."""

    find: Callable[[str], list[Read]]
    noise: Dequantisation
    conditions: Callable[[Tensor, Tensor | None, int], Tensor]


@dataclass(frozen=True)
class Photographs:
    """``batches`` of (x, y), drawn on demand; ``source``: what they are, in words; ``count``: the
    largest number of batches."""

    batches: Iterator[Batch]
    source: str
    count: int


def photographs(
    name: str,
    track: str,
    scale: int = 1,
    crop: int = 64,
    patches: int = 192,
    batch: int = 8,
    seed: int = 0,
) -> Photographs:
    """``patches`` random crops of crop × crop pixels from the photographs ``name``, with their
    conditions, ``batch`` of them at a time; a function of ``seed``.

    ``name``: a folder, a data set below ``INVBENCH_DATA``, or ``embedded``. x is dequantised as in
    the trainings of the track. In track ``sr`` y is the crop, bicubic ÷ scale, in 8 bits. In
    ``lowlight`` y is the dark crop beside the same crop of its equalised photograph; a folder has
    ``high`` and ``low`` with one name per pair, and ``embedded`` photographs are darkened. In
    ``unconditional`` y holds no number. All photographs give equally many crops, but for those that
    are smaller than a crop, which give none.

    Raises ``UsageError`` for a track without photographs, for no images, for none as large as a
    crop, and for fewer than one patch.
    """
    if track not in TRACKS:
        raise UsageError(
            f"track {track!r} has no photographs ({', '.join(TRACKS)} have); calibrate it in "
            f"Python: invbench.guard"
        )
    if patches < 1:
        raise UsageError(f"a guard needs at least one patch, got {patches}")
    source = TRACKS[track]
    reads = source.find(name)
    words = f"{patches} crops of {crop}×{crop} from {len(reads)} photographs of {name}, seed {seed}"
    drawn = _batches(source, reads, name, scale, crop, patches, batch, seed)
    return Photographs(drawn, words, math.ceil(patches / batch))


def _batches(
    source: Source,
    reads: list[Read],
    name: str,
    scale: int,
    crop: int,
    patches: int,
    batch: int,
    seed: int,
) -> Iterator[Batch]:
    rng = np.random.Generator(np.random.Philox(key=[seed, 0]))
    crops = _crops([reads[i] for i in rng.permutation(len(reads))], name, crop, patches, rng)
    while part := list(islice(crops, batch)):
        x = torch.stack([high for high, _ in part])
        others = [other for _, other in part if other is not None]
        y = source.conditions(x, torch.stack(others) if others else None, scale)
        noise = torch.from_numpy(rng.random(x.shape, dtype=np.float32))
        yield source.noise.of(x, noise), y


def _crops(
    reads: list[Read], name: str, crop: int, patches: int, rng: np.random.Generator
) -> Iterator[Whole]:
    """The crops, in rounds. A round reads each photograph once, and takes an equal share of the
    remaining crops from each that is large enough."""
    left = patches
    while left:
        before = left
        share = math.ceil(left / len(reads))
        for read in reads:
            high, other = read()
            if min(high.shape[-2:]) < crop:
                continue
            for _ in range(min(share, left)):
                top, start = (int(rng.integers(side - crop + 1)) for side in high.shape[-2:])
                both = (
                    None if image is None else image[:, top : top + crop, start : start + crop]
                    for image in (high, other)
                )
                cut, cut_other = both
                assert cut is not None
                left -= 1
                yield cut, cut_other
        if left == before:
            raise UsageError(
                f"{name}: no image is {crop}×{crop} pixels or larger; take a smaller --crop"
            )


def _images(name: str) -> list[Read]:
    if name == "embedded":
        return [lambda which=which: (embedded(which), None) for which in EMBEDDED]  # type: ignore[misc]
    files = (
        image_files(Path(name)) if Path(name).is_dir() or name not in LAYOUTS else find_images(name)
    )
    if not files:
        raise UsageError(
            f"{name}: no images in this folder; give one of photographs, a data set's name, or "
            f"embedded"
        )
    return [lambda file=file: (read_image(file), None) for file in files]  # type: ignore[misc]


def _dark(name: str) -> list[Read]:
    if name == "embedded":
        return [lambda which=which: _darkened(which) for which in EMBEDDED]  # type: ignore[misc]
    known = (name, "train") in LOW_LIGHT and not Path(name).is_dir()
    pairs = lowlight_pairs(name, "train") if known else _pairs_below(Path(name))
    return [lambda i=i: _lit(pairs, i) for i in range(len(pairs))]  # type: ignore[misc]


def _darkened(which: str) -> Whole:
    image = embedded(which)
    return image, with_equalised(corrupt(*DEFAULT_DARKENING, [image])[0])


def _lit(pairs: PairFiles, index: int) -> Whole:
    pair = pairs[index]
    return pair.high, with_equalised(pair.low)


def _pairs_below(folder: Path) -> PairFiles:
    """Pairs of ``folder/high/NAME`` and ``folder/low/NAME``; suffixes may differ."""
    highs, lows = (
        {file.stem: file for file in image_files(folder / part)} for part in ("high", "low")
    )
    if not highs or not lows:
        raise UsageError(
            f"{folder}: no images in its folders high and low; pairs of a low-light flow lie there"
        )
    if alone := sorted(highs.keys() ^ lows.keys()):
        raise UsageError(
            f"{folder}: {len(alone)} images are in one of high and low only: {some(alone, 3)}"
        )
    return PairFiles(folder.name, 1, [PairFile(stem, highs[stem], lows[stem]) for stem in highs])


def _shrunk(x: Tensor, other: Tensor | None, scale: int) -> Tensor:
    return quantise(bicubic(x, 1 / scale))


def _given(x: Tensor, other: Tensor | None, scale: int) -> Tensor:
    assert other is not None
    return other


TRACKS = {
    "sr": Source(_images, EIGHT_BIT, _shrunk),
    "lowlight": Source(_dark, LLFLOW, _given),
    "unconditional": Source(_images, EIGHT_BIT, lambda x, other, scale: sizes_only(x)),
}
