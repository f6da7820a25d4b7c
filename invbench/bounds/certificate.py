"""What a certificate says, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Certificate", "LayerBound"]


@dataclass(frozen=True)
class LayerBound:
    """No value behind this layer of the decode exceeds ``max_abs``, and no partial sum in it
    ``largest_sum``.

    ``move``: how far it moves a value beyond its linear part, 0 for a linear layer. ``reason``: why
    the layer has no bound, or empty; behind one without, every bound is infinite.
    """

    name: str
    max_abs: float
    largest_sum: float
    move: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Certificate:
    """No decode of latents |z| ≤ ``radius``·``temperature`` has a value beyond ``max_abs``, under
    any condition that ``conditions`` names.

    ``max_residual``: the same of what the layers give, before the base image is added where a flow
    has one; under every condition, the base of ``max_abs`` is that of images in [0, 1].
    ``max_intermediate``: the largest value between any two layers. ``dtypes``: those in which no
    value and no partial sum between latent and data can overflow. ``reason``: the first layer
    without a bound, and why; empty when finite. ``notes``: where the box of conditions could not be
    used. ``assumed``: moves were given by hand, so this is no certificate of the flow.
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
        return math.isfinite(self.max_abs)

    @property
    def unbounded(self) -> tuple[LayerBound, ...]:
        """Every layer that has no bound of its own."""
        return tuple(layer for layer in self.layers if layer.reason)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the fields, the layers as dictionaries."""
        return {
            **vars(self),
            "finite": self.finite,
            "layers": [dict(vars(layer)) for layer in self.layers],
        }

    def lines(self) -> Iterator[str]:
        """The certificate in words, for a person."""
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
