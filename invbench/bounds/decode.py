"""The decode of a set of latents, layer by layer, from noise to data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from invbench.bounds.certificate import LayerBound
from invbench.bounds.decode_state import DecodeState, Unruled
from invbench.bounds.layer_rules import rule_of
from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.operations import ConditionBox
from invbench.bounds.zonotope import Zonotope, roundoff
from invbench.flows import (
    ActNorm,
    ConditionalFlow,
    Conv1x1,
    OrthogonalConv1x1,
    Split,
    Squeeze,
)
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock

__all__ = ["Decoded", "channels_behind", "decode_sets"]

# of the condition that stands for all sizes: away from the border a convolution reaches furthest
SIDE = 16
# kind of layer → how many channels it has
CHANNELS: dict[type[nn.Module], Any] = {
    ActNorm: lambda layer: layer.bias.numel(),
    Conv1x1: lambda layer: layer.weight.shape[0],
    OrthogonalAdditive: lambda layer: layer.skew.shape[0],
    OrthogonalConv1x1: lambda layer: layer.skew.shape[0],
    ResidualBlock: lambda layer: layer.last.out_features,
}


@dataclass(frozen=True)
class Decoded:
    """Bounds on a decode: ``layers`` from noise to data; ``residual`` on the output of the last
    layer; ``base`` on the base image; ``data`` on their sum."""

    layers: tuple[LayerBound, ...]
    residual: float = math.inf
    data: float = math.inf
    base: float = 0.0

    def met(self, every: Decoded) -> Decoded:
        """The bounds that follow from these, over a box of conditions, and from those for ``every``
        condition. The base image is that of the box."""
        layers = tuple(
            _lower(own, other) for own, other in zip(self.layers, every.layers, strict=False)
        )
        data = min(self.data, every.residual + self.base)
        if layers[-1].name == "data":
            layers = (
                *layers[:-1],
                LayerBound(
                    "data", data, data, reason="" if data < math.inf else self.layers[-1].reason
                ),
            )
        return Decoded(layers, min(self.residual, every.residual), data, self.base)


def _lower(a: LayerBound, b: LayerBound) -> LayerBound:
    reason = a.reason and b.reason
    move = min((one.move for one in (a, b) if not one.reason), default=0.0)
    return LayerBound(
        a.name, min(a.max_abs, b.max_abs), min(a.largest_sum, b.largest_sum), move, reason
    )


def channels_behind(layers: list[nn.Module]) -> int | None:
    """Channels on the noise side of the last of these layers, which are in order from data to
    noise; None where no layer tells."""
    factor = 1
    for layer in reversed(layers):
        if isinstance(layer, Squeeze):
            factor *= 4
        elif isinstance(layer, Split):
            return int(layer.kept) * factor
        else:
            for kind, count in CHANNELS.items():
                if isinstance(layer, kind):
                    return int(count(layer)) * factor
    return None


@torch.no_grad()
def decode_sets(
    flow: ConditionalFlow, state: DecodeState, y: Interval | None, shape: tuple[int, ...] | None
) -> Decoded:
    """Carry the set of latents through the flow.

    ``y``: the box of one condition, or None for every condition. ``shape``: (C,) or (C, H, W) of
    the last latent, or None for every size.
    """
    found: list[LayerBound] = []
    layers = list(flow.layers.items())
    channels = channels_behind([layer for _, layer in layers]) if shape is None else shape[0]
    if channels is None:
        return Decoded((_none("latent", "no layer tells the number of channels"),))
    size = (channels, 1, 1) if shape is None or len(shape) == 1 else shape
    state.vectors = shape is not None and len(shape) == 1
    latent = torch.full(size, state.latent, dtype=torch.float64)
    z = Zonotope.around(torch.zeros_like(latent), latent, roundoff(state.dtype))
    failed = False

    def keep(bound: LayerBound) -> None:
        nonlocal failed
        failed = failed or bool(bound.reason)
        found.append(
            bound
            if not failed
            else LayerBound(bound.name, math.inf, math.inf, bound.move, bound.reason)
        )

    keep(LayerBound("latent", state.latent, state.latent))
    if flow.prior is not None:
        z = _through_prior(flow.prior, z, state)
        keep(_bound(z, state))
    for index in range(len(layers) - 1, -1, -1):
        name, layer = layers[index]
        state.begin(name)
        if isinstance(layer, Split):
            state.split_channels = (
                channels_behind([behind for _, behind in layers[:index]]) or 2 * layer.kept
            )
        try:
            z = rule_of(layer).through(layer, z, state)
        # its set is not known, so no layer behind it can be bounded
        except Unruled as error:
            keep(_none(name, str(error)))
            return Decoded(tuple(found), base=math.inf)
        keep(_bound(z, state))
    residual = math.inf if failed else z.largest
    if flow._base is None:
        return Decoded(tuple(found), residual, residual)
    state.begin("data")
    base = _base(flow, state, y)
    reach = math.inf if base is None else base.magnitude.max().item()
    data = math.inf if failed or base is None else _added(z, base, y is not None)
    keep(LayerBound("data", data, data, reason=state.reason))
    return Decoded(tuple(found), residual, data, reach)


def _none(name: str, reason: str) -> LayerBound:
    return LayerBound(name, math.inf, math.inf, reason=reason)


def _bound(z: Zonotope, state: DecodeState) -> LayerBound:
    largest = z.largest
    if not largest < math.inf:
        state.unbounded("its weights are not finite, or its bound exceeds float64")
    return LayerBound(
        state.name, largest, max(largest, state.largest_sum), state.move, state.reason
    )


def _through_prior(prior: nn.Module, z: Zonotope, state: DecodeState) -> Zonotope:
    """z + the prior's mean. The prior's own code computes an interval of the mean from the box of
    features, or from all features."""
    state.begin("prior")
    features = _all_features(prior) if state.conditions is None else state.conditions.features
    mean = _intervals(prior, features, state)
    if mean is None:
        return z
    shape = (z.channels, -1)
    lo, hi = (
        (
            mean.lo.reshape(shape).amin(1).view(-1, 1, 1),
            mean.hi.reshape(shape).amax(1).view(-1, 1, 1),
        )
        if state.conditions is None
        else (mean.lo.reshape(z.centre.shape), mean.hi.reshape(z.centre.shape))
    )
    if not (lo.isfinite().all() and hi.isfinite().all()):
        state.unbounded("the prior's mean is unbounded")
        return z
    state.move = torch.maximum(lo.abs(), hi.abs()).max().item()
    return z.scaled(torch.ones_like(lo), (lo + hi) / 2, (hi - lo) / 2)


def _all_features(prior: nn.Module) -> Interval | None:
    """All real features, with as many channels as the prior's first convolution reads."""
    inputs = next(
        (part.in_channels for part in prior.modules() if isinstance(part, nn.Conv2d)), None
    )
    if inputs is None:
        return None
    all_of_it = torch.full((1, inputs, SIDE, SIDE), math.inf, dtype=torch.float64)
    return Interval(-all_of_it, all_of_it)


