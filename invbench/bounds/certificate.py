"""The certificate of a flow: bounds on its values, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Certificate", "LayerBound"]


@dataclass(frozen=True)
class LayerBound:
    """Bounds on one layer of a decode.

    ``max_abs``: no value behind the layer exceeds it. ``largest_sum``: no partial sum within the
    layer does. ``move``: how far the layer moves a value beyond its linear part, 0 for a linear
    layer. ``reason``: why the layer has no bound; empty where it has one. Behind a layer without a
    bound every bound is infinite.
    """

    name: str
    max_abs: float
    largest_sum: float
    move: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Certificate:
    """A bound on all decodes of latents |z| ≤ ``radius``·``temperature``, under any condition that
    ``conditions`` names.

    ``max_abs``: no value of x exceeds it. ``max_residual``: the same before the base image is
    added, where the flow has one; for every condition, ``max_abs`` is about base images of
    conditions in [0, 1]. ``max_intermediate``: no value between two layers exceeds it. ``dtypes``:
    those in which no value and no partial sum between latent and data can overflow. ``reason``: the
    first layer without a bound, and why; empty when finite. ``notes``: where the box of conditions
    could not be used. ``assumed``: moves were given by hand, so this is no certificate of the flow.
    """

    max_abs: float
    max_residual: float
    max_intermediate: float
    dtypes: tuple[str, ...]
    layers: tuple[LayerBound, ...]
    radius: float
    temperature: float
    conditions: str
    reason: str = ""
    notes: tuple[str, ...] = ()
    assumed: bool = False

    @property
    def finite(self) -> bool:
        """Whether x is bounded."""
        return math.isfinite(self.max_abs)

    @property
    def unbounded(self) -> tuple[LayerBound, ...]:
        """The layers that have no bound of their own."""
        return tuple(layer for layer in self.layers if layer.reason)

    def as_dict(self) -> dict[str, Any]:
        """The fields and ``finite``, for JSON; layers are dictionaries."""
        return {
            **vars(self),
            "finite": self.finite,
            "layers": [dict(vars(layer)) for layer in self.layers],
        }

    def lines(self) -> Iterator[str]:
        """The certificate in words."""
        yield f"|z| ≤ {self.radius:g}·{self.temperature:g}, {self.conditions}"
        if self.assumed:
            yield "what if: moves were given by hand; this is no certificate of the flow"
        yield f"largest |x|: {self.max_abs:.4g} (before a base image: {self.max_residual:.4g})"
        yield f"largest value at any layer: {self.max_intermediate:.4g}"
        yield (
            f"nothing between latent and data overflows in: "
            f"{', '.join(self.dtypes) or 'no dtype is certified'}"
        )
        for reason, names in self._reasons().items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"no bound: {names[0]}{more}: {reason}"
        yield from self.notes

    def _reasons(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for layer in self.unbounded:
            found.setdefault(layer.reason, []).append(layer.name)
        return found
