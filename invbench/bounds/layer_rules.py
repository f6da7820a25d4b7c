"""Rules that carry the set of values through the inverse of a layer, by the layer's class.

A layer has the rule of its class, or of the nearest parent whose formula it still has. A subclass
that overrides one of the methods that are named beside the rule has another formula, and needs a
rule of its own. A split with another formula may state ``reach(r)``: sup |x₂| over latents |ε| ≤ r
and all outputs of its conditioner. Without a rule ``rule_of`` raises ``Unruled``, so that there is
no bound instead of a wrong one.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from invbench.bounds.decode_state import DecodeState, Unruled
from invbench.bounds.enclosures import Enclosure, enclosed
from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.lipschitz.moments_box import moments_over
from invbench.bounds.moves import uncompiled
from invbench.bounds.zonotope import FLOAT64, Zonotope
from invbench.flows import (
    ActNorm,
    BoundedSplit,
    ConditionalCoupling,
    Conv1x1,
    DesignSplit,
    OrthogonalConv1x1,
    Split,
    Squeeze,
)
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock

__all__ = ["RULES", "LayerRule", "rule_of"]


@dataclass(frozen=True)
class LayerRule:
    """``through(layer, set on the noise side, state)`` gives the set on the data side; ``methods``:
    those of the layer that make up its formula."""

    through: Callable[[Any, Zonotope, DecodeState], Zonotope]
    methods: tuple[str, ...]


def rule_of(layer: nn.Module) -> LayerRule:
    """The rule of a layer. Raises ``Unruled``, which names the class, where there is none."""
    kind = type(layer)
    for parent in kind.__mro__:
        rule = RULES.get(parent)
        if rule and all(
            getattr(kind, name, None) is getattr(parent, name, None) for name in rule.methods
        ):
            return rule
    if isinstance(layer, Split) and callable(getattr(layer, "reach", None)):
        return DECLARED_SPLIT
    raise Unruled(f"no rule for a layer of type {kind.__name__}")


def _actnorm(layer: ActNorm, z: Zonotope, state: DecodeState) -> Zonotope:
    """x = z·exp(−logs) − b."""
    scale, bias = (
        (-state.weight(layer.logs)).exp().view(-1, 1, 1),
        state.weight(layer.bias).view(-1, 1, 1),
    )
    after = z.scaled(scale, -bias, torch.zeros_like(bias))
    state.seen(scale.max().item(), (z.magnitude * scale).max().item())
    return after


def _conv1x1(layer: Conv1x1, z: Zonotope, state: DecodeState) -> Zonotope:
    """x = W⁻¹z. The decode computes W⁻¹ in float64 too; two such inverses differ by less than
    8·C·u·cond(W)·‖W⁻¹‖."""
    weight = state.weight(layer.weight)
    try:
        inverse = torch.linalg.inv(weight)
    except RuntimeError:  # LinAlgError is one
        raise Unruled("singular 1×1 convolution") from None
    if not inverse.isfinite().all():
        raise Unruled("a 1×1 convolution without a finite inverse")
    values = torch.linalg.svdvals(weight)
    least = values[-1].item()
    error = 8 * z.channels * FLOAT64 * values[0].item() / least**2 if least > 0 else math.inf
    after, sums = z.mixed(inverse, error)
    state.seen(inverse.abs().max().item(), sums)
    return after


def _orthogonal_conv1x1(layer: OrthogonalConv1x1, z: Zonotope, state: DecodeState) -> Zonotope:
    """x = Wᵀz, W by the layer's own code, from weights as the decode rounds them, in float64. Two
    such computations differ by less than 64·C·u·(1 + ‖A − Aᵀ‖)."""
    rounded = copy.deepcopy(layer).to(state.dtype)
    skew = rounded.skew.detach().double()
    matrix = rounded.matrix().detach().T
    error = 64 * z.channels * FLOAT64 * (1 + (skew - skew.T).norm().item())
    after, sums = z.mixed(matrix, error)
    state.seen(matrix.abs().max().item(), sums)
    return after


def _squeeze(layer: Squeeze, z: Zonotope, state: DecodeState) -> Zonotope:
    if z.channels % 4:
        raise Unruled(f"{z.channels} channels cannot be unsqueezed")
    return z.unsqueezed()


def _coupling(layer: ConditionalCoupling, z: Zonotope, state: DecodeState) -> Zonotope:
    """x₁ = z₁, x₂ = c⁻¹(z₂; NN(x₁, cond)): z₂ ± move, or the enclosure over the interval of the
    conditioner's outputs. An injector keeps no channel."""
    raw = state.raw(layer.network, state.box(z)[:, : layer.kept], layer)
    return _by_design(layer, z, raw, state)


def _by_design(
    layer: ConditionalCoupling | DesignSplit, z: Zonotope, raw: Interval | None, state: DecodeState
) -> Zonotope:
    """The channels behind those that are kept go through the inverse of the layer's design."""
    move, reason = state.declared(layer, layer.coupling)
    moved = state.box(z)[:, layer.kept :]
    if raw is None:
        return _moved(z, layer.kept, move, reason, state)
    design = uncompiled(layer.coupling)
    lo, hi = (_by_parameter(end, design.n_params, moved.shape) for end in (raw.lo, raw.hi))
    found = enclosed(design, moved, Interval(lo, hi), move)
    if not found.finite.all():
        state.unbounded(f"{reason}, and over the box nothing bounds its inverse")
        return z
    shape = z.centre[layer.kept :].shape
    state.move = (
        (found.by + (found.slope - 1).abs() * moved.magnitude + found.offset.abs()).max().item()
    )
    return z.enclosed(
        layer.kept, *(v.reshape(shape) for v in (found.slope, found.offset, found.by))
    )


