"""Which rule carries the set of values through the inverse of which layer.

``RULES`` is looked up by the layer's class, or the nearest parent whose formula it still has: a
subclass that overrides one of the methods named beside the rule has a formula of its own, and needs
a rule of its own. A split with another formula may say ``reach(r)``: sup |x₂| over latents |ε| ≤ r
and all outputs of its conditioner. A class without a rule is ``Unruled``: no bound, never a wrong
one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from invbench.bounds.decode_state import Run, Unruled
from invbench.bounds.enclosures import Enclosure, enclosed
from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.moves import uncompiled
from invbench.bounds.zonotope import FLOAT64, Zonotope
from invbench.flows import ActNorm, ConditionalCoupling, Conv1x1, Split, Squeeze
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock

__all__ = ["RULES", "LayerRule", "rule_of"]


@dataclass(frozen=True)
class LayerRule:
    """``through(layer, set on the noise side, run)`` → set on the data side. ``methods``: those
    that make the formula it knows."""

    through: Callable[[Any, Zonotope, Run], Zonotope]
    methods: tuple[str, ...]


def rule_of(layer: nn.Module) -> LayerRule:
    """Raises ``Unruled`` with the class's name."""
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


def _actnorm(layer: ActNorm, z: Zonotope, run: Run) -> Zonotope:
    """x = z·exp(−logs) − b."""
    scale, bias = (
        (-run.weight(layer.logs)).exp().view(-1, 1, 1),
        run.weight(layer.bias).view(-1, 1, 1),
    )
    after = z.scaled(scale, -bias, torch.zeros_like(bias))
    run.seen(scale.max().item(), (z.magnitude * scale).max().item())
    return after


def _conv1x1(layer: Conv1x1, z: Zonotope, run: Run) -> Zonotope:
    """x = W⁻¹z. The decode's own inverse is taken in float64 too; two of them differ by less than
    8·C·u·cond(W)·‖W⁻¹‖."""
    weight = run.weight(layer.weight)
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
    run.seen(inverse.abs().max().item(), sums)
    return after


def _squeeze(layer: Squeeze, z: Zonotope, run: Run) -> Zonotope:
    if z.channels % 4:
        raise Unruled(f"{z.channels} channels cannot be unsqueezed")
    return z.unsqueezed()


def _coupling(layer: ConditionalCoupling, z: Zonotope, run: Run) -> Zonotope:
    """x₁ = z₁, x₂ = c⁻¹(z₂; NN(x₁, cond)): z₂ ± move, or the enclosure over the conditioner's
    outputs. Kept 0: an injector."""
    move, reason = run.declared(layer, layer.coupling)
    box = run.box(z)
    kept, moved = box[:, : layer.kept], box[:, layer.kept :]
    raw = run.raw(layer.network, kept, layer)
    if raw is None:
        return _moved(z, layer.kept, move, reason, run)
    design = uncompiled(layer.coupling)
    lo, hi = (_by_parameter(end, design.n_params, moved.shape) for end in (raw.lo, raw.hi))
    found = enclosed(design, moved, Interval(lo, hi), move)
    if not found.finite.all():
        run.unbounded(f"{reason}, and over the box nothing bounds its inverse")
        return z
    shape = z.centre[layer.kept :].shape
    run.move = (
        (found.by + (found.slope - 1).abs() * moved.magnitude + found.offset.abs()).max().item()
    )
    return z.enclosed(
        layer.kept, *(v.reshape(shape) for v in (found.slope, found.offset, found.by))
    )


def _by_parameter(raw: Tensor, n_params: int, shape: torch.Size) -> Tensor:
    return raw.reshape(raw.shape[0], n_params, *shape[1:]).movedim(1, 0)


def _moved(z: Zonotope, start: int, move: float, reason: str, run: Run) -> Zonotope:
    if reason or not move < math.inf:
        run.unbounded(reason or "an infinite move was given")
        return z
    run.move = move
    one = torch.ones_like(z.centre[start:])
    return z.enclosed(start, one, torch.zeros_like(one), move * one)


