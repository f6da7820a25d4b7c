"""The largest value that any condition can cause, or where it is infinite and why."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from invbench.bounds.certificate import Certificate, LayerBound
from invbench.bounds.claims import refuse_false_claims
from invbench.bounds.decode import Decoded, decode_sets
from invbench.bounds.decode_state import Moves, Run
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
    and every image size. With a box of conditions, ``y`` or ``(y, eps)`` for y ± eps in every
    pixel, or an ``Interval``, each coupling, injector and split counts with what its conditioner's
    outputs over the box let it do: tighter, for this condition and size alone.

    Most of a decode is linear at every position; what is not moves a value v to c⁻¹(v; h), with
    |c⁻¹(v; h) − v| ≤ m = displacement + shift_bound for all h. So the decodes lie in a zonotope c +
    G·[−1, 1]ⁿ: linear layers map c and G, a coupling or injector adds m·e_i for each channel it
    moves, a split stacks its latent, unsqueezing sends four positions on their own ways. A
    channel's radius, Σ_k |G_jk|, is the exact worst case when the moves are independent. In
    float64, widened for the rounding of both this and the decode.

    A flow with a decode of its own has none, unless it bounds it itself: a guarded flow has the
    certificate of its clamps.

    ``moves``: (layer's name, layer) → how far it moves a value, None to ask the design; the
    certificate is then ``assumed``. Raises ``UsageError`` for a radius or temperature that is no
    positive number, a box that is none of the flow's conditions, or a design or split that was
    found to move values further than it declares.
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
        flow = copy.deepcopy(flow).cpu()  # float64 and linear algebra are there
    refuse_false_claims(flow)
    dtype = next((p.dtype for p in flow.parameters() if p.is_floating_point()), torch.float32)
    notes: dict[str, None] = {}
    starts = [] if boxes is None else [_start(flow, box, notes) for box in boxes]

    def decoded(kind: torch.dtype) -> list[Decoded]:
        every = decode_sets(flow, Run(kind, latent, moves), None, None)
        if boxes is None:
            return [every]
        runs = [Run(kind, latent, moves, features, notes=notes) for _, features, _ in starts]
        found = [
            decode_sets(flow, run, y, shape)
            for run, (y, _, shape) in zip(runs, starts, strict=True)
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
            # a wider dtype holds the same weights, rounds less and reaches further
            if finite
            and _fits(own if torch.promote_types(kind, dtype) == kind else decoded(kind), kind)
        ),
        layers,
        reason=f"{first.name}: {first.reason}" if first else "",
        notes=tuple(notes),
        **said,
    )


def _own_decode(flow: Any) -> str:
    """Why the layers do not say what the flow decodes, or nothing."""
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
    """Of a flow that bounds its own decode, as a guarded one does by its clamps: ``bound(dtype)``
    with ``max_abs``, ``max_intermediate`` and the largest value per place in ``layers``, for any
    latents and condition."""
    dtype = next((p.dtype for p in flow.parameters() if p.is_floating_point()), torch.float32)
    found = flow.bound(dtype)
    layers = tuple(LayerBound(name, size, size) for name, size in found.layers.items())
    note = (
        f"by {type(flow).__name__}'s own bound, for latents of any size; what overflows "
        f"within a layer is not looked at"
    )
    residual = found.layers.get(next(iter(flow.layers)), found.max_abs)
    return Certificate(
        found.max_abs, residual, found.max_intermediate, (), layers, notes=(note,), **said
    )


def _boxes(conditions: Box | None) -> list[Interval] | None:
    """One box per row."""
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
    """(the box, intervals of the features, the last latent's shape). An encoder without a rule
    leaves the features free, and says so."""
    *_, shape = flow._latent_shapes(box.lo)
    wide = copy.deepcopy(flow).double()
    try:
        with torch.no_grad():
            return box, wide.conditions(box), shape  # type: ignore[arg-type]
    except UsageError:
        raise
    except Exception as error:  # a stranger's encoder meets something that is no tensor
        notes[f"encoder: {error}; bounded for every condition"] = None
        return box, None, shape


def _merged(runs: list[Decoded]) -> tuple[LayerBound, ...]:
    """The worst of every layer over the boxes."""
    return tuple(
        LayerBound(
            rows[0].name,
            max(row.max_abs for row in rows),
            max(row.largest_sum for row in rows),
            max(row.move for row in rows),
            next((row.reason for row in rows if row.reason), ""),
        )
        for rows in zip(*(run.layers for run in runs), strict=False)
    )


def _fits(runs: list[Decoded], dtype: torch.dtype) -> bool:
    most = torch.finfo(dtype).max
    return all(
        run.data <= most and all(layer.largest_sum <= most for layer in run.layers) for run in runs
    )
