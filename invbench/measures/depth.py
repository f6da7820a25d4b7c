"""What happens along the depth of a flow, from noise to data: Fig. 3b, 3c and 8 of the paper as
numbers, and which layer starts it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invbench.bounds.lipschitz import largest_jacobian_norm
from invbench.flows import ActNorm, ConditionalCoupling, ConditionalFlow, Conv1x1, Split, Squeeze

__all__ = ["LayerRecord", "depth_profile", "origin", "variance_profile"]

KINDS: dict[type[nn.Module], str] = {
    ActNorm: "actnorm",
    Conv1x1: "1×1",
    Split: "split",
    Squeeze: "squeeze",
}
PRODUCTS = 12


@dataclass(frozen=True)
class LayerRecord:
    """After one layer of a decode: ``max_abs_log10`` over rows and elements (infinite when not
    finite), the ``variance`` over rows and positions as the mean over channels, ``growth`` = max
    |h| over max |h| before it, and ``stretch`` = σmax of its J⁻¹ there (tier L0, NaN when not asked
    for). ``kind``: coupling, injector, actnorm, 1×1, split, squeeze, or the class's name."""

    name: str
    kind: str
    max_abs_log10: float
    variance: float
    growth: float
    stretch: float = math.nan


@torch.no_grad()
def variance_profile(
    flow: ConditionalFlow, latents: list[Tensor], y: Tensor
) -> list[tuple[str, float]]:
    """(layer name, variance over batch and positions, mean over channels) after each layer; float64
    sums."""
    return [(name, _variance(h)) for name, h in flow.trace(latents, y)]


def _variance(h: Tensor) -> float:
    return h.double().movedim(1, 0).flatten(1).var(1, correction=0).mean().item()


def _largest(h: Tensor) -> float:
    return h.detach().abs().double().nan_to_num(math.inf, math.inf).max().item()


def depth_profile(
    flow: ConditionalFlow, latents: list[Tensor], y: Tensor, stretch: bool = False
) -> list[LayerRecord]:
    """One record per layer from noise to data, the latent first. ``stretch`` adds each layer's own
    σmax(J⁻¹), at the cost of 12 products with its Jacobian; NaN for a split, and where the layer's
    output is not finite."""
    records: list[LayerRecord] = []
    before: Tensor | None = None
    with torch.no_grad():
        conditions, layers = flow.conditions(y), dict(flow.layers.items())
        for name, h in flow.trace(latents, y):
            layer = layers.get(name)
            largest, last = _largest(h), _largest(before) if before is not None else math.nan
            found = math.nan
            if (
                stretch
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
    """The first layer from noise to data behind which some |h| exceeds ``threshold``, be it a
    coupling, an injector, an ActNorm, a split or a 1×1 convolution; None when there is none."""
    return next((r for r in records if not r.max_abs_log10 <= math.log10(threshold)), None)