def _split(layer: Split, z: Zonotope, run: Run) -> Zonotope:
    """x₂ = mean(z₁) + ε·exp(logs(z₁)): no bound for every condition; with the conditioner's outputs
    in a box, mean ± |ε|·exp(logs)."""
    given = run.by_hand(layer)
    if given is not None:
        return _entered(layer, z, run, run.latent + given)
    raw = run.raw(layer.network, run.box(z))
    if raw is None:
        run.unbounded("the affine split's exp(logs) is unbounded")
        return _entered(layer, z, run, run.latent)
    half = raw.shape[1] // 2
    mean, scale = raw[:, :half], raw[:, half:].exp()
    one = torch.ones_like(mean.lo)
    found = Enclosure.between(scale, mean, Interval(-run.latent * one, run.latent * one))
    radius = found.by + found.slope * run.latent
    if not (found.finite.all() and radius.isfinite().all()):
        run.unbounded("the affine split's exp(logs) is unbounded over the box")
        return _entered(layer, z, run, run.latent)
    shape = (half, *z.centre.shape[1:])
    run.move = (found.offset.abs() + radius).max().item()
    return z.stacked(found.offset.reshape(shape), radius.reshape(shape))


def _bounded_split(layer: Any, z: Zonotope, run: Run) -> Zonotope:
    """A split that says ``reach(r)`` = sup |x₂| over latents |ε| ≤ r and all parameters."""
    given = run.by_hand(layer)
    reach = float(layer.reach(run.latent)) if given is None else run.latent + given
    if not 0 <= reach < math.inf:
        run.unbounded(f"{type(layer).__name__} has an unbounded reach")
        reach = run.latent
    return _entered(layer, z, run, reach)


def _entered(layer: Split, z: Zonotope, run: Run, reach: float) -> Zonotope:
    fresh = run.split_channels - z.channels
    if z.channels != layer.kept or fresh < 1:
        raise Unruled(
            f"a split that keeps {layer.kept} channels met {z.channels} of {run.split_channels}"
        )
    run.move = reach - run.latent
    radius = torch.full((fresh, *z.centre.shape[1:]), reach * (1 + 4 * z.unit), dtype=torch.float64)
    return z.stacked(torch.zeros_like(radius), radius)


def _residual(layer: ResidualBlock, z: Zonotope, run: Run) -> Zonotope:
    """x = z − g(x), |g − b₂| ≤ L·Σ_j |W₂|_ij since |tanh| ≤ 1, whatever x is."""
    last = layer._weights()[1].detach().double()
    row, bias = last.abs().sum(1).view(-1, 1, 1), layer.last.bias.detach().double().view(-1, 1, 1)
    run.move = (row + bias.abs()).max().item()
    return z.scaled(torch.ones_like(row), -bias, row * (1 + 1e-6))


def _orthogonal_additive(layer: OrthogonalAdditive, z: Zonotope, run: Run) -> Zonotope:
    """x = Qᵀ A⁻¹(z)."""
    after, sums = _coupling(layer.coupling, z, run).mixed(layer._rotation().detach().double().T)
    run.seen(sums)
    return after


DECLARED_SPLIT = LayerRule(_bounded_split, ())
RULES: dict[type[nn.Module], LayerRule] = {
    ActNorm: LayerRule(_actnorm, ("inverse",)),
    Conv1x1: LayerRule(_conv1x1, ("inverse", "_mix")),
    Squeeze: LayerRule(_squeeze, ("inverse",)),
    ConditionalCoupling: LayerRule(_coupling, ("inverse", "_apply_half", "_inputs")),
    Split: LayerRule(_split, ("inverse",)),
    ResidualBlock: LayerRule(_residual, ("inverse", "_residual", "_weights")),
    OrthogonalAdditive: LayerRule(_orthogonal_additive, ("inverse", "_rotation")),
}
