"""The range of a flow's activations while data are encoded: per layer and channel the least and the
largest value, or quantiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

__all__ = ["BASE", "Batch", "base_of", "places_of", "seen_by"]

BASE = "base(y)"  # the place of the base image; no layer may have this name
LEAVE_OUT = "leave out the images whose encode is not finite"
BINS = 2048  # of a channel's range, for quantiles

Batch = tuple[Tensor, Tensor]
See = Callable[[str, Tensor], None]


def base_of(flow: ConditionalFlow) -> Callable[[Tensor], Tensor] | None:
    """The flow's base: y → the part of x that is known from y; None where there is none."""
    return flow._base


def places_of(flow: ConditionalFlow) -> tuple[str, ...]:
    """The places where a guard clamps: the layers from data to noise, named as in ``trace``, and
    the base where there is one."""
    return (*flow.layers, *([BASE] if base_of(flow) is not None else []))


def seen_by(
    flow: ConditionalFlow,
    batches: Iterable[Batch],
    quantile: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Tensor], int]:
    """(place → (2, C) float64, the least and the largest value of each channel; number of pairs)
    over ``batches`` of (x, y).

    At the place of a layer, its input in ``encode`` is seen, (B, C, …), over all positions of all
    rows. That is its output in ``decode``, and what ``trace`` yields under its name. With
    ``quantile`` = q < 1, at most a share 1 − q of a channel's values lies below the interval, and
    at most as many above it. The ends then are edges of a histogram of 2 048 bins between the
    extremes, and the batches are encoded twice. ``progress`` is called after each batch with the
    number of batches done. The flow is in evaluation mode meanwhile.

    Raises ``UsageError`` when there is no batch, and when a value is not finite; it names the
    place.
    """
    extremes, pairs, done = Extremes(), 0, 0
    kept = list(batches) if quantile is not None and quantile < 1 else None

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done)

    trained = [module for module in flow.modules() if module.training]
    flow.eval()  # an ActNorm in training takes its weights from the first batch
    try:
        for x, y in batches if kept is None else kept:
            pairs += len(x)
            finite = _encode(flow, x, y, extremes)
            extremes.check()
            if not finite:
                raise UsageError(f"calibration: a latent is not finite; {LEAVE_OUT}")
            step()
        if not pairs:
            raise UsageError(
                "calibration has no images: a guard needs batches of (x, y), data and their "
                "conditions"
            )
        if kept is None:
            return extremes.found, pairs
        counts = Histogram(extremes.found)
        for x, y in kept:
            _encode(flow, x, y, counts)
            step()
    finally:
        for module in trained:
            module.training = True
    assert quantile is not None
    return counts.quantiles(quantile), pairs


@torch.no_grad()
def _encode(flow: ConditionalFlow, x: Tensor, y: Tensor, see: See) -> bool:
    """Encode x and let ``see`` note the activations. Returns whether the latents are finite."""
    like = next(flow.parameters(), x)
    x, y = x.to(like), y.to(like)
    with _watched(flow.layers, see):
        latents, _ = flow.encode(x, y)
    if (base := base_of(flow)) is not None:
        see(BASE, base(y))
    return all(bool(latent.isfinite().all()) for latent in latents)


@contextmanager
def _watched(layers: nn.ModuleDict, see: See) -> Iterator[None]:
    """A context in which ``see(name, input)`` is called whenever a layer runs forward."""

    def hook(name: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        see(name, inputs[0])

    handles = [
        layer.register_forward_pre_hook(partial(hook, name)) for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_channel(h: Tensor) -> Tensor:
    """(B, C, …) → (C, values), float64 on the CPU."""
    return h.detach().movedim(1, 0).flatten(1).double().cpu()


class Extremes:
    """The least and the largest value per place and channel."""

    def __init__(self) -> None:
        self.found: dict[str, Tensor] = {}

    def __call__(self, name: str, h: Tensor) -> None:
        flat = h.detach().movedim(1, 0).flatten(1)
        now = torch.stack((flat.amin(1), flat.amax(1))).double().cpu()
        if (before := self.found.get(name)) is not None:
            now = torch.stack((torch.minimum(before[0], now[0]), torch.maximum(before[1], now[1])))
        self.found[name] = now

    def check(self) -> None:
        """Raise ``UsageError``, which names the first place with a value that is not finite."""
        for name, ends in self.found.items():
            if not ends.isfinite().all():
                raise UsageError(
                    f"calibration: the activations at {name!r} are not finite; {LEAVE_OUT}"
                )


class Histogram:
    """Counts per place and channel in ``BINS`` equal bins between the extremes."""

    def __init__(self, extremes: Mapping[str, Tensor]) -> None:
        self.extremes = extremes
        self.counts = {
            name: torch.zeros(ends.shape[1], BINS, dtype=torch.int64)
            for name, ends in extremes.items()
        }

    def __call__(self, name: str, h: Tensor) -> None:
        flat = _by_channel(h)
        low, high = self.extremes[name][:, :, None]
        width = torch.where(high > low, high - low, torch.ones_like(low))
        bins = ((flat - low) / width * BINS).long().clamp(0, BINS - 1)
        rows = torch.arange(len(flat))[:, None] * BINS
        self.counts[name] += torch.bincount(
            (bins + rows).flatten(), minlength=len(flat) * BINS
        ).view(-1, BINS)

    def quantiles(self, q: float) -> dict[str, Tensor]:
        """Place → (2, C): edges of bins such that at most a share 1 − q of the values lies outside
        on either side."""
        found = {}
        for name, counts in self.counts.items():
            low, high = self.extremes[name]
            # how many values may lie below, and above; rounded down, but not by the rounding of q
            allowed = math.floor((1 - q) * int(counts[0].sum()) + 1e-6)
            below, above = counts.cumsum(1), counts.flip(1).cumsum(1)
            first, last = (below <= allowed).sum(1), (above <= allowed).sum(1)
            step = (high - low) / BINS
            ends = torch.stack(
                (low + first * step, torch.where(last > 0, high - last * step, high))
            )
            found[name] = _outwards(ends, self.extremes[name])
        return found


def _outwards(ends: Tensor, extremes: Tensor) -> Tensor:
    """Ends (2, C), rounded outwards to float32, which halves a guard's file, but not beyond the
    extremes."""
    low, high = ends.float()
    low = torch.where(low > ends[0], torch.nextafter(low, low.new_tensor(-torch.inf)), low)
    high = torch.where(high < ends[1], torch.nextafter(high, high.new_tensor(torch.inf)), high)
    return torch.stack(
        (torch.maximum(low.double(), extremes[0]), torch.minimum(high.double(), extremes[1]))
    )
