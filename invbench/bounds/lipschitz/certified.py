"""Certified upper bounds per layer (tiers U1 and U2) and over the depth of a flow (U3)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from invbench.bounds.lipschitz.blocks import additive_jacobian_norm, block_norm
from invbench.bounds.lipschitz.gain import Gain
from invbench.bounds.lipschitz.interval import RULES as OPERATIONS
from invbench.bounds.lipschitz.interval import Interval, Unsupported
from invbench.bounds.lipschitz.moments_box import moments_over
from invbench.bounds.lipschitz.operator_norm import ROUNDING
from invbench.bounds.lipschitz.parameter_rules import decoded_box, over_box
from invbench.bounds.lipschitz.relaxation import Relaxed
from invbench.flows import (
    ActNorm,
    BoundedSplit,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    ConvConditioner,
    DesignSplit,
    FrozenConv1x1,
    OrthogonalConv1x1,
    Split,
    Squeeze,
)
from invbench.flows.example_layers import SqueezeBack
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock
from invbench.flows.shapes import per_channel

__all__ = ["DepthBound", "LipschitzCertificate", "certify_flow", "certify_layer", "parameters_over"]

VACUOUS = 1e12  # beyond it a bound excludes nothing that float32 could show


@dataclass(frozen=True)
class LipschitzCertificate:
    """Upper bounds on ‖J‖, ``forward``, and ‖J⁻¹‖, ``inverse``, of one layer over a box. NaN where
    none is known; ``reason`` then says why.

    ``slope_low``, ``slope_high``: bounds on c′ of the coupling in the layer. ``tier``: ``exact``,
    ``U1`` (from the architecture), ``U2`` (over the box) or ``none``.
    """

    layer: str
    forward: float
    inverse: float
    tier: str
    slope_low: float = math.nan
    slope_high: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class DepthBound:
    """Tier U3 of a flow's decoder: ``value`` is the product of the layers' bounds on ‖J⁻¹‖. It is
    ``vacuous`` beyond 1e12, and where a layer has none."""

    value: float
    layers: tuple[LipschitzCertificate, ...]

    @property
    def vacuous(self) -> bool:
        return not self.value <= VACUOUS


def certify_layer(
    layer: nn.Module,
    x: Interval | None = None,
    cond: Interval | None = None,
    inverse: bool = False,
    name: str = "",
    relax: bool = False,
) -> LipschitzCertificate:
    """Bounds over all inputs in the box ``x`` and conditions in ``cond``. With ``inverse`` the box
    is on the latent side, else on the data side.

    Layers whose bounds depend on the weights alone need no box. Where a layer or an operation has
    no rule, the bounds are NaN and ``reason`` names it. The bounds hold for the exact map with
    these weights; they are computed in float64 and widened, and the rounding of the layer itself is
    left out. ``relax``: linear bounds through a convolutional conditioner; parameters are two to
    five times tighter than by intervals, at some 30 times the cost.
    """
    layer = copy.deepcopy(layer).double().eval()
    if relax and isinstance(network := getattr(layer, "network", None), ConvConditioner):
        layer.network = Relaxed(network)
    try:
        return _ruled(name or type(layer).__name__, layer, x, cond, inverse)[0]
    except Unsupported as error:
        return LipschitzCertificate(
            name or type(layer).__name__, math.nan, math.nan, "none", reason=str(error)
        )


@torch.no_grad()
def _ruled(
    name: str, layer: nn.Module, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """(the bounds, the box on the data side with ``inverse``); the layer is in float64."""
    rule = RULES.get(type(layer))
    if rule is None:
        raise Unsupported(f"no rule for a layer of type {type(layer).__name__}")
    return rule(name, layer, x, cond, inverse)


def parameters_over(
    layer: ConditionalCoupling, kept: Interval, cond: Interval | None, size: tuple[int, ...]
) -> tuple[Interval, float]:
    """(an interval of the raw parameters, (n_params, B, C − kept, …); a bound on ‖∂params/∂kept‖),
    by interval propagation through the conditioner.

    ``layer``: in float64. ``size``: the layer's input without rows and channels.
    """
    seeded = Interval(kept.lo, kept.hi, Gain.identity(kept.shape[1])) if kept.shape[1] else kept
    raw = layer.network(seeded if cond is None else torch.cat((seeded, cond[:, layer.sees]), dim=1))  # type: ignore[arg-type]
    shape = (raw.shape[0], layer.coupling.n_params, -1, *size)
    return Interval(
        raw.lo.reshape(shape).movedim(1, 0), raw.hi.reshape(shape).movedim(1, 0)
    ), raw.norm_of_jacobian


def _coupling(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """n₂(‖B‖, sup c′) and n₂(‖D⁻¹B‖, 1/inf c′), with ‖B‖ ≤ sup √(Σ(∂c/∂p)²)·‖∂params/∂x₁‖."""
    if x is None:
        return _from_architecture(name, layer), None
    kept, moved = x[:, : layer.kept], x[:, layer.kept :]
    params, spread = parameters_over(layer, kept, cond, tuple(x.shape[2:]))
    data = decoded_box(layer.coupling, moved, params) if inverse else moved
    found = over_box(layer.coupling, params, data)
    after = _cat(kept, data) if inverse else None
    low, high = found.low.min().item(), found.high.max().item()
    forward, backward = high, 1 / low if low > 0 else math.inf
    if not layer.kept:
        return LipschitzCertificate(name, forward, backward, found.tier, low, high), after
    if spread == 0:
        return LipschitzCertificate(
            name, max(1.0, forward), max(1.0, backward), found.tier, low, high
        ), after
    if found.by_params is None or found.by_params_inverse is None:
        reason = f"{type(layer.coupling).__name__}: no bound on its derivative by the parameters"
        return LipschitzCertificate(name, math.nan, math.nan, "none", low, high, reason), after
    forward = block_norm(found.by_params.max().item() * spread, forward)
    backward = block_norm(found.by_params_inverse.max().item() * spread, backward)
    return LipschitzCertificate(name, forward, backward, found.tier, low, high), after


def _from_architecture(name: str, layer: ConditionalCoupling) -> LipschitzCertificate:
    slopes = layer.coupling.slope_range
    if slopes is None:
        reason = f"{type(layer.coupling).__name__} declares no slope_range, and no box was given"
        return LipschitzCertificate(name, math.nan, math.nan, "none", reason=reason)
    if layer.kept:
        reason = (
            "a block's bound needs a box of inputs: the architecture does not bound its "
            "derivative by the kept half"
        )
        return LipschitzCertificate(name, math.nan, math.nan, "none", *slopes, reason)
    return LipschitzCertificate(
        name, slopes[1], 1 / slopes[0] if slopes[0] else math.inf, "U1", *slopes
    )


def _cat(a: Interval, b: Interval) -> Interval:
    return Interval(torch.cat((a.lo, b.lo), 1), torch.cat((a.hi, b.hi), 1))


def _actnorm(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """The largest scale, and one over the smallest."""
    after = None
    if inverse and x is not None:
        after = x * per_channel((-layer.logs).exp(), x.lo) - per_channel(layer.bias, x.lo)
    logs = layer.logs
    return LipschitzCertificate(
        name, logs.max().exp().item() * ROUNDING, (-logs.min()).exp().item() * ROUNDING, "exact"
    ), after


def _conv1x1(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """The largest singular value, and one over the smallest; infinite where that is 0."""
    values = torch.linalg.svdvals(layer.weight)
    if values[-1] <= values[0] * torch.finfo(torch.float64).eps:
        return LipschitzCertificate(
            name, values[0].item() * ROUNDING, math.inf, "exact", reason="singular 1×1 convolution"
        ), None
    after = None
    if inverse and x is not None:
        matrix = torch.linalg.inv(layer.weight)
        after = (
            OPERATIONS["conv2d"](x, matrix[:, :, None, None])
            if x.ndim == 4
            else OPERATIONS["linear"](x, matrix)
        )
    return LipschitzCertificate(
        name, values[0].item() * ROUNDING, ROUNDING / values[-1].item(), "exact"
    ), after


def _orthogonal_conv1x1(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """Of an orthogonal matrix, 1 in both directions."""
    after = None
    if inverse and x is not None:
        matrix = layer.matrix().T
        after = (
            OPERATIONS["conv2d"](x, matrix[:, :, None, None])
            if x.ndim == 4
            else OPERATIONS["linear"](x, matrix)
        )
    return LipschitzCertificate(name, ROUNDING, ROUNDING, "exact"), after


def _squeeze(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    after = None
    if inverse and x is not None:
        after = Interval(layer.inverse(x.lo)[0], layer.inverse(x.hi)[0])
    return LipschitzCertificate(name, 1.0, 1.0, "exact"), after


def _permutation(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    return LipschitzCertificate(name, 1.0, 1.0, "exact"), None


def _residual(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """1 + L and 1/(1 − L) (Behrmann et al., ICML 2019, lemma 2)."""
    slope = layer.lipschitz * ROUNDING
    return LipschitzCertificate(name, 1 + slope, 1 / (1 - slope), "U1"), None


def _orthogonal_additive(
    name: str, layer: Any, x: Interval | None, cond: Interval | None, inverse: bool
) -> tuple[LipschitzCertificate, Interval | None]:
    """The bounds of the additive block, since the orthogonal factor is an isometry. ReLU and linear
    layers bound ‖∂t/∂x₁‖ over all inputs."""
    rows = 1 if cond is None else cond.shape[0]
    everywhere = torch.full((rows, layer.coupling.kept), math.inf, dtype=torch.float64)
    seeded = Interval(-everywhere, everywhere, Gain.identity(layer.coupling.kept))
    raw = layer.coupling.network(seeded if cond is None else torch.cat((seeded, cond), dim=1))  # type: ignore[arg-type]
    bound = additive_jacobian_norm(raw.norm_of_jacobian)
    return LipschitzCertificate(name, bound, bound, "U1", 1.0, 1.0), None


def _split(
    name: str, layer: Split, z1: Interval, eps: Interval
) -> tuple[LipschitzCertificate, Interval]:
    """(z₁, ε) ↦ (z₁, mean(z₁) + ε·exp(logs(z₁))): a block as a coupling's, with slopes
    exp(logs). A split by a design is that design's block."""
    if type(layer) is DesignSplit:
        found, after = _coupling(name, layer, _cat(z1, eps), None, True)
        assert after is not None
        return found, after
    if type(layer) not in (Split, BoundedSplit):
        raise Unsupported(f"no rule for a split of type {type(layer).__name__}")
    seeded = Interval(z1.lo, z1.hi, Gain.identity(z1.shape[1]))
    raw = moments_over(layer, layer.network(seeded))
    mean, logs = raw[:, : raw.shape[1] // 2], raw[:, raw.shape[1] // 2 :]
    scale = logs.exp()
    after = _cat(z1, Interval(mean.lo, mean.hi) + Interval(scale.lo, scale.hi) * eps)
    high, low = scale.hi.max().item(), scale.lo.min().item()
    by_params = torch.hypot(torch.ones_like(scale.hi), eps.magnitude * scale.hi).max().item()
    by_params_forward = torch.hypot(1 / scale.lo, eps.magnitude).max().item()
    spread = raw.norm_of_jacobian
    backward = block_norm(by_params * spread, high)
    forward = block_norm(by_params_forward * spread, 1 / low if low > 0 else math.inf)
    return LipschitzCertificate(
        name, forward, backward, "U2", 1 / high, 1 / low if low > 0 else math.inf
    ), after


Rule = Callable[
    [str, Any, Interval | None, Interval | None, bool], tuple[LipschitzCertificate, Interval | None]
]
RULES: dict[type[nn.Module], Rule] = {
    ActNorm: _actnorm,
    ConditionalCoupling: _coupling,
    Conv1x1: _conv1x1,
    FrozenConv1x1: _conv1x1,
    OrthogonalAdditive: _orthogonal_additive,
    OrthogonalConv1x1: _orthogonal_conv1x1,
    ResidualBlock: _residual,
    Squeeze: _squeeze,
    SqueezeBack: _permutation,
}


@torch.no_grad()
def certify_flow(flow: ConditionalFlow, latents: list[Interval], y: Interval) -> DepthBound:
    """Tier U3: an upper bound on Lip(z ↦ decode(z, y)) over a box of latents, for every y in a box.

    The box of conditions goes through the encoder, and that of the latents layer by layer from
    noise to data. The bound is the product of each layer's U2 over the box that reaches it. Latents
    that enter later pass a layer unchanged, so a layer before them counts at least 1. Boxes grow at
    every layer, so beyond a few layers the bound is usually ``vacuous``.
    """
    flow = copy.deepcopy(flow).double().eval()
    found: list[LipschitzCertificate] = []
    value = 1.0
    try:
        conditions: Any = flow.conditions(y)  # type: ignore[arg-type]
    except Unsupported as error:
        found = [LipschitzCertificate("encoder", math.nan, math.nan, "none", reason=str(error))]
        return DepthBound(math.nan, tuple(found))
    *waiting, h = latents
    box: Interval | None = h
    # the prior moves the box by a function of y, for which there is no rule
    if flow.prior is not None:
        found.append(
            LipschitzCertificate(
                "prior", math.nan, math.nan, "none", reason="no rule for a prior's mean"
            )
        )
        box = None
    for name, layer in reversed(list(flow.layers.items())):
        if box is None:
            found.append(
                LipschitzCertificate(
                    name, math.nan, math.nan, "none", reason="no box reaches this layer"
                )
            )
            value = math.nan
            continue
        try:
            if isinstance(layer, Split):
                certificate, box = _split(name, layer, box, waiting.pop())
            else:
                certificate, box = _ruled(name, layer, box, conditions.like(box), True)
        except Unsupported as error:
            certificate, box = (
                LipschitzCertificate(name, math.nan, math.nan, "none", reason=str(error)),
                None,
            )
        found.append(certificate)
        value *= max(1.0, certificate.inverse) if waiting else certificate.inverse
    return DepthBound(value, tuple(found))
