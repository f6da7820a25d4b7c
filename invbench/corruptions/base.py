"""What a corruption is: a change of conditions y in [0, 1] before the flow sees them, at up to five
severities (as in ImageNet-C; Hendrycks and Dietterich, ICLR 2019).

A corruption is a function ``(batch) -> y'`` of a batch of images of one shape. Its result for an
image depends neither on the batch nor on the place in it. For that, image i has its own stream of
uniform numbers, keyed by (seed, index of the image); and each value is computed by operations that
IEEE 754 rounds correctly (+ − × ÷ √, comparisons, gathers), or image by image. Streams are drawn
on the CPU, so a seed means the same on a GPU.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from invbench.data.datasets import Pair
from invbench.errors import UsageError
from invbench.registry import CORRUPTIONS
from invbench.uniform import uniform

__all__ = [
    "DEFAULT_DARKENING",
    "Batch",
    "Change",
    "Corruption",
    "corrupt",
    "corruption",
    "corruption_names",
]

FIRST_STREAM = 1000  # of ``uniform``: those below belong to the recipes of the laws
BATCH = 16
# (name, severity) of what makes a photograph at normal exposure the condition of a low-light flow
DEFAULT_DARKENING = ("under-exposure", 2)


@dataclass(frozen=True)
class Batch:
    """What a corruption is given.

    ``low``: conditions (B, 3, h, w); ``high``: their ground truth (B, 3, s·h, s·w), or None;
    ``strength``: of the severity asked for; ``seed`` and ``indices``: the stream of each image.
    """

    low: Tensor
    high: Tensor | None
    strength: float
    seed: int
    indices: tuple[int, ...]

    def uniform(self) -> Tensor:
        """One uniform number in (0, 1) per value of ``low``, in its shape and dtype, on its
        device."""
        return self.uniforms(1)[0]

    def uniforms(self, count: int) -> tuple[Tensor, ...]:
        """``count`` independent fields like ``uniform``; the first is the same one."""
        size = self.low[0].numel()
        drawn = [
            torch.from_numpy(uniform(self.seed, FIRST_STREAM + index, (count * size,))).to(
                self.low.dtype
            )
            for index in self.indices
        ]
        fields = torch.stack(drawn).to(self.low.device)
        return tuple(fields.reshape(len(drawn), count, *self.low.shape[1:]).unbind(1))

    def numbers(self, count: int) -> list[list[float]]:
        """The first ``count`` numbers of each image's stream, for choices made once per image."""
        return [
            uniform(self.seed, FIRST_STREAM + index, (count,)).tolist() for index in self.indices
        ]

    def one_by_one(self, change: Callable[[Tensor], Tensor]) -> Tensor:
        """``change`` of each image (3, h, w) by itself: for sums and products of matrices, whose
        rounding depends on size and alignment."""
        return torch.stack([change(image.clone()) for image in self.low])

    def truth(self) -> Tensor:
        """The ground truth ``high``, for a corruption that is registered with ``needs_high``."""
        assert self.high is not None  # ``corrupt`` has made sure of it
        return self.high

    @property
    def scale(self) -> int:
        """s: how many times the ground truth is as large as the condition."""
        return self.truth().shape[-1] // self.low.shape[-1]


Change = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Corruption:
    """A corruption and its strengths, one per severity, mildest first.

    ``strengths`` has one entry where there is nothing to vary, else five. ``track``: ``sr`` for any
    flow, ``lowlight`` for what darkens. ``needs_high``: it starts from the ground truth.
    """

    name: str
    strengths: tuple[float, ...]
    change: Change
    track: str = "sr"
    needs_high: bool = False

    @property
    def formula(self) -> str:
        """The docstring of ``change``, in one line."""
        return " ".join((inspect.getdoc(self.change) or "").split())

    @property
    def description(self) -> str:
        """The formula and the strengths."""
        return f"{self.formula} [{', '.join(f'{s:g}' for s in self.strengths)}]"

    @property
    def digest(self) -> str:
        """Twelve hex digits of the source file of ``change``, the name and the strengths."""
        source = Path(inspect.getsourcefile(inspect.unwrap(self.change)) or "").read_bytes()
        return hashlib.sha256(source + repr((self.name, self.strengths)).encode()).hexdigest()[:12]


