"""Laws of continuity: no jump in the value, and no kink where a design declares none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import unit_roundoff
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import is_real
from invbench.laws.subject import Subject

GRID, REACH = 257, 8.0
HALVINGS = 46
ROWS = 32
JUMP = 100.0  # rounding units
KINK = 1e-3  # relative change of the slope across a few adjacent floats
# steps of the difference table, relative to 1 + |v|
FINE = {torch.float64: 2.0**-22, torch.float32: 2.0**-9}
NOISE = 1e-9  # of float64, relative
# rounding noise falls 2²⁹-fold from float32 to float64; what keeps more than this is none
KEPT = 2.0**-14
Between = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def _value_gap(xa: Tensor, xb: Tensor, ya: Tensor, yb: Tensor, la: Tensor, lb: Tensor) -> Tensor:
    """How far the change of c is from the change that the slopes at both ends explain."""
    return ((yb - ya) - (xb - xa) * (la.exp() + lb.exp()) / 2).abs()


def _slope_gap(xa: Tensor, xb: Tensor, ya: Tensor, yb: Tensor, la: Tensor, lb: Tensor) -> Tensor:
    return (lb - la).abs()


def _steepest(
    case: LawCase, gap: Between
) -> tuple[Subject, Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Per element, halve the interval of [−8, 8] with the largest gap until it is a few floats
    wide: (float64 reference, params, end, end).

    An end is (x, c(x), log c′(x)), in float64.
    """
    reference = case.subject.float64_reference()
    _, cond = case.float64_inputs(False)
    assert cond is not None
    cond = cond[:ROWS]
    with torch.no_grad():

        def at(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return x, *reference.log_slopes(x, cond)

        stacked = case.once("grid of continuity", lambda: _grid(reference, cond))
        gaps = gap(
            stacked[0][:-1],
            stacked[0][1:],
            stacked[1][:-1],
            stacked[1][1:],
            stacked[2][:-1],
            stacked[2][1:],
        )
        where = gaps.nan_to_num(nan=0.0, posinf=0.0).argmax(0, keepdim=True)
        a = tuple(s.gather(0, where)[0] for s in stacked)
        b = tuple(s.gather(0, where + 1)[0] for s in stacked)
        for _ in range(HALVINGS):
            m = at((a[0] + b[0]) / 2)
            left = _between(gap, a, m) >= _between(gap, m, b)
            a = tuple(torch.where(left, old, new) for old, new in zip(a, m, strict=True))
            b = tuple(torch.where(left, new, old) for old, new in zip(b, m, strict=True))
    return reference, cond, a, b


def _grid(reference: Subject, cond: Tensor) -> tuple[Tensor, ...]:
    """(x, c(x), log c′(x)) on 257 points of [−8, 8], per element of each condition."""
    grid = torch.linspace(-REACH, REACH, GRID, dtype=torch.float64)
    points = grid[:, None, None].expand(GRID, *cond[:, 0].shape)
    many = cond[None].expand(GRID, *cond.shape).flatten(0, 1)
    results = reference.log_slopes(points.flatten(0, 1), many)
    return points, *(v.unflatten(0, (GRID, -1)) for v in results)


def _between(gap: Between, a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
    return gap(a[0], b[0], a[1], b[1], a[2], b[2]).nan_to_num(nan=0.0)


@law(
    "continuous",
    needs=("elementwise", "deterministic"),
    scope="value-independent",
    reference="the slopes at both ends of an interval, halved 46 times",
)
def continuous(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """c has no jump in [−8, 8], in float64. The interval whose change the slopes explain least is
    halved 46 times; the change that remains must be rounding, at most 100 units, since the search
    finds the worst place. A spline whose pieces do not meet at a knot breaks this."""
    if not is_real(subject.space(False)):
        return
    reference, cond, a, b = _steepest(case, _value_gap)
    u = unit_roundoff(torch.float64)
    with torch.no_grad():
        shift = reference.log_slopes(torch.zeros_like(a[0]), cond)[0].abs()
    steepest = torch.maximum(
        a[2], b[2]
    ).exp()  # of the ends; a spread across the place would count the jump as conditioning
    unit = u * (a[1].abs() + b[1].abs() + shift + 1 + steepest * (a[0].abs() + 1))
    jump = (b[1] - a[1]).abs() - 2 * steepest * (b[0] - a[0])
    ratio = (jump / unit).nan_to_num(nan=0.0)
    if ratio.max() > JUMP:
        at = int(ratio.argmax())
        message = (
            f"the value jumps by {jump.flatten()[at].item():.3g} at x = "
            f"{a[0].flatten()[at].item():.9g}"
        )
        yield Violation(ratio.max().item(), JUMP, message)


def _kink(case: LawCase) -> tuple[float, float]:
    """(largest relative change of the slope across a few floats, where)."""
    if not is_real(case.subject.space(False)):
        return 0.0, 0.0
    _, _, a, b = _steepest(case, _slope_gap)
    change = (b[2] - a[2]).abs().expm1().nan_to_num(nan=0.0)
    at = int(change.argmax())
    return change.flatten()[at].item(), a[0].flatten()[at].item()


@law(
    "smooth",
    category="design",
    needs=("elementwise",),
    scope="value-independent",
    reference="the slope a few floats away",
)
def smooth(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The slope is continuous: across a few adjacent float64 values it changes by less than 0.1 %.
    Some designs have kinks (quadratic splines, ReLU networks), so this is a finding about the
    design."""
    change, where = _kink(case)
    if change > KINK:
        yield Violation(
            change, KINK, f"the slope jumps by a factor {1 + change:.4g} at x = {where:.9g}"
        )


@law(
    "declared-smooth",
    needs=("elementwise", "smooth"),
    scope="value-independent",
    reference="the slope a few floats away",
)
def declared_smooth(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A coupling that declares ``kinks = False`` has a continuous slope, as in the law ``smooth``.
    A boundary slope that does not match the tail is then an error of the code."""
    change, where = _kink(case)
    if change > KINK:
        message = (
            f"kinks = False is declared, and the slope jumps by a factor {1 + change:.4g} "
            f"at x = {where:.9g}"
        )
        yield Violation(change, KINK, message)


@law(
    "noise",
    needs=("value-by-value", "exact"),
    scope="value-independent",
    reference=(
        "smoothness: fourth differences at neighbours; their error is the noise that "
        "rounding makes, seen in float32 and scaled"
    ),
)
def noise(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Values are smooth at the scale of 2⁻²², in float64: along a line the fourth differences of a
    map vanish, and the rest is its noise (Moré and Wild, Estimating computational noise, 2011).
    Rounding noise is 2²⁹ times smaller in float64 than in float32; noise that is not, in more than
    half of the rows, comes from the code. Kinks are in few rows."""
    if not is_real(subject.space(False)) or not is_real(subject.space(True)) or subject.image:
        return
    if case.recipe.weights != "initial" or case.recipe.log2_scale > 3:
        return
    for inverse in subject.directions:
        wide, usable = _noise(subject.float64_reference(), case, inverse, torch.float64)
        narrow, also = _noise(subject.as_type(torch.float32, "cpu"), case, inverse, torch.float32)
        usable = usable & also
        yield Tally(int(usable.sum()), len(usable))
        bad = usable & (wide > NOISE) & (wide > KEPT * narrow)
        if int(bad.sum()) > max(2, 0.5 * int(usable.sum())):
            size = wide[bad].median().item()
            what = "inverse" if inverse else "forward"
            yield Violation(
                size,
                NOISE,
                (
                    f"{what} carries noise of {size:.3g} (relative) in {int(bad.sum())} of "
                    f"{len(bad)} rows, in float64"
                ),
            )


def _noise(
    subject: Subject, case: LawCase, inverse: bool, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """(noise of the values per row, relative; rows that decide): fourth differences over √70 along
    a fixed direction."""
    v, cond = case.float64_inputs(inverse)
    v, cond = v[:ROWS], None if cond is None else cond[:ROWS].to(dtype)
    signs = 2.0 * torch.randint(0, 2, v.shape[1:], generator=torch.Generator().manual_seed(3)) - 1
    step = FINE[dtype] * (1 + v.abs().flatten(1).amax(1)).reshape(-1, *[1] * (v.ndim - 1)) * signs
    with torch.no_grad():
        values = [
            subject.direction(inverse)((v + k * step).to(dtype), cond)[0].double().flatten(1)
            for k in range(-2, 3)
        ]
    fourth = values[0] - 4 * values[1] + 6 * values[2] - 4 * values[3] + values[4]
    noise = fourth.square().mean(1).sqrt() / 70**0.5 / (1 + values[2].abs().amax(1))
    return noise.nan_to_num(nan=0.0, posinf=0.0), noise.isfinite()