def _by_parameter(raw: Tensor, n_params: int, shape: torch.Size) -> Tensor:
    return raw.reshape(raw.shape[0], n_params, *shape[1:]).movedim(1, 0)


def _moved(z: Zonotope, start: int, move: float, reason: str, state: DecodeState) -> Zonotope:
    if reason or not move < math.inf:
        state.unbounded(reason or "an infinite move was given")
        return z
    state.move = move
    one = torch.ones_like(z.centre[start:])
    return z.enclosed(start, one, torch.zeros_like(one), move * one)


def _split(layer: Split, z: Zonotope, state: DecodeState) -> Zonotope:
    """x₂ = mean(z₁) + ε·exp(logs(z₁)): mean ± |ε|·exp(logs) over the interval of the conditioner's
    outputs; without one there is no bound, but of a split whose mean and scale are bounded."""
    given = state.by_hand(layer)
    if given is not None:
        return _entered(layer, z, state, state.latent + given)
    raw = state.raw(layer.network, state.box(z))
    if raw is None and isinstance(layer, BoundedSplit):
        return _entered(layer, z, state, layer.reach(state.latent))
    if raw is None:
        state.unbounded("the affine split's exp(logs) is unbounded")
        return _entered(layer, z, state, state.latent)
    raw = moments_over(layer, raw)
    half = raw.shape[1] // 2
    mean, scale = raw[:, :half], raw[:, half:].exp()
    one = torch.ones_like(mean.lo)
    found = Enclosure.between(scale, mean, Interval(-state.latent * one, state.latent * one))
    radius = found.by + found.slope * state.latent
    if not (found.finite.all() and radius.isfinite().all()):
        state.unbounded("the affine split's exp(logs) is unbounded over the box")
        return _entered(layer, z, state, state.latent)
    shape = (half, *z.centre.shape[1:])
    state.move = (found.offset.abs() + radius).max().item()
    return z.stacked(found.offset.reshape(shape), radius.reshape(shape))


def _design_split(layer: DesignSplit, z: Zonotope, state: DecodeState) -> Zonotope:
    """x₂ = c⁻¹(ε; NN(z₁)), as in a coupling."""
    raw = state.raw(layer.network, state.box(z))
    entered = _entered(layer, z, state, state.latent)
    return _by_design(layer, entered, raw, state)


def _declared_split(layer: Any, z: Zonotope, state: DecodeState) -> Zonotope:
    """A split that states ``reach(r)`` = sup |x₂| over latents |ε| ≤ r and all parameters."""
    given = state.by_hand(layer)
    reach = float(layer.reach(state.latent)) if given is None else state.latent + given
    if not 0 <= reach < math.inf:
        state.unbounded(f"{type(layer).__name__} has an unbounded reach")
        reach = state.latent
    return _entered(layer, z, state, reach)


def _entered(layer: Split, z: Zonotope, state: DecodeState, reach: float) -> Zonotope:
    fresh = state.split_channels - z.channels
    if z.channels != layer.kept or fresh < 1:
        raise Unruled(
            f"a split that keeps {layer.kept} channels met {z.channels} of {state.split_channels}"
        )
    state.move = reach - state.latent
    radius = torch.full((fresh, *z.centre.shape[1:]), reach * (1 + 4 * z.unit), dtype=torch.float64)
    return z.stacked(torch.zeros_like(radius), radius)


def _residual(layer: ResidualBlock, z: Zonotope, state: DecodeState) -> Zonotope:
    """x = z − g(x), with |g − b₂| ≤ L·Σ_j |W₂|_ij for every x, since |tanh| ≤ 1."""
    last = layer._weights()[1].detach().double()
    row, bias = last.abs().sum(1).view(-1, 1, 1), layer.last.bias.detach().double().view(-1, 1, 1)
    state.move = (row + bias.abs()).max().item()
    return z.scaled(torch.ones_like(row), -bias, row * (1 + 1e-6))


def _orthogonal_additive(layer: OrthogonalAdditive, z: Zonotope, state: DecodeState) -> Zonotope:
    """x = Qᵀ A⁻¹(z)."""
    after, sums = _coupling(layer.coupling, z, state).mixed(layer._rotation().detach().double().T)
    state.seen(sums)
    return after


DECLARED_SPLIT = LayerRule(_declared_split, ())
RULES: dict[type[nn.Module], LayerRule] = {
    ActNorm: LayerRule(_actnorm, ("inverse",)),
    Conv1x1: LayerRule(_conv1x1, ("inverse", "_mix")),
    Squeeze: LayerRule(_squeeze, ("inverse",)),
    ConditionalCoupling: LayerRule(_coupling, ("inverse", "_apply_half", "_inputs")),
    OrthogonalConv1x1: LayerRule(_orthogonal_conv1x1, ("inverse", "matrix")),
    Split: LayerRule(_split, ("inverse", "moments")),
    BoundedSplit: LayerRule(_split, ("inverse", "moments")),
    DesignSplit: LayerRule(_design_split, ("inverse", "_params")),
    ResidualBlock: LayerRule(_residual, ("inverse", "_residual", "_weights")),
    OrthogonalAdditive: LayerRule(_orthogonal_additive, ("inverse", "_rotation")),
}
