"""How much error a correct implementation may make: rounding times what the map itself does to rounding.

A forward pass in a dtype with unit roundoff u perturbs the exact result by a few u·S, where

    S = |f(x)| + |f(0)| + (change of f under a change of x by u·(|x| + 1))/u + 1.

A layer with weights or buffers w has in S also 4·|f_w̃(x) − f(x)|/u, w̃ = w·(1 ± u) with fixed signs: a network that cancels inside
rounds by more than its output shows, and a backward-stable one is exact for weights a few u away.

f(0) stands for the shift: a sound y = s·x + t that cancels to y ≈ 0 still carries errors of size u·|t|. The 1 is the scale
of the data: a spline that adds a box edge promises no relative accuracy near 0. The inverse turns a change δ = u·S of y
into at most spread(δ), so

    |x̂ − x| ≤ C·(u·(|x| + 1) + spread(u·S)),   C = 30, the threshold of LAPACK's tests (numerics.md, section 4).

All of it is evaluated on a float64 twin of the same parameters. For a coupling, spread(δ) is the larger of δ times the steepest
slope that the twin reports at y ± kδ, k ≤ 8, and of the value's change there and at y ± 24δ divided by k, because a steep place narrower
than δ shows in no slope, and a knot of a box of ±8 is known to no better than some 20δ of a small y. A noisy inverse may so excuse itself
in one round trip, but not in the other, where the spread is that of the forward map. For a layer, spread is the largest change over steps
of up to 4δ along fixed sign patterns, a lower estimate that the slack C covers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.properties.subject import Subject

__all__ = ["SLACK", "log_det_spread", "magnitude", "rounding_scale", "unit_roundoff", "value_spread"]

SLACK = 30.0
NEIGHBOURS = (-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)  # of an element, in units of δ
WIDER = (-24.0, 24.0)  # for its value
STEPS = (-4.0, -1.0, 1.0, 4.0)  # of a layer's row, along each sign pattern


def unit_roundoff(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps / 2


def magnitude(subject: Subject, v: Tensor) -> Tensor:
    """|v| per element of a coupling, max |v| per row of a layer."""
    if subject.elementwise:
        return v.abs()
    return v.abs().flatten(1).amax(1) if v.shape[0] else v.new_zeros(0)


def _widened(subject: Subject, delta: Tensor, v: Tensor) -> Tensor:
    return delta if subject.elementwise else delta.reshape(-1, *[1] * (v.ndim - 1))


def _patterns(v: Tensor) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    random = [torch.randint(0, 2, v.shape[1:], generator=generator).to(v)[None] * 2 - 1 for _ in range(2)]
    return [torch.ones_like(v[:1]), *random]


def _around(
    twin: Subject, v: Tensor, cond: Tensor | None, steps: list[Tensor], inverse: bool, together: bool
) -> tuple[Tensor, Tensor]:
    """(value, log) at v and at v + each step, stacked in front; in one call, since an iterated inverse costs by the call.

    Not ``together`` where rows are under suspicion of seeing each other.
    """

    def call(points: Tensor, conds: Tensor | None) -> tuple[Tensor, Tensor]:
        if twin.elementwise:
            return twin.log_slopes(points, conds, inverse)
        return (twin.inverse if inverse else twin.forward)(points, conds)

    points = [v] + [v + step for step in steps]
    if not together or not v.shape[0]:
        found = [call(point, cond) for point in points]
        return torch.stack([value for value, _ in found]), torch.stack([log for _, log in found])
    n = len(points)
    value, log = call(torch.cat(points), None if cond is None else cond.repeat(n, *[1] * (cond.ndim - 1)))
    return value.unflatten(0, (n, v.shape[0])), log.unflatten(0, (n, v.shape[0]))


def _steps(twin: Subject, v: Tensor, delta: Tensor, wider: tuple[float, ...] = WIDER) -> list[Tensor]:
    if twin.elementwise:
        return [k * delta for k in NEIGHBOURS + wider]
    step = _widened(twin, delta, v)
    return [k * step * sign for sign in _patterns(v) for k in STEPS]


def value_spread(
    twin: Subject, v: Tensor, cond: Tensor | None, delta: Tensor, inverse: bool, together: bool = True
) -> Tensor:
    """How far f (or f⁻¹) moves when v moves by δ; δ and the result are as ``magnitude`` gives them."""
    return _spread(twin, delta, *_around(twin, v, cond, _steps(twin, v, delta), inverse, together))


def _spread(twin: Subject, delta: Tensor, value: Tensor, log: Tensor) -> Tensor:
    """The spread of (value, log) at a point and at its steps."""
    if not twin.elementwise:
        return magnitude(twin, (value[1:] - value[0]).abs().amax(0))
    sizes = value.new_tensor(NEIGHBOURS + WIDER).abs().reshape(-1, *[1] * (value.ndim - 1))
    moved = ((value[1:] - value[0]).abs() / sizes).amax(0)
    return torch.maximum(delta * log[: 1 + len(NEIGHBOURS)].amax(0).exp(), moved)


def log_det_spread(
    twin: Subject, v: Tensor, cond: Tensor | None, delta: Tensor, inverse: bool, together: bool = True
) -> Tensor:
    """How far the log-determinant (log-slope, for a coupling) moves when v moves by up to 8δ, or 4δ in a layer."""
    _, log = _around(twin, v, cond, _steps(twin, v, delta, wider=()), inverse, together)
    return (log[1:] - log[0]).abs().amax(0)


def rounding_scale(
    twin: Subject, v: Tensor, cond: Tensor | None, u: float, inverse: bool = False, together: bool = True
) -> Tensor:
    """S of the module docstring for the forward map at v (or the inverse map): one rounding error is about u·S."""
    delta = u * (magnitude(twin, v) + 1)
    value, log = _around(twin, v, cond, [*_steps(twin, v, delta), -v], inverse, together)  # the last point is 0
    spread = _spread(twin, delta, value[:-1], log[:-1])
    scale = magnitude(twin, value[0]) + magnitude(twin, value[-1]) + spread / u + 1
    for other in twin.wobbled(u):
        moved = (other.inverse if inverse else other.forward)(v, cond)[0]
        scale = scale + STEPS[-1] * magnitude(twin, moved - value[0]).nan_to_num(nan=0.0) / u
    return scale
