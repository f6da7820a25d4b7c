"""A conditional flow whose decode is clamped by a guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invbench.cures.activations import BASE, base_of
from invbench.cures.cured import Bound, CuredFlow
from invbench.cures.guard import Guard
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow, Split

__all__ = ["Acted", "GuardedFlow"]


class Acted(NamedTuple):
    """How many of the ``values`` at a place the last decode changed."""

    changed: int
    values: int

    @property
    def share(self) -> float:
        """changed/values."""
        return self.changed / max(self.values, 1)


class GuardedFlow(CuredFlow):
    """``flow`` with h ← min(max(h, l_c), u_c) behind every layer of the decode, where [l_c, u_c] is
    the guard's interval of the layer and channel c.

    The base is clamped too: x = clamp(h) + clamp(base(y)). +Inf becomes u_c, −Inf becomes l_c, and
    NaN becomes the middle. ``encode``, ``log_prob``, ``features`` and ``sample_latents`` are the
    flow's own; modules and weights are shared with it. Where a value was clamped, the decode is not
    the inverse of ``encode``; ``acted`` counts these values in the last decode.

    Intervals are rounded to the dtype of the tensor, and cut at its largest finite number. The
    gradient of a clamped value is 0; with ``straight_through`` it is that of the value before the
    clamp, which a search uses to see past clamps (Athalye, Carlini, Wagner, ICML 2018). Raises
    ``UsageError`` when the guard is not of these layers, when a layer has another number of
    channels (in ``decode``), and for a flow that decodes by a trace of its own.
    """

    def __init__(self, flow: ConditionalFlow, guard: Guard) -> None:
        if BASE in flow.layers:
            raise UsageError(
                f"a layer is called {BASE!r}, which is the name of the base's place; rename it"
            )
        super().__init__(flow)
        guard.check(flow, allow_other_weights=True)
        self.guard = guard
        self._limits_of: dict[
            tuple[str, torch.device, torch.dtype], tuple[Tensor, Tensor, Tensor]
        ] = {}
        self._acted: dict[str, tuple[Tensor | int, int]] = {}
        self.straight_through = False

    @property
    def unguarded(self) -> ConditionalFlow:
        """The flow without clamps."""
        return self.uncured

    @property
    def activity(self) -> float:
        """The share of values, over all places, that the last decode changed."""
        acted = self.acted.values()
        return sum(a.changed for a in acted) / max(sum(a.values for a in acted), 1)

    @property
    def acted(self) -> dict[str, Acted]:
        """Place → how many of its values the last decode changed, NaN included, from noise to data.
        Empty before the first decode."""
        return {
            place: Acted(int(changed), values) for place, (changed, values) in self._acted.items()
        }

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Decode step by step, clamped; names and order are those of the flow's ``trace``."""
        self._acted = {}
        cond = self.conditions(y)
        *waiting, h = latents
        yield "latent", h
        if self.prior is not None:
            h = h + self.prior(cond.features)
            yield "prior", h
        layer: Any
        for name, layer in reversed(list(self.layers.items())):
            h, _ = layer.inverse(h, waiting.pop() if isinstance(layer, Split) else cond.like(h))
            h = self.clamped(name, h)
            yield name, h
        base = base_of(self)
        yield "data", h if base is None else h + self.clamped(BASE, base(y))

    def clamped(self, place: str, h: Tensor) -> Tensor:
        """h (B, C, …), clamped to the intervals of a place; ``acted`` counts what was changed.

        Only the rows and channels whose extremes lie outside are clamped. They are few, and finding
        them costs a tenth of clamping everything.
        """
        low, middle, high = self._limits(place, h)
        flat = h.reshape(*h.shape[:2], -1)
        seen = flat.detach()
        outside = ~(
            (seen.amin(2) >= low) & (seen.amax(2) <= high)
        )  # NaN becomes amin and amax of its channel, and fails both comparisons
        self._acted[place] = (0, h.numel())
        if not outside.any():
            return h
        rows, channels = outside.nonzero(as_tuple=True)
        part = flat[rows, channels]
        low, middle, high = (end[channels, None] for end in (low, middle, high))
        kept = torch.where(part.isnan(), middle, part.clamp(low, high))
        self._acted[place] = ((kept != part).detach().sum(), h.numel())
        if self.straight_through:
            kept = kept.detach() + (part - part.detach()).nan_to_num(0, 0, 0)
        return flat.index_put((rows, channels), kept).view(h.shape)

    def _limits(self, place: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(low, middle, high), each (C,) in h's dtype on its device."""
        key = (place, h.device, h.dtype)
        if key not in self._limits_of:
            low, high = self.guard.interval(place)
            ends = torch.stack((low, low + (high - low) / 2, high))
            self._limits_of[key] = tuple(_rounded(ends, h.dtype).to(h.device))  # type: ignore[assignment]
        limits = self._limits_of[key]
        if h.shape[1] != len(limits[0]):
            raise UsageError(
                f"the guard has {len(limits[0])} channels at {place!r}, this flow has "
                f"{h.shape[1]}: it is of another flow"
            )
        return limits

    def bound(self, dtype: torch.dtype = torch.float32) -> Bound:
        """The certificate of the clamps: bounds on |h| and |x| for any latents, condition and size,
        NaN and Inf included.

        It holds for the intervals as they are and as rounded to ``dtype`` and to float32, so that
        for float16 it also holds under autocast, which mixes the two. The bound of the sum
        x = h + base is raised by one rounding. Values within a layer are not bounded; the next
        clamp ends their overflow, as it does that of an encoder.
        """
        ends = {
            place: _widest(torch.stack(self.guard.interval(place)), dtype)
            for place in self.guard.seen
        }
        first, *_ = self.layers
        data = ends[first]
        if BASE in ends:
            data = data + ends[BASE]
        layers = {
            place: float(ends[place].abs().max())
            for place in [*reversed(list(self.layers)), *ends]
            if place in ends
        }
        largest = float(data.abs().max()) * (1 + torch.finfo(dtype).eps if BASE in ends else 1)
        return Bound(largest, max(*layers.values(), largest), layers)

    def save(self, path: str | Path) -> None:
        """Write the guard to a file for ``invbench.load_guard``. Raises ``HarnessError`` when it
        cannot be written."""
        from invbench.cures.guard_file import save_guard

        save_guard(self.guard, Path(path))


def _rounded(ends: Tensor, dtype: torch.dtype) -> Tensor:
    largest = torch.finfo(dtype).max
    return ends.clamp(-largest, largest).to(dtype)


def _widest(ends: Tensor, dtype: torch.dtype) -> Tensor:
    """The outermost of the ends (2, C), as float64, as ``dtype`` and as float32."""
    number = [_rounded(ends, kind).double() for kind in (dtype, torch.float32, torch.float64)]
    return torch.stack(
        (torch.stack([n[0] for n in number]).amin(0), torch.stack([n[1] for n in number]).amax(0))
    )
