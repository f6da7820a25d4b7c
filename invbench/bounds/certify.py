"""Certify a flow: the largest value that any condition can cause, or the layer that has no
bound."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from invbench.bounds.certificate import Certificate, LayerBound
from invbench.bounds.claims import refuse_false_claims
from invbench.bounds.decode import Decoded, decode_sets
from invbench.bounds.decode_state import DecodeState, Moves
from invbench.bounds.lipschitz.interval import Interval
from invbench.bounds.operations import ConditionBox
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

__all__ = ["Box", "certify"]

Box = Tensor | tuple[Tensor, float] | Interval
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
EVERY = "every condition"


def certify(
    flow: Any,
    radius: float = 4.0,
    temperature: float = 1.0,
    conditions: Box | None = None,
    moves: Moves | None = None,
) -> Certificate:
    """A bound on |decode(z, y)| over all latents |z_i| ≤ radius·temperature, layer by layer.

    Without ``conditions`` it holds for every condition, every finite output of every conditioner,
    and every image size. ``conditions`` may be y, a pair (y, eps) for y ± eps in every pixel, or an
    ``Interval``, each with one box per row. Then the outputs of the conditioners over the box limit
    what each coupling, injector and split can do. The bound is tighter, and holds for these
    conditions and this size alone.

    Most of a decode is linear at every position. The rest moves a value v to c⁻¹(v; h), with
    |c⁻¹(v; h) − v| ≤ m = displacement + shift_bound for all parameters h. So the decodes lie in a
    zonotope c + G·[−1, 1]ⁿ. Linear layers map c and G; a coupling or injector adds m·e_i for each
    channel that it moves; a split stacks its latent; unsqueezing splits a position into four. A
    channel's radius, Σ_k |G_jk|, is the exact worst case when the moves are independent. Computed
    in float64, widened for the rounding of this computation and of the decode.

    A flow with a decode of its own has no bound, unless it states one: a guarded flow has the
    certificate of its clamps.

    ``moves``: (name of a layer, the layer) → how far it moves a value, or None to ask the design;
    the certificate is then ``assumed``. Raises ``UsageError`` for a radius or temperature that is
    no positive number, for conditions that the flow does not take, and for a design or split that
    moves values further than it declares.
    """
    latent = float(radius) * float(temperature)
    if not (0 <= latent < math.inf and radius > 0 and temperature >= 0):
        raise UsageError(
            f"radius must be a positive number and temperature none below 0, got {radius!r} and "
            f"{temperature!r}"
        )
    said: dict[str, Any] = {
        "radius": float(radius),
        "temperature": float(temperature),
        "assumed": moves is not None,
    }
    boxes = _boxes(conditions)
    said["conditions"] = (
        EVERY
        if boxes is None
        else f"{len(boxes)} box{'es' if len(boxes) > 1 else ''} of conditions"
    )
    hindrance = _own_decode(flow)
    if hindrance and callable(getattr(flow, "bound", None)):
        return _declared(flow, said | {"conditions": EVERY})
    if hindrance:
        none = LayerBound("decode", math.inf, math.inf, reason=hindrance)
        return Certificate(
            math.inf, math.inf, math.inf, (), (none,), reason=f"decode: {hindrance}", **said
        )
    if any(part.device.type != "cpu" for part in flow.parameters()):
        flow = copy.deepcopy(flow).cpu()  # which has float64 and linear algebra
    refuse_false_claims(flow)
    dtype = next((p.dtype for p in flow.parameters() if p.is_floating_point()), torch.float32)
    notes: dict[str, None] = {}
    starts = [] if boxes is None else [_start(flow, box, notes) for box in boxes]

    def decoded(kind: torch.dtype) -> list[Decoded]:
        every = decode_sets(flow, DecodeState(kind, latent, moves), None, None)
        if boxes is None:
            return [every]
        states = [
            DecodeState(kind, latent, moves, features, notes=notes) for _, features, _ in starts
        ]
        found = [
            decode_sets(flow, state, y, shape)
            for state, (y, _, shape) in zip(states, starts, strict=True)
        ]
        return [one.met(every) for one in found]

    own = decoded(dtype)
    layers = _merged(own)
    first = next((layer for layer in layers if layer.reason), None)
    finite = max(one.data for one in own) < math.inf
    return Certificate(
        max(one.data for one in own),
        max(one.residual for one in own),
        max(layer.max_abs for layer in layers),
        tuple(
            str(kind).removeprefix("torch.")
            for kind in DTYPES
            # a wider dtype holds the same weights, rounds less and has a larger range
            if finite
            and _fits(own if torch.promote_types(kind, dtype) == kind else decoded(kind), kind)
        ),
        layers,
        reason=f"{first.name}: {first.reason}" if first else "",
        notes=tuple(notes),
        **said,
    )


def _own_decode(flow: Any) -> str:
    """Why the flow's layers do not determine its decode; empty where they do."""
    kind = type(flow)
    if not isinstance(flow, ConditionalFlow):
        return (
            f"no rule for a flow of type {kind.__name__}, only for a ConditionalFlow of "
            f"named layers"
        )
    for name in ("decode", "trace"):
        if getattr(kind, name) is not getattr(ConditionalFlow, name):
            return f"{kind.__name__} has a {name} of its own"
    return ""


