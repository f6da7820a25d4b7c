"""Bits per dimension of images: the one convention that trainings, cards, tables and the track
``unconditional`` state them by."""

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
    """Uniform noise on images of 8 bits in [0, 1], v = 0 … 255:  x̃ = v/step + width·(U(0, 1) −
    centre).

    ``text``: the same in words, as recipes and cards have it.
    """

    text: str
    step: int
    width: float
    centre: float

    def of(self, image: Tensor, noise: Tensor) -> Tensor:
        """x̃ of images v/255 and noise drawn from U(0, 1)."""
        return image * (255 / self.step) + (noise - self.centre) * self.width

    @property
    def tiles(self) -> bool:
        """Whether the cells of neighbouring levels meet without overlap."""
        return self.width * self.step == 1


EIGHT_BIT = Dequantisation("(v + U(0,1))/256", 256, 1 / 256, 0.0)
LLFLOW = Dequantisation("v/255 + (U(0,1) − ½)/32, as released", 255, 1 / 32, 0.5)
DEQUANTISATIONS = {d.text: d for d in (EIGHT_BIT, LLFLOW)}


def bits_per_dimension(nats: float, dimensions: int, width: float) -> float:
    """nats/(D·ln 2) + log2(1/width): of −log q(x̃) in nats per event of D dimensions, x̃
    dequantised with uniform noise of ``width``.

    It is −log2 q(x̃)/D less the entropy of the noise, log2(width). Its mean is at least the mutual
    information of x̃ and the image, with equality for the true density of x̃. Where the cells tile,
    width 1/256 for v/256, that is the entropy of the 8-bit image (Theis, van den Oord, Bethge: A
    note on the evaluation of generative models, ICLR 2016, section 3.1): 8 for uniform ones, 0 for
    a constant one. Raises ``ValueError`` unless D ≥ 1 and width > 0.
    """
    if not (dimensions >= 1 and width > 0):
        raise ValueError(
            f"bits per dimension need {dimensions=} of at least 1 and a positive {width=}"
        )
    return nats / (dimensions * math.log(2)) - math.log2(width)


def dequantisation_of(extra: Mapping[str, Any]) -> Dequantisation | None:
    """That of a recipe, by the words in ``extra["dequantisation"]``; None where data have no levels
    (the toy). Raises ``ValueError`` for others."""
    text = extra.get("dequantisation")
    if text is None:
        return None
    if text not in DEQUANTISATIONS:
        raise ValueError(
            f"dequantisation {text!r} is not known; known: {', '.join(DEQUANTISATIONS)}"
        )
    return DEQUANTISATIONS[text]


def convention(extra: Mapping[str, Any]) -> str:
    """How the bits of a training with these ``extra`` of its recipe were got, for cards and tables;
    empty where data have no levels."""
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