def _base(flow: ConditionalFlow, state: DecodeState, y: Interval | None) -> Interval | None:
    """An interval of the base image over the box, or over conditions in [0, 1] without one."""
    if y is None:
        ones = torch.ones(1, 3, SIDE, SIDE, dtype=torch.float64)
        y = ConditionBox(0 * ones, ones)
    return _intervals(flow._base, y, state)


def _intervals(function: Any, argument: Interval | None, state: DecodeState) -> Interval | None:
    """The interval that the function's own code computes; None, with the reason noted, where an
    operation has no rule."""
    try:
        found = None if argument is None else function(argument)
    except Exception as error:  # any code may meet what is no tensor
        state.unbounded(f"no interval of it: {error}")
        return None
    if not isinstance(found, Interval):
        state.unbounded("no interval of it")
        return None
    return found


def _added(z: Zonotope, base: Interval, by_position: bool) -> float:
    """The largest |value + base|, position by position where both have the same size."""
    if by_position and base.shape[2:] == z.centre.shape[1:]:
        ends = (z.centre + z.radius + base.hi[0], -(z.centre - z.radius + base.lo[0]))
        largest = max(end.nan_to_num(math.inf).max().item() for end in ends)
    else:
        largest = z.largest + base.magnitude.max().item()
    return largest * (1 + 4 * z.unit)
