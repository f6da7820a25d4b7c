"""Laws of slopes: what a design declares is true; what the paper asks of a design is reported."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import SLACK, log_det_spread, unit_roundoff
from invbench.laws.law import Violation, law
from invbench.laws.space import is_real
from invbench.laws.subject import Subject

FAR = 2.0**40  # tail slopes are read there, in float64


@law(
    "declared-slopes",
    needs=("elementwise",),
    reference="the declared constants; slopes of the float64 reference",
)
def declared_slopes(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Slopes lie within the declared ``slope_range`` and ``slope_bounds(params)``, in float64, to
    1e-6 relative plus 30 times the change of the slope under rounding of x. A bound that does not
    hold is worse than none."""
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    assert cond is not None
    slope = case.exact_elementwise(False)[1].exp()
    with torch.no_grad():
        ranges = []
        if (constants := subject.declared.get("slope_range")) is not None:
            ranges.append(
                (
                    "slope_range",
                    torch.tensor(constants[0]).double(),
                    torch.tensor(constants[1]).double(),
                )
            )
        if "slope_bounds" in subject.declared:
            some = max(32, x.shape[0] // 8)  # a bound may cost much more than a slope
            low, high = reference.module.slope_bounds(cond[:some].movedim(1, 0))  # type: ignore[operator]
            ranges.append(("slope_bounds", low, high))
    for what, low, high in ranges:
        rows = low.shape[0] if low.ndim else x.shape[0]
        here = slope[:rows]
        beyond = torch.maximum(low / here, here / high.clamp(min=1e-300)).nan_to_num(nan=0.0)
        suspects = (beyond > 1 + 1e-6).flatten(1).any(1).nonzero()[:, 0]
        if not len(suspects):
            continue
        beyond, inputs = beyond[suspects], x[suspects]
        delta = unit_roundoff(torch.float64) * (inputs.abs() + 1)
        with torch.no_grad():
            spread = log_det_spread(reference, inputs, cond[suspects], delta, False)
        excess = (beyond / (1 + 1e-6 + (SLACK * spread).expm1())).nan_to_num(nan=0.0)
        if excess.max() > 1:
            worst = beyond.flatten()[int(excess.argmax())].item()
            yield Violation(
                worst, 1 + 1e-6, f"a slope leaves the declared {what} by a factor {worst:.6g}"
            )


@law(
    "declared-displacement",
    needs=("elementwise", "inverse", "real"),
    reference="the declared constant; values of the float64 reference",
)
def declared_displacement(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Half the range of c⁻¹(y) − y over y, which is the least sup |c⁻¹(y) − (y − t)| over shifts t,
    stays within the declared ``displacement``."""
    bound = subject.declared.get("displacement")
    if bound is None or not math.isfinite(bound) or case.recipe.log2_scale > 20:
        return
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    assert cond is not None
    # one parameter set per column, so that the range is over y alone
    rows = cond[:1].expand_as(cond)
    with torch.no_grad():
        moved = reference.log_slopes(x, rows, inverse=True)[0] - x
    half = ((moved.amax(0) - moved.amin(0)) / 2).max().item()
    if half > bound + 1e-9 * (1 + x.abs().max().item()):
        yield Violation(
            half,
            bound,
            f"the inverse moves values by {half:.6g}, declared displacement {bound:.6g}",
        )


@law(
    "equal-tails", category="design", needs=("elementwise",), reference="slopes at other parameters"
)
def equal_tails(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The slope far outside does not depend on the parameters (Remark 2 of the paper): max/min over
    both tails ≤ 1.001 at |x| = 2⁴⁰."""
    if not is_real(subject.space(False)):
        return
    ratio = tail_slope_ratio(subject, case)
    if ratio > 1.001:
        yield Violation(
            ratio, 1.001, f"tail slopes differ by a factor {ratio:.4g} between parameters"
        )


def tail_slope_ratio(subject: Subject, case: LawCase) -> float:
    """max/min of c′(±2⁴⁰) over the case's parameters, in float64."""
    reference = subject.float64_reference()
    _, cond = case.float64_inputs(False)
    far = torch.full(case.x.shape, FAR, dtype=torch.float64)
    with torch.no_grad():
        tails = torch.stack([reference.log_slopes(sign * far, cond)[1] for sign in (1, -1)])
    return (tails.max() - tails.min()).exp().item() if tails.numel() else 1.0
