"""Activations along the depth of a flow, from noise to data, and the layer at which they explode
(Hong, Park, Chun, ICCV 2023, Fig. 3b, 3c and 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invbench.bounds.lipschitz import largest_jacobian_norm
from invbench.flows import (
    ActNorm,
    BoundedSplit,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    DesignSplit,
    FrozenConv1x1,
    OrthogonalConv1x1,
    Split,
    Squeeze,
)

__all__ = ["LayerRecord", "depth_profile", "origin", "variance_profile"]

KINDS: dict[type[nn.Module], str] = {
    ActNorm: "actnorm",
    Conv1x1: "1×1",
    FrozenConv1x1: "1×1",
    OrthogonalConv1x1: "1×1",
    Split: "split",
    BoundedSplit: "split",
    DesignSplit: "split",
    Squeeze: "squeeze",
}
PRODUCTS = 12


@dataclass(frozen=True)
class LayerRecord:
    """What one layer of a decode puts out.

    ``kind``: coupling, injector, actnorm, 1×1, split, squeeze, or the class's name.
    ``max_abs_log10``: over rows and elements, infinite when not finite. ``variance``: over rows and
    positions, the mean over channels. ``growth``: max |h| over max |h| before the layer.
    ``jacobian_norm``: σmax of the layer's J⁻¹ there (tier L0), NaN when not asked for.
    """

    name: str
    kind: str
    max_abs_log10: float
    variance: float
    growth: float
    jacobian_norm: float = math.nan


@torch.no_grad()
def variance_profile(
    flow: ConditionalFlow, latents: list[Tensor], y: Tensor
) -> list[tuple[str, float]]:
    """(layer name, variance) behind each layer: the variance over batch and positions, summed in
    float64, as the mean over channels."""
    return [(name, _variance(h)) for name, h in flow.trace(latents, y)]


def _variance(h: Tensor) -> float:
    return h.double().movedim(1, 0).flatten(1).var(1, correction=0).mean().item()


def _largest(h: Tensor) -> float:
    return h.detach().abs().double().nan_to_num(math.inf, math.inf).max().item()


def depth_profile(
    flow: ConditionalFlow, latents: list[Tensor], y: Tensor, jacobian_norm: bool = False
) -> list[LayerRecord]:
    """One record per layer from noise to data, the latent first.

    ``jacobian_norm`` adds each layer's σmax(J⁻¹), at the cost of 12 products with its Jacobian. It
    is NaN for a split, and where the layer's output is not finite.
    """
    records: list[LayerRecord] = []
    before: Tensor | None = None
    with torch.no_grad():
        conditions, layers = flow.conditions(y), dict(flow.layers.items())
        for name, h in flow.trace(latents, y):
            layer = layers.get(name)
            largest, last = _largest(h), _largest(before) if before is not None else math.nan
            found = math.nan
            if (
                jacobian_norm
                and before is not None
                and layer is not None
                and not isinstance(layer, Split)
            ):
                cond = conditions.like(before)

                def inverse(z: Tensor, layer: nn.Module = layer, cond: Tensor = cond) -> Tensor:
                    return layer.inverse(z, cond)[0]  # type: ignore[operator]

                with torch.enable_grad():
                    found = largest_jacobian_norm(inverse, before, PRODUCTS).value.max().item()
            growth = largest / last if last > 0 else math.nan
            log = math.log10(largest) if largest > 0 else -math.inf
            records.append(LayerRecord(name, _kind(name, layer), log, _variance(h), growth, found))
            before = h
    return records


def _kind(name: str, layer: nn.Module | None) -> str:
    if layer is None:
        return name
    if isinstance(layer, ConditionalCoupling):
        return "coupling" if layer.kept else "injector"
    return KINDS.get(type(layer), type(layer).__name__)


def origin(records: Sequence[LayerRecord], threshold: float = 10.0) -> LayerRecord | None:
    """The first layer from noise to data, of whatever kind, behind which some |h| exceeds
    ``threshold``; None where there is none."""
    return next((r for r in records if not r.max_abs_log10 <= math.log10(threshold)), None)
