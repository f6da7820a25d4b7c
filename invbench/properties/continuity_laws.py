"""Laws of continuity: no jump in the value, and no kink where a design declares none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.conditioning import unit_roundoff
from invbench.properties.law import Violation, law
from invbench.properties.subject import Subject

GRID, REACH = 257, 8.0
HALVINGS = 46
ROWS = 32
JUMP = 100.0  # rounding units
KINK = 1e-3  # relative change of the slope across a few adjacent floats
Between = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def _value_gap(xa: Tensor, xb: Tensor, ya: Tensor, yb: Tensor, la: Tensor, lb: Tensor) -> Tensor:
    """How far the change of c is from what the slopes at both ends explain."""
    return ((yb - ya) - (xb - xa) * (la.exp() + lb.exp()) / 2).abs()


def _slope_gap(xa: Tensor, xb: Tensor, ya: Tensor, yb: Tensor, la: Tensor, lb: Tensor) -> Tensor:
    return (lb - la).abs()


def _steepest(case: Case, gap: Between) -> tuple[Subject, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Per element, halve the interval of [−8, 8] with the largest gap until a few floats are left: (twin, params, end, end).

    An end is (x, c(x), log c′(x)), in float64.
    """
    twin = case.subject.twin()
    _, cond = case.double()
    assert cond is not None
    cond = cond[:ROWS]
    with torch.no_grad():

        def at(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return x, *twin.log_slopes(x, cond)

        stacked = case.once("grid of continuity", lambda: _grid(twin, cond))
        gaps = gap(stacked[0][:-1], stacked[0][1:], stacked[1][:-1], stacked[1][1:], stacked[2][:-1], stacked[2][1:])
        where = gaps.nan_to_num(nan=0.0, posinf=0.0).argmax(0, keepdim=True)
        a = tuple(s.gather(0, where)[0] for s in stacked)
        b = tuple(s.gather(0, where + 1)[0] for s in stacked)
        for _ in range(HALVINGS):
            m = at((a[0] + b[0]) / 2)
            left = _between(gap, a, m) >= _between(gap, m, b)
            a = tuple(torch.where(left, old, new) for old, new in zip(a, m, strict=True))
            b = tuple(torch.where(left, new, old) for old, new in zip(b, m, strict=True))
    return twin, cond, a, b


def _grid(twin: Subject, cond: Tensor) -> tuple[Tensor, ...]:
    """(x, c(x), log c′(x)) on 257 points of [−8, 8], per element of each condition."""
    grid = torch.linspace(-REACH, REACH, GRID, dtype=torch.float64)
    points = grid[:, None, None].expand(GRID, *cond[:, 0].shape)
    many = cond[None].expand(GRID, *cond.shape).flatten(0, 1)
    found = twin.log_slopes(points.flatten(0, 1), many)
    return points, *(v.unflatten(0, (GRID, -1)) for v in found)


def _between(gap: Between, a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
    return gap(a[0], b[0], a[1], b[1], a[2], b[2]).nan_to_num(nan=0.0)


@law("continuous", needs=("elementwise",), scope="few")
def continuous(subject: Subject, case: Case) -> Iterator[Violation]:
    """c has no jump in [−8, 8], in float64: the interval whose change the slopes explain least is halved 46 times, and what is left of
    the change must be rounding, 100 units: the search finds the worst place. A spline whose pieces do not meet at a knot breaks
    this."""
    twin, cond, a, b = _steepest(case, _value_gap)
    u = unit_roundoff(torch.float64)
    with torch.no_grad():
        shift = twin.log_slopes(torch.zeros_like(a[0]), cond)[0].abs()
    steepest = torch.maximum(
        a[2], b[2]
    ).exp()  # of the ends; a spread across the place would count the jump as conditioning
    unit = u * (a[1].abs() + b[1].abs() + shift + 1 + steepest * (a[0].abs() + 1))
    jump = (b[1] - a[1]).abs() - 2 * steepest * (b[0] - a[0])
    ratio = (jump / unit).nan_to_num(nan=0.0)
    if ratio.max() > JUMP:
        at = int(ratio.argmax())
        message = f"the value jumps by {jump.flatten()[at].item():.3g} at x = {a[0].flatten()[at].item():.9g}"
        yield Violation(ratio.max().item(), JUMP, message)


def _kink(case: Case) -> tuple[float, float]:
    """(largest relative change of the slope across a few floats, where)."""
    _, _, a, b = _steepest(case, _slope_gap)
    change = (b[2] - a[2]).abs().expm1().nan_to_num(nan=0.0)
    at = int(change.argmax())
    return change.flatten()[at].item(), a[0].flatten()[at].item()


@law("smooth", severity="design", needs=("elementwise",), scope="few")
def smooth(subject: Subject, case: Case) -> Iterator[Violation]:
    """The slope is continuous: across a few adjacent float64 values it changes by less than 0.1 %. A kink is a property of a family
    (quadratic splines and ReLU networks have them), so it is a finding about the design."""
    change, where = _kink(case)
    if change > KINK:
        yield Violation(change, KINK, f"the slope jumps by a factor {1 + change:.4g} at x = {where:.9g}")


@law("declared-smooth", needs=("elementwise", "smooth"), scope="few")
def declared_smooth(subject: Subject, case: Case) -> Iterator[Violation]:
    """A coupling that declares ``kinks = False`` has a continuous slope, as in the law ``smooth``: a boundary slope that does not match
    the tail is then an error of the code."""
    change, where = _kink(case)
    if change > KINK:
        message = f"kinks = False is declared, and the slope jumps by a factor {1 + change:.4g} at x = {where:.9g}"
        yield Violation(change, KINK, message)
