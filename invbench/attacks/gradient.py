"""Gradient search with step adaptation (APGD; Croce and Hein, ICML 2020, algorithm 1), within a
space."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invbench.attacks.objective import Objective, Reading
from invbench.attacks.outcome import Outcome
from invbench.attacks.space import Space
from invbench.flows import ConditionalFlow

__all__ = ["ascend", "checkpoints"]

MOMENTUM = 0.75
ENOUGH = 0.75  # share of steps between two checkpoints that must go up, or the step is halved
PASSES_OF_GRADIENT = 3  # forward, and backward at twice its price

Read = Callable[[ConditionalFlow, Space, Tensor], Reading]


def checkpoints(steps: int) -> list[int]:
    """Steps at which the size of steps is looked at again: ⌈p_j·steps⌉ with p = 0, 0.22, then p_j +
    max(p_j − p_(j−1) − 0.03, 0.06)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({-int(-share * steps // 1) for share in shares if share < 1} - {0})


def ascend(
    flow: ConditionalFlow,
    space: Space,
    objective: Objective,
    steps: int,
    start: Tensor | None = None,
    twin: ConditionalFlow | None = None,
) -> Outcome:
    """``steps`` sign steps from ``start`` (the space's own origin by default), each projected into
    the space.

    The first step is the space's ``reach``; it is halved, and the search goes back to its best
    point, when too few steps between two checkpoints went up or the best did not change. A row is
    done when its value is infinite. Where a gradient is not finite, the float64 ``twin`` gives it;
    where that cannot either, the step is halved from the best point. In a space with a ``focus``
    only that share of the coordinates moves, those of the largest gradients. A flow without
    gradients ends at once, not ``steered``.
    """
    origin = space.start if start is None else start
    found = Outcome.at(origin)
    scale = objective.scale(flow, space.unpack(space.start)) if objective.scale else None
    rows = torch.arange(origin.shape[0], device=origin.device)
    v, previous = origin.clone(), origin.clone()
    size = torch.ones(len(rows), dtype=origin.dtype, device=origin.device)
    rises, since = torch.zeros_like(size), 0
    halved = torch.zeros_like(size, dtype=torch.bool)
    best_then = found.value.clone()
    marks = set(checkpoints(steps))
    last = found.value.clone()
    for step in range(steps + 1):
        if not len(rows):
            break
        here = space.rows(rows)
        own = None if scale is None else scale[rows]
        reading, gradient = _read(flow, twin, here, objective, v[rows], own, want=step < steps)
        passes = objective.passes * (PASSES_OF_GRADIENT if step < steps else 1)
        found.saw(rows, v[rows], reading, passes, step)
        rises[rows] += (reading.value.to(last) > last[rows]).to(size)
        last[rows] = reading.value.to(last)
        since += 1
        if gradient is None:
            break
        lost = ~gradient.isfinite().all(1)
        low, high = here.limits
        movable = low < high
        useful = movable & gradient.isfinite() & (gradient != 0)
        found.steer(rows, useful.sum(1) / movable.sum(1).clamp(min=1), movable.sum(1))
        if step in marks:
            slow = rises < ENOUGH * since
            stuck = ~halved & (found.value <= best_then)
            back = (slow | stuck) & (found.value < torch.inf)
            size = torch.where(back, size / 2, size)
            v[back], previous[back] = found.best[back], found.best[back]
            halved, best_then = back, found.value.clone()
            rises, since = torch.zeros_like(size), 0
            if back[rows].any():
                # the gradient belongs to a point that was left: read again from the best one in the
                # next round
                gradient = torch.where(back[rows][:, None], torch.zeros_like(gradient), gradient)
        if lost.any():
            where = rows[lost]
            size[where] /= 2
            v[where], previous[where] = found.best[where], found.best[where]
            gradient = gradient.masked_fill(lost[:, None], 0.0)
        gradient = _focused(gradient, here.focus)
        at, before = v[rows], previous[rows]
        moved = here.project(at + size[rows, None] * here.reach * gradient.sign())
        following = here.project(at + MOMENTUM * (moved - at) + (1 - MOMENTUM) * (at - before))
        stay = (gradient == 0).all(1)
        following = torch.where(stay[:, None], at, following)
        previous[rows], v[rows] = at, following
        rows = rows[found.value[rows] < torch.inf]
    return found


def _focused(gradient: Tensor, share: float) -> Tensor:
    """The gradient on that share of the coordinates where it is largest, 0 on the others."""
    if share >= 1:
        return gradient
    count = max(1, round(share * gradient.shape[1]))
    least = gradient.abs().topk(count, 1).values[:, -1:]
    return torch.where(gradient.abs() >= least, gradient, torch.zeros_like(gradient))


def _read(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    objective: Objective,
    v: Tensor,
    scale: Tensor | None,
    want: bool,
) -> tuple[Reading, Tensor | None]:
    """(reading, gradient of its ascent by v); rows whose gradient is not finite are asked for again
    in the twin."""
    if not want:
        with torch.no_grad():
            return objective.read(flow, space.unpack(v), scale), None
    reading, gradient = _differentiate(flow, space, objective, v, scale)
    if gradient is None or twin is None:
        return reading, gradient
    lost = (~gradient.isfinite().all(1) & (reading.value < torch.inf)).nonzero().flatten()
    if len(lost):
        wide = Space(space.rows(lost).origin.to(torch.float64), space.moved)
        own = None if scale is None else scale[lost].double()
        _, again = _differentiate(twin, wide, objective, v[lost].double(), own)
        if again is not None:
            # only signs are used: the sizes may not exist in the flow's own dtype
            gradient[lost] = torch.where(
                again.isfinite().all(1, keepdim=True), again.sign(), torch.nan
            ).to(gradient)
    return reading, gradient


def _differentiate(
    flow: ConditionalFlow, space: Space, objective: Objective, v: Tensor, scale: Tensor | None
) -> tuple[Reading, Tensor | None]:
    with torch.enable_grad():
        at = v.detach().clone().requires_grad_()
        reading = objective.read(flow, space.unpack(at), scale)
        if not reading.ascent.requires_grad:
            return reading, None
        # an infinite row must not spoil the sum of the others
        finite = reading.ascent.isfinite()
        total = torch.where(finite, reading.ascent, torch.zeros_like(reading.ascent)).sum()
        (gradient,) = torch.autograd.grad(total, at, materialize_grads=True)
        gradient = torch.where(finite.detach()[:, None], gradient, torch.nan)
    return Reading(reading.ascent.detach(), reading.value, reading.x), gradient
