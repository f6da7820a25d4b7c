"""What a search maximises. Objectives are logarithms, so that 1e30 has a slope; larger is worse for
the flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.attacks.threat_model import Inputs
from invbench.bounds.lipschitz import LinearMap, decoder, largest_jacobian_norm
from invbench.flows import ConditionalFlow

__all__ = [
    "OBJECTIVES",
    "Objective",
    "Reading",
    "layer_sizes",
    "log10_largest",
    "relative_round_trip",
    "start_sizes",
]

# a perturbation of relative size ε^0.75 stands for rounding: f is linear over it, and it is far
# larger than rounding
PROBE = 0.75
# of a trace; they are what is put in, and in a bounded flow the latent is the largest value of all
NOT_LAYERS = ("latent", "prior")
POWER = 8  # of the smooth maximum
LEAST = -3.0  # log10 of the smallest size that a layer counts as having at the start
PRODUCTS = 7  # with the Jacobian, for its largest singular direction


@dataclass(frozen=True)
class Reading:
    """An objective at B points: ``ascent`` (B,), differentiable, which the steps climb; ``value``
    (B,), log10 of what is sought, infinite when not finite; ``x``, the flow's output."""

    ascent: Tensor
    value: Tensor
    x: Tensor


Scale = Tensor | None
Read = Callable[[ConditionalFlow, Inputs, Scale], Reading]


@dataclass(frozen=True)
class Objective:
    """What is maximised: ``statement`` says it in words, ``read`` computes it.

    ``passes``: how many passes through the flow one reading takes; its gradient costs twice as many
    more. ``scale``: measures the start once, one row per input, for every reading; None for
    nothing.
    """

    name: str
    statement: str
    read: Read
    passes: int
    scale: Callable[[ConditionalFlow, Inputs], Tensor] | None = None


def _log10(v: Tensor) -> Tensor:
    return v.clamp(min=torch.finfo(v.dtype).tiny).log() / math.log(10)


def _value(v: Tensor) -> Tensor:
    return v.detach().double().nan_to_num(math.inf, math.inf)


def log10_largest(x: Tensor) -> Tensor:
    """log10 max |x| per row, (B,), float64; infinite when an element is not finite."""
    return _log10(x.detach().double().abs().flatten(1).amax(1).nan_to_num(math.inf, math.inf))