def corruption(
    name: str, strengths: tuple[float, ...], *, track: str = "sr", needs_high: bool = False
) -> Callable[[Change], Change]:
    """Register a function of a ``Batch`` as the corruption ``name``. Its docstring is its formula.

    ``CORRUPTIONS[name].metadata["corruption"]`` is the ``Corruption``. Raises ``UsageError`` when
    the name is taken.
    """

    def decorate(change: Change) -> Change:
        made = Corruption(name, strengths, change, track, needs_high)
        metadata = {
            "corruption": made,
            "strengths": strengths,
            "track": track,
            "formula": made.description,
        }
        CORRUPTIONS.register(name, change, metadata)
        return change

    return decorate


def corruption_names(track: str = "sr") -> tuple[str, ...]:
    """The corruptions that a track runs by default: ``lowlight`` runs all, ``sr`` leaves out those
    that darken."""
    return tuple(
        name
        for name, entry in CORRUPTIONS.items()
        if track == "lowlight" or entry.metadata["track"] == track
    )


def corrupt(
    name: str,
    severity: int,
    images: Sequence[Tensor | Pair],
    seed: int = 0,
    *,
    indices: Sequence[int] | None = None,
    batch: int = BATCH,
) -> list[Tensor]:
    """The conditions (3, h, w), or those of the pairs, changed by corruption ``name`` at
    ``severity`` 1…5; ``batch`` of them at a time.

    Image i uses the random stream (seed, indices[i]). Without ``indices`` they count up from 0;
    give them when only a part of a data set is passed, and the result stays the same. Raises
    ``UsageError`` for an unknown name or severity, for an image that is not (3, h, w), and for a
    corruption that starts from the ground truth when it is given none.
    """
    found: Corruption = CORRUPTIONS[name].metadata["corruption"]
    if not 1 <= severity <= len(found.strengths):
        raise UsageError(
            f"corruption {name!r} has severities 1 to {len(found.strengths)}, not {severity}"
        )
    places = range(len(images)) if indices is None else indices
    if len(places) != len(images):
        raise UsageError(
            f"{len(images)} images but {len(places)} indices; give one index per image"
        )
    groups: dict[tuple[object, ...], list[tuple[int, Tensor, Tensor | None]]] = {}
    for position, image in enumerate(images):
        low, high = (image.low, image.high) if isinstance(image, Pair) else (image, None)
        _check(found, low, high)
        alike = (low.shape, low.dtype, low.device, None if high is None else high.shape)
        groups.setdefault(alike, []).append((position, low, high if found.needs_high else None))
    changed: dict[int, Tensor] = {}
    for group in groups.values():
        for start in range(0, len(group), batch):
            part = group[start : start + batch]
            highs = [high for _, _, high in part if high is not None]
            lows = torch.stack([low for _, low, _ in part])
            taken = tuple(places[position] for position, _, _ in part)
            result = found.change(
                Batch(
                    lows,
                    torch.stack(highs) if highs else None,
                    found.strengths[severity - 1],
                    seed,
                    taken,
                )
            )
            changed.update(zip((position for position, _, _ in part), result.unbind(), strict=True))
    return [changed[position] for position in range(len(images))]


def _check(found: Corruption, low: Tensor, high: Tensor | None) -> None:
    if low.ndim != 3 or low.shape[0] != 3 or not low.numel() or not low.is_floating_point():
        raise UsageError(
            f"corruption {found.name!r}: an image is (3, h, w) of floats in [0, 1], not "
            f"{tuple(low.shape)} of {low.dtype}; images.read_image makes it so, grey ones too"
        )
    if not found.needs_high:
        return
    if high is None:
        raise UsageError(
            f"corruption {found.name!r} is made from the high-resolution image; give pairs "
            f"(datasets.sr_pairs) instead of images"
        )
    scale = high.shape[-1] // low.shape[-1]
    if high.shape != (3, scale * low.shape[-2], scale * low.shape[-1]) or not scale:
        raise UsageError(
            f"corruption {found.name!r}: ground truth {tuple(high.shape)} is not a whole "
            f"multiple of {tuple(low.shape)}; crop it (sr_pairs does)"
        )
