"""A conditional flow whose decode is clamped by a guard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from invbench.cures.activations import BASE, base_of
from invbench.cures.guard import Guard
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow, Split
from invbench.flows.conditional_flow import Resized

__all__ = ["Acted", "Bound", "GuardedFlow", "require_plain"]


class Acted(NamedTuple):
    """How many of the ``values`` at a place the last decode changed."""

    changed: int
    values: int

    @property
    def share(self) -> float:
        """changed/values."""
        return self.changed / max(self.values, 1)


@dataclass(frozen=True)
class Bound:
    """Bounds on every decode, for all latents and conditions.

    ``max_abs``: on |x|. ``max_intermediate``: on |h| behind any clamp. ``layers``: the same per
    place, from noise to data.
    """

    max_abs: float
    max_intermediate: float
    layers: dict[str, float]


class GuardedFlow(ConditionalFlow):
    """``flow`` with h ← min(max(h, l_c), u_c) behind every layer of the decode, where [l_c, u_c] is
    the guard's interval of the layer and channel c.

    The base is clamped too: x = clamp(h) + clamp(base(y)). +Inf becomes u_c, −Inf becomes l_c, and
    NaN becomes the middle. ``encode``, ``log_prob``, ``features`` and ``sample_latents`` are the
    flow's own; modules and weights are shared with it. Where a value was clamped, the decode is not
    the inverse of ``encode``; ``acted`` counts these values in the last decode.

    Intervals are rounded to the dtype of the tensor, and cut at its largest finite number. The
    gradient of a clamped value is 0. Raises ``UsageError`` when the guard is not of these layers,
    when a layer has another number of channels (in ``decode``), and for a flow that decodes by a
    trace of its own.
    """

    def __init__(self, flow: ConditionalFlow, guard: Guard) -> None:
        require_plain(flow)
        guard.check(flow, allow_other_weights=True)
        super().__init__(flow.layers, flow.encoder, flow._latent_shapes, base_of(flow), flow.prior)  # type: ignore[arg-type]
        self.training = flow.training
        self.guard = guard
        self._own = (flow,)  # in a tuple, so that it is no submodule: its weights are here already
        self._limits_of: dict[
            tuple[str, torch.device, torch.dtype], tuple[Tensor, Tensor, Tensor]
        ] = {}
        self._acted: dict[str, tuple[Tensor | int, int]] = {}
        if hasattr(flow, "spec"):
            self.spec = flow.spec

    @property
    def unguarded(self) -> ConditionalFlow:
        """The flow without clamps."""
        return self._own[0]

    @property
    def acted(self) -> dict[str, Acted]:
        """Place → how many of its values the last decode changed, NaN included, from noise to data.
        Empty before the first decode."""
        return {
            place: Acted(int(changed), values) for place, (changed, values) in self._acted.items()
        }

    def features(self, y: Tensor) -> Tensor:
        return self.unguarded.features(y)

    def conditions(self, y: Tensor) -> Resized:
        return self.unguarded.conditions(y)

    def encode(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Data → noise, as the flow itself does; nothing is clamped."""
        return self.unguarded.encode(x, y)

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


def require_plain(flow: ConditionalFlow) -> None:
    """Raise ``UsageError`` when ``flow`` has a guard already, or does not decode layer by layer as
    ``ConditionalFlow`` does."""
    if isinstance(flow, GuardedFlow):
        raise UsageError("the flow has a guard already; take flow.unguarded")
    kind: Any = type(flow)
    if not isinstance(flow, ConditionalFlow) or (kind.trace, kind.decode) != (
        ConditionalFlow.trace,
        ConditionalFlow.decode,
    ):
        raise UsageError(
            f"{kind.__name__} does not decode layer by layer as ConditionalFlow does; a guard "
            f"cannot clamp it"
        )
    if BASE in flow.layers:
        raise UsageError(
            f"a layer is called {BASE!r}, which is the name of the base's place; rename it"
        )