def layer_sizes(flow: ConditionalFlow, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """(log10 of the largest |h| behind every layer of the decode, (B, layers); the flow's output).

    The latent and the prior are left out: they are inputs of the decode.
    """
    sizes = []
    h = inputs.y
    for name, h in flow.trace(inputs.latents, inputs.y):
        if name not in NOT_LAYERS:
            sizes.append(h.abs().flatten(1).amax(1))
    return _log10(torch.stack(sizes, 1)), h


@torch.no_grad()
def start_sizes(flow: ConditionalFlow, inputs: Inputs) -> Tensor:
    """``layer_sizes`` of the start, (B, layers), at least −3 each: the growth of a layer that is 0
    there would have no bound."""
    return layer_sizes(flow, inputs)[0].clamp(min=LEAST)


def _growth(flow: ConditionalFlow, inputs: Inputs, scale: Scale) -> Reading:
    """The largest over layers of log10(max |h| / max |h| at the start). Every layer counts,
    whatever its units, also while |x| is still small."""
    sizes, x = layer_sizes(flow, inputs)
    return Reading((sizes - (0 if scale is None else scale)).amax(1), log10_largest(x), x.detach())


def _output(flow: ConditionalFlow, inputs: Inputs, scale: Scale) -> Reading:
    """log10 of the largest |x|."""
    x = flow.decode(inputs.latents, inputs.y)
    return Reading(_log10(x.abs().flatten(1).amax(1)), log10_largest(x), x.detach())


def _smooth(flow: ConditionalFlow, inputs: Inputs, scale: Scale) -> Reading:
    """log10 of (mean |x|^p)^(1/p), p = 8: close to the largest |x|, but every element has a
    slope."""
    x = flow.decode(inputs.latents, inputs.y)
    log = _log10(x.abs().flatten(1)) * math.log(10)
    mean = (torch.logsumexp(POWER * log, 1) - math.log(log.shape[1])) / POWER
    return Reading(mean / math.log(10), log10_largest(x), x.detach())


def _jacobian_norm(flow: ConditionalFlow, inputs: Inputs, scale: Scale) -> Reading:
    """log10 σmax(J⁻¹), J⁻¹ = ∂decode/∂z.

    It is computed as ⟨u, J⁻¹(z)·v⟩ with the singular vectors u, v at z held fixed; its derivative
    by z is that of σmax.
    """
    decode, point = decoder(flow, inputs.latents, inputs.y)
    v = largest_jacobian_norm(decode, point.detach(), PRODUCTS).direction
    image = LinearMap(decode, point.detach()).times(v)
    size = image.double().flatten(1).norm(dim=1)
    x = decode(point)
    broken = ~x.detach().flatten(1).isfinite().all(1)
    value = _value(_log10(size)).masked_fill(broken, math.inf)
    if not point.requires_grad:
        return Reading(_log10(size), value, x)
    u = image / size.to(x.dtype).clamp(min=torch.finfo(x.dtype).tiny).view(-1, *[1] * (x.ndim - 1))
    (pulled,) = torch.autograd.grad((u * x).sum(), point, create_graph=True)
    return Reading(_log10((pulled * v).sum(1)), value, x.detach())


def relative_round_trip(flow: ConditionalFlow, x: Tensor, y: Tensor) -> Tensor:
    """‖decode(encode(x, y), y) − x‖/‖x‖ per row, (B,), float64, as the flow computes it; infinite
    when not finite."""
    with torch.no_grad():
        error = (flow.decode(flow.encode(x, y)[0], y).double() - x.double()).flatten(1).norm(dim=1)
    return (error / x.double().flatten(1).norm(dim=1).clamp(min=1e-300)).nan_to_num(
        math.inf, math.inf
    )


def _round_trip(flow: ConditionalFlow, inputs: Inputs, scale: Scale) -> Reading:
    """log10 of the relative round-trip error x → z → x̂ (Behrmann et al., AISTATS 2021).

    The value is the error as it is computed. Rounding has no useful derivative, so the steps climb
    what a fixed perturbation of z, of ε^0.75 times its size, does to x̂. Where only latents are
    given, x is their decode.
    """
    y = inputs.y
    if inputs.x is None:
        latents = inputs.latents
        x = flow.decode(latents, y)
    else:
        x = inputs.x
        latents = flow.encode(x, y)[0]
    generator = torch.Generator().manual_seed(0)
    moved = []
    for z in latents:
        sign = torch.randint(0, 2, (1, *z.shape[1:]), generator=generator) * 2.0 - 1
        size = z.detach().square().flatten(1).mean(1).sqrt().view(-1, *[1] * (z.ndim - 1))
        moved.append(z + torch.finfo(z.dtype).eps ** PROBE * size * sign.to(z))
    apart = (flow.decode(moved, y) - x).flatten(1).norm(dim=1)
    ascent = _log10(apart) - _log10(x.flatten(1).norm(dim=1))
    at = x.detach()
    value = _log10(relative_round_trip(flow, at, y))
    broken = ~at.flatten(1).isfinite().all(1)
    return Reading(ascent, value.masked_fill(broken, math.inf), at)


OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(
            "growth",
            "log10 of the largest |h| of any layer over its own at the start",
            _growth,
            1,
            start_sizes,
        ),
        Objective("output", "log10 of the largest |x|", _output, 1),
        Objective("smooth", "log10 of the 8-norm of x over its size", _smooth, 1),
        Objective("jacobian-norm", "log10 σmax(J⁻¹)", _jacobian_norm, 2 + PRODUCTS),
        Objective("round-trip", "log10 of the relative round-trip error", _round_trip, 4),
    )
}
