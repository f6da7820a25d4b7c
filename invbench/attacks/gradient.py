"""Projected gradient ascent with adaptive steps within a threat model (APGD; Croce and Hein, ICML
2020, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invbench.attacks.objective import Objective, Reading
from invbench.attacks.search_trace import SearchTrace
from invbench.attacks.threat_model import ThreatModel
from invbench.flows import ConditionalFlow

__all__ = ["apgd", "checkpoints"]

MOMENTUM = 0.75
ENOUGH = 0.75  # the step is halved where a smaller share of those since the last checkpoint rose
PASSES_OF_GRADIENT = 3  # a forward pass, and a backward pass that costs two

Read = Callable[[ConditionalFlow, ThreatModel, Tensor], Reading]


def checkpoints(steps: int) -> list[int]:
    """The steps at which the step size is adapted: ⌈p_j·steps⌉ with p_0 = 0, p_1 = 0.22 and
    p_(j+1) = p_j + max(p_j − p_(j−1) − 0.03, 0.06) (Croce and Hein, section 3.3)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({-int(-share * steps // 1) for share in shares if share < 1} - {0})


def apgd(
    flow: ConditionalFlow,
    threat: ThreatModel,
    objective: Objective,
    steps: int,
    start: Tensor | None = None,
    float64_reference: ConditionalFlow | None = None,
) -> SearchTrace:
    """``steps`` steps along the sign of the gradient, from ``start`` (B, D) or else from the start
    of the threat model; each is projected into it.

    The first step is as long as the threat model's ``reach``. At a checkpoint it is halved, and the
    search returns to its best point, where too few steps rose or the best did not change. A row is
    done when its value is infinite. Where a gradient is not finite, ``float64_reference``, the flow
    in float64, gives it; where that fails too, the step is halved from the best point. With a
    ``focus`` below 1 only that share of the coordinates moves, those of the largest gradients. A
    flow without gradients ends at once, and no row is ``steered``.
    """
    origin = threat.start if start is None else start
    trace = SearchTrace.at(origin)
    scale = objective.scale(flow, threat.unpack(threat.start)) if objective.scale else None
    rows = torch.arange(origin.shape[0], device=origin.device)
    v, previous = origin.clone(), origin.clone()
    size = torch.ones(len(rows), dtype=origin.dtype, device=origin.device)
    rises, since = torch.zeros_like(size), 0
    halved = torch.zeros_like(size, dtype=torch.bool)
    best_then = trace.value.clone()
    marks = set(checkpoints(steps))
    last = trace.value.clone()
    for step in range(steps + 1):
        if not len(rows):
            break
        here = threat.rows(rows)
        own = None if scale is None else scale[rows]
        reading, gradient = _read(
            flow, float64_reference, here, objective, v[rows], own, want=step < steps
        )
        passes = objective.passes * (PASSES_OF_GRADIENT if step < steps else 1)
        trace.saw(rows, v[rows], reading, passes, step)
        rises[rows] += (reading.value.to(last) > last[rows]).to(size)
        last[rows] = reading.value.to(last)
        since += 1
        if gradient is None:
            break
        lost = ~gradient.isfinite().all(1)
        low, high = here.limits
        movable = low < high
        useful = movable & gradient.isfinite() & (gradient != 0)
        trace.steer(rows, useful.sum(1) / movable.sum(1).clamp(min=1), movable.sum(1))
        if step in marks:
            slow = rises < ENOUGH * since
            stuck = ~halved & (trace.value <= best_then)
            back = (slow | stuck) & (trace.value < torch.inf)
            size = torch.where(back, size / 2, size)
            v[back], previous[back] = trace.best[back], trace.best[back]
            halved, best_then = back, trace.value.clone()
            rises, since = torch.zeros_like(size), 0
            if back[rows].any():
                # the gradient belongs to a point that was left; the next round reads the best point
                gradient = torch.where(back[rows][:, None], torch.zeros_like(gradient), gradient)
        if lost.any():
            where = rows[lost]
            size[where] /= 2
            v[where], previous[where] = trace.best[where], trace.best[where]
            gradient = gradient.masked_fill(lost[:, None], 0.0)
        gradient = _focused(gradient, here.focus)
        at, before = v[rows], previous[rows]
        moved = here.project(at + size[rows, None] * here.reach * gradient.sign())
        following = here.project(at + MOMENTUM * (moved - at) + (1 - MOMENTUM) * (at - before))
        stay = (gradient == 0).all(1)
        following = torch.where(stay[:, None], at, following)
        previous[rows], v[rows] = at, following
        rows = rows[trace.value[rows] < torch.inf]
    return trace


def _focused(gradient: Tensor, share: float) -> Tensor:
    """The gradient on that share of the coordinates where it is largest, 0 on the others."""
    if share >= 1:
        return gradient
    count = max(1, round(share * gradient.shape[1]))
    least = gradient.abs().topk(count, 1).values[:, -1:]
    return torch.where(gradient.abs() >= least, gradient, torch.zeros_like(gradient))


def _read(
    flow: ConditionalFlow,
    float64_reference: ConditionalFlow | None,
    threat: ThreatModel,
    objective: Objective,
    v: Tensor,
    scale: Tensor | None,
    want: bool,
) -> tuple[Reading, Tensor | None]:
    """(reading at the points v, gradient of its ascent); where a gradient is not finite, that of
    ``float64_reference``. None without ``want``, and where nothing is differentiable."""
    if not want:
        with torch.no_grad():
            return objective.read(flow, threat.unpack(v), scale), None
    reading, gradient = _differentiate(flow, threat, objective, v, scale)
    if gradient is None or float64_reference is None:
        return reading, gradient
    lost = (~gradient.isfinite().all(1) & (reading.value < torch.inf)).nonzero().flatten()
    if len(lost):
        wide = ThreatModel(threat.rows(lost).origin.to(torch.float64), threat.moved)
        own = None if scale is None else scale[lost].double()
        _, again = _differentiate(float64_reference, wide, objective, v[lost].double(), own)
        if again is not None:
            # only signs are used: the sizes may not exist in the flow's own dtype
            gradient[lost] = torch.where(
                again.isfinite().all(1, keepdim=True), again.sign(), torch.nan
            ).to(gradient)
    return reading, gradient


def _differentiate(
    flow: ConditionalFlow,
    threat: ThreatModel,
    objective: Objective,
    v: Tensor,
    scale: Tensor | None,
) -> tuple[Reading, Tensor | None]:
    with torch.enable_grad():
        at = v.detach().clone().requires_grad_()
        reading = objective.read(flow, threat.unpack(at), scale)
        if not reading.ascent.requires_grad:
            return reading, None
        # an infinite row must not spoil the sum of the others
        finite = reading.ascent.isfinite()
        total = torch.where(finite, reading.ascent, torch.zeros_like(reading.ascent)).sum()
        (gradient,) = torch.autograd.grad(total, at, materialize_grads=True)
        gradient = torch.where(finite.detach()[:, None], gradient, torch.nan)
    return Reading(reading.ascent.detach(), reading.value, reading.x), gradient
