"""Bits per dimension of images: the convention of trainings, cards, tables and the track
``unconditional``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = [
    "DEQUANTISATIONS",
    "EIGHT_BIT",
    "LLFLOW",
    "Dequantisation",
    "bits_per_dimension",
    "convention",
    "dequantisation_of",
]


@dataclass(frozen=True)
class Dequantisation:
    """Uniform noise on 8-bit images: x̃ = v/step + width·(U(0, 1) − centre), v = 0 … 255.

    ``text``: the same in words, for recipes and cards.
    """

    text: str
    step: int
    width: float
    centre: float

    def of(self, image: Tensor, noise: Tensor) -> Tensor:
        """x̃ from an image v/255 and noise drawn from U(0, 1), of one shape."""
        return image * (255 / self.step) + (noise - self.centre) * self.width

    @property
    def tiles(self) -> bool:
        """Whether the noise of neighbouring levels meets without overlap."""
        return self.width * self.step == 1


EIGHT_BIT = Dequantisation("(v + U(0,1))/256", 256, 1 / 256, 0.0)
LLFLOW = Dequantisation("v/255 + (U(0,1) − ½)/32, as released", 255, 1 / 32, 0.5)
DEQUANTISATIONS = {d.text: d for d in (EIGHT_BIT, LLFLOW)}


def bits_per_dimension(nats: float, dimensions: int, width: float) -> float:
    """nats/(D·ln 2) + log2(1/width), for ``nats`` = −log q(x̃) of an event of D ``dimensions`` with
    uniform noise of ``width``.

    It is −log2 q(x̃)/D less the entropy of the noise, log2(width). Its mean is at least the mutual
    information of x̃ and the image per dimension, with equality for the true density of x̃. Where
    the noise tiles (width 1/256 for v/256), that is the entropy of the 8-bit image (Theis, van den
    Oord, Bethge, ICLR 2016, section 3.1): 8 for uniform images, 0 for a constant one. Raises
    ``ValueError`` unless D ≥ 1 and width > 0.
    """
    if not (dimensions >= 1 and width > 0):
        raise ValueError(
            f"bits per dimension need {dimensions=} of at least 1 and a positive {width=}"
        )
    return nats / (dimensions * math.log(2)) - math.log2(width)


def dequantisation_of(extra: Mapping[str, Any]) -> Dequantisation | None:
    """The dequantisation of a training recipe, by the text in ``extra["dequantisation"]``; None
    where data have no levels (the toy). Raises ``ValueError`` for an unknown text."""
    text = extra.get("dequantisation")
    if text is None:
        return None
    if text not in DEQUANTISATIONS:
        raise ValueError(
            f"dequantisation {text!r} is not known; known: {', '.join(DEQUANTISATIONS)}"
        )
    return DEQUANTISATIONS[text]


def convention(extra: Mapping[str, Any]) -> str:
    """In words, how the bits of a training with the recipe's ``extra`` are computed, for cards and
    tables; empty where data have no levels."""
    dequantisation = dequantisation_of(extra)
    if dequantisation is None:
        return ""
    said = f"nats/(D ln 2) + log2({1 / dequantisation.width:g}), x̃ = {dequantisation.text}"
    if not dequantisation.tiles:
        said += (
            "; noisy levels overlap, so it bounds the information in x̃ about the image, "
            "less than the entropy of 8-bit data"
        )
    if "noise_level" in extra:
        said += "; x̃ has Gaussian noise of the recipe's level too, whose entropy is not taken off"
    return said
