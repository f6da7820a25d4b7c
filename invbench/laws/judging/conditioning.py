"""How much error a correct implementation may make: its rounding, times the effect of the map on
rounding.

A direction A, in a dtype with unit roundoff u, is judged by the *other* direction B on the float64
reference. B(A(v)) must be v up to the effect of rounding w = A(v) on B:

    |B(A(v)) − v| ≤ C·(u·(|v| + 1) + spread_B(u·(|w| + |A(0)| + 1)) + 4·|B_w̃(w) − B(w)|),   C = 30,
    the threshold of LAPACK's tests.

spread_B(δ) is how far B moves when w moves by δ. B_w̃ has every weight and buffer moved to w·(1 ±
u): it shows a network whose inner cancellation exceeds the rounding of its output, and a
backward-stable network is exact for weights a few u away. A(0) stands for the shift: y = s·x + t
that cancels to y ≈ 0 still carries errors of u·|t|. The allowance of A takes nothing from A but one
value at a fixed point.

The forward error |A(v) − A₆₄(v)| is compared with u·S on the float64 reference A₆₄, S = |A(v)| +
|A(0)| + spread_A(u·(|v| + 1))/u + 4·|A_w̃(v) − A(v)|/u + 1. Noise that the float64 reference has
too is caught by the law ``noise`` and by the other direction.

For a coupling, spread(δ) is the larger of two numbers: δ times the steepest slope of the float64
reference at y ± kδ, k ≤ 8; and the change of the value there and at y ± 24δ, divided by k. No slope
shows a steep place narrower than δ, and the knot of a box of ±8 is known to no better than some 20δ
of a small y. For a layer it is the largest change over steps of up to 4δ along fixed sign patterns:
a lower estimate, which the slack C covers.

Before a row counts as a defect it appeals: eight patterns, steps up to 64δ, eight perturbed copies.
A kink a few roundings away, which the first estimate missed, excuses the row then.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.laws.space import is_real, place, strictly_inside
from invbench.laws.subject import Subject

__all__ = [
    "APPEAL",
    "FIRST",
    "SLACK",
    "Effort",
    "centre",
    "log_det_spread",
    "magnitude",
    "rounding_scale",
    "undone_unit",
    "unit_roundoff",
    "value_spread",
]

SLACK = 30.0
NEIGHBOURS = (-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)  # of an element, in units of δ
WIDER = (-24.0, 24.0)  # for its value
WEIGHT_FACTOR = 4.0


@dataclass(frozen=True)
class Effort:
    """The effort of an allowance: sign patterns and steps of a layer's row, neighbours of an
    element, perturbed copies."""

    patterns: int
    steps: tuple[float, ...]
    neighbours: tuple[float, ...]
    copies: int


FIRST = Effort(3, (-4.0, -1.0, 1.0, 4.0), NEIGHBOURS, 2)
APPEAL = Effort(
    8,
    (-64.0, -16.0, -4.0, -1.0, 1.0, 4.0, 16.0, 64.0),
    (*NEIGHBOURS, -64.0, -32.0, -16.0, 16.0, 32.0, 64.0),
    8,
)


def unit_roundoff(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).eps / 2


def magnitude(subject: Subject, v: Tensor) -> Tensor:
    """|v| per element of a coupling, max |v| per row of a layer."""
    if subject.elementwise:
        return v.abs()
    return v.abs().flatten(1).amax(1) if v.shape[0] else v.new_zeros(0)


def _patterns(v: Tensor, count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    random = [
        torch.randint(0, 2, v.shape[1:], generator=generator).to(v)[None] * 2 - 1
        for _ in range(count - 1)
    ]
    return [torch.ones_like(v[:1]), *random]


def _around(
    reference: Subject,
    v: Tensor,
    cond: Tensor | None,
    steps: list[Tensor],
    inverse: bool,
    together: bool,
) -> tuple[Tensor, Tensor]:
    """(value, log) at v and at v + each step, stacked in front. One call for all, since an iterated
    inverse costs by the call; not with ``together=False``, for rows that may depend on each other.
    A step out of the space is not taken."""

    def call(points: Tensor, conds: Tensor | None) -> tuple[Tensor, Tensor]:
        if reference.elementwise:
            return reference.log_slopes(points, conds, inverse)
        return reference.direction(inverse)(points, conds)

    points = [v] + [_stays(reference, v, step, inverse) for step in steps]
    if not together or not v.shape[0]:
        results = [call(point, cond) for point in points]
        return torch.stack([value for value, _ in results]), torch.stack(
            [log for _, log in results]
        )
    n = len(points)
    value, log = call(
        torch.cat(points), None if cond is None else cond.repeat(n, *[1] * (cond.ndim - 1))
    )
    return value.unflatten(0, (n, v.shape[0])), log.unflatten(0, (n, v.shape[0]))


def _stays(reference: Subject, v: Tensor, step: Tensor, latent: bool) -> Tensor:
    space, whole = reference.space(latent), reference.packed(latent)
    if whole.whole is not None:
        return whole.to_whole(whole.to_free(v) + whole.to_free(step.expand_as(v)))
    moved = v + step
    if is_real(space):
        return moved
    if getattr(space, "is_discrete", False):
        return v
    ok = strictly_inside(space, moved)
    return torch.where(ok, moved, v) if ok.shape == v.shape else moved


def _steps(
    reference: Subject, v: Tensor, delta: Tensor, effort: Effort, wider: tuple[float, ...] = WIDER
) -> list[Tensor]:
    if reference.elementwise:
        return [k * delta for k in effort.neighbours + wider]
    step = delta.reshape(-1, *[1] * (v.ndim - 1))
    return [k * step * sign for sign in _patterns(v, effort.patterns) for k in effort.steps]


def value_spread(
    reference: Subject,
    v: Tensor,
    cond: Tensor | None,
    delta: Tensor,
    inverse: bool,
    together: bool = True,
    effort: Effort = FIRST,
) -> Tensor:
    """How far f (or f⁻¹) moves when v moves by δ; δ and the result are as ``magnitude`` gives
    them."""
    around = _around(reference, v, cond, _steps(reference, v, delta, effort), inverse, together)
    return _spread(reference, delta, *around, effort)


def _spread(
    reference: Subject, delta: Tensor, value: Tensor, log: Tensor, effort: Effort
) -> Tensor:
    """The spread of (value, log) at a point and at its steps."""
    if not reference.elementwise:
        return magnitude(reference, (value[1:] - value[0]).abs().amax(0)).nan_to_num(nan=torch.inf)
    sizes = value.new_tensor(effort.neighbours + WIDER).abs().reshape(-1, *[1] * (value.ndim - 1))
    moved = ((value[1:] - value[0]).abs() / sizes).amax(0)
    steepest = delta * log[: 1 + len(effort.neighbours)].amax(0).exp()
    return torch.maximum(steepest, moved).nan_to_num(nan=torch.inf)


def log_det_spread(
    reference: Subject,
    v: Tensor,
    cond: Tensor | None,
    delta: Tensor,
    inverse: bool,
    together: bool = True,
    effort: Effort = FIRST,
) -> Tensor:
    """How far the log-determinant (log-slope, for a coupling) moves when v moves by up to 8δ, or 4δ
    in a layer."""
    _, log = _around(
        reference, v, cond, _steps(reference, v, delta, effort, wider=()), inverse, together
    )
    return (log[1:] - log[0]).abs().amax(0).nan_to_num(nan=torch.inf)


def log_det_weight_spread(
    reference: Subject,
    v: Tensor,
    cond: Tensor | None,
    u: float,
    inverse: bool,
    effort: Effort = FIRST,
) -> Tensor:
    """How far the log-determinant moves with weights at w·(1 ± u): 4 times the largest change over
    the copies."""
    if reference.elementwise:
        return torch.zeros_like(v)
    log = reference.direction(inverse)(v, cond)[1]
    moved = [
        (other.direction(inverse)(v, cond)[1] - log).abs()
        for other in reference.weights_perturbed(u, effort.copies)
    ]
    if not moved:
        return torch.zeros_like(log)
    return (WEIGHT_FACTOR * torch.stack(moved).amax(0)).nan_to_num(nan=torch.inf)


def centre(reference: Subject, v: Tensor, latent: bool) -> Tensor:
    """The middle of the space: 0 in Rⁿ."""
    space = reference.space(latent)
    if is_real(space):
        return torch.zeros_like(v)
    return place(
        space, v.new_zeros(len(v), *reference.raw_shape(latent), dtype=torch.float64), v.dtype
    )


def _shift(reference: Subject, v: Tensor, cond: Tensor | None, inverse: bool) -> Tensor:
    """|A(0)|; 0 where that is not finite."""
    size = magnitude(
        reference, reference.direction(inverse)(centre(reference, v, inverse), cond)[0]
    )
    return torch.where(size.isfinite(), size, torch.zeros_like(size))


def _weight_spread(
    reference: Subject, v: Tensor, cond: Tensor | None, u: float, inverse: bool, effort: Effort
) -> Tensor:
    value = reference.direction(inverse)(v, cond)[0]
    total = magnitude(reference, torch.zeros_like(value))
    for number, other in enumerate(reference.weights_perturbed(u, effort.copies)):
        moved = magnitude(reference, other.direction(inverse)(v, cond)[0] - value).nan_to_num(
            nan=0.0
        )
        total = (
            total + WEIGHT_FACTOR * moved
            if number < 2
            else torch.maximum(total, 2 * WEIGHT_FACTOR * moved)
        )
    return total


def rounding_scale(
    reference: Subject,
    v: Tensor,
    cond: Tensor | None,
    u: float,
    inverse: bool = False,
    together: bool = True,
    effort: Effort = FIRST,
) -> Tensor:
    """S of the module docstring for the forward map at v (or the inverse map): one rounding error
    is about u·S."""
    delta = u * (magnitude(reference, v) + 1)
    value, log = _around(reference, v, cond, _steps(reference, v, delta, effort), inverse, together)
    scale = (
        magnitude(reference, value[0])
        + _shift(reference, v, cond, inverse)
        + _spread(reference, delta, value, log, effort) / u
        + 1
    )
    return scale + _weight_spread(reference, v, cond, u, inverse, effort) / u


def undone_unit(
    reference: Subject,
    v: Tensor,
    w: Tensor,
    cond: Tensor | None,
    u: float,
    inverse: bool,
    effort: Effort = FIRST,
) -> Tensor:
    """One unit of |B(w) − v| with w = A(v) and B the other direction: the effect of rounding w on
    B, in float64."""
    delta = u * (magnitude(reference, w) + _shift(reference, v, cond, inverse) + 1)
    natural = u * (magnitude(reference, v) + 1)
    return (
        natural
        + value_spread(reference, w, cond, delta, not inverse, effort=effort)
        + _weight_spread(reference, w, cond, u, not inverse, effort)
    )