def _declared(flow: Any, said: dict[str, Any]) -> Certificate:
    """The certificate of a flow that bounds its own decode, as a guarded flow does.

    ``flow.bound(dtype)`` has ``max_abs``, ``max_intermediate`` and ``layers``, the largest value
    per place, and holds for any latents and condition; ``reason``, where it has one, says why it
    is infinite.
    """
    dtype = next((p.dtype for p in flow.parameters() if p.is_floating_point()), torch.float32)
    found = flow.bound(dtype)
    note = (
        f"by {type(flow).__name__}'s own bound, for latents of any size; what overflows "
        f"within a layer is not looked at"
    )
    residual = found.layers.get(next(iter(flow.layers)), found.max_abs)
    layers = tuple(LayerBound(name, size, size) for name, size in found.layers.items())
    reason = getattr(found, "reason", "")
    if reason:
        layers = (LayerBound("decode", math.inf, math.inf, reason=reason),)
    notes = () if reason else (note,)
    return Certificate(
        found.max_abs,
        residual,
        found.max_intermediate,
        (),
        layers,
        notes=notes,
        reason=reason,
        **said,
    )


def _boxes(conditions: Box | None) -> list[Interval] | None:
    """One box per row; None for every condition."""
    if conditions is None:
        return None
    if isinstance(conditions, Interval):
        lo, hi = conditions.lo, conditions.hi
    else:
        y, eps = conditions if isinstance(conditions, tuple) else (conditions, 0.0)
        if not isinstance(y, Tensor) or not 0 <= eps < math.inf or not y.isfinite().all():
            raise UsageError(
                "conditions must be a finite tensor y, a pair (y, eps) with eps ≥ 0, or an Interval"
            )
        box = Interval.around(y.detach().cpu(), eps)
        lo, hi = (box.lo, box.hi) if eps else (y.detach().cpu().double(),) * 2
    if not len(lo):
        raise UsageError("conditions hold no row")
    return [ConditionBox(a[None], b[None]) for a, b in zip(lo, hi, strict=True)]


def _start(
    flow: ConditionalFlow, box: Interval, notes: dict[str, None]
) -> tuple[Interval, Any, tuple[int, ...]]:
    """(the box, intervals of the features over it, the shape of the last latent).

    Where an operation of the encoder has no rule, the features are unbounded (None), and a note
    says so.
    """
    *_, shape = flow._latent_shapes(box.lo)
    wide = copy.deepcopy(flow).double()
    try:
        with torch.no_grad():
            return box, wide.conditions(box), shape  # type: ignore[arg-type]
    except UsageError:
        raise
    except Exception as error:  # any encoder may meet what is no tensor
        notes[f"encoder: {error}; bounded for every condition"] = None
        return box, None, shape


def _merged(decoded: list[Decoded]) -> tuple[LayerBound, ...]:
    """The worst bounds of every layer over the boxes."""
    return tuple(
        LayerBound(
            rows[0].name,
            max(row.max_abs for row in rows),
            max(row.largest_sum for row in rows),
            max(row.move for row in rows),
            next((row.reason for row in rows if row.reason), ""),
        )
        for rows in zip(*(one.layers for one in decoded), strict=False)
    )


def _fits(decoded: list[Decoded], dtype: torch.dtype) -> bool:
    """Whether no value and no partial sum exceeds the largest number of the dtype."""
    most = torch.finfo(dtype).max
    return all(
        one.data <= most and all(layer.largest_sum <= most for layer in one.layers)
        for one in decoded
    )
