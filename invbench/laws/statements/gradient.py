"""Laws of gradients: finite and true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.cases.trace import extremes
from invbench.laws.judging.conditioning import unit_roundoff
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import structured
from invbench.laws.statements.comparison import DIRECTIONS
from invbench.laws.subject import Subject

LARGEST, LARGEST_OF_LAYER = 60, 6  # log2 of x
STEP, WIDE = 1e-6, 1e-3  # of the difference quotients
ROWS = 8
RELATIVE = 1e-4


@law(
    "gradients-finite",
    needs=("value-by-value",),
    reference="gradients of the float64 reference, and the rows whose result is finite",
)
def gradients_finite(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Gradients of value and log for x, condition and weights are finite wherever those of the
    float64 reference are representable, over the rows with a finite value and log. The gradients of
    the float64 reference are never NaN. |x| goes up to about 2⁶⁰ in a coupling, and up to 2⁶ in a
    layer with its own weights: a gradient multiplies x by slopes and weights on its way, and may
    leave the dtype where the result does not."""
    plain = subject.elementwise or case.recipe.weights == "initial"
    if case.recipe.log2_scale > (LARGEST if subject.elementwise else LARGEST_OF_LAYER) or not plain:
        return
    reference = subject.float64_reference()
    for inverse in differentiable(subject):
        v, (wide, cond) = case.inputs(inverse), case.float64_inputs(inverse)
        due = case.valid(inverse).flatten(1).all(1) & case.representable(
            wide, latent=inverse
        ).flatten(1).all(1)
        due &= case.representable(case.exact(inverse)[1]) if subject.has_log_det else due
        if not subject.elementwise:
            due &= (wide.abs() <= 2.0**LARGEST_OF_LAYER).flatten(1).all(1)
        yield Tally(int(due.sum()), len(due))
        rows = due.nonzero()[:, 0]
        if not len(rows):
            continue
        some = None if case.cond is None else case.cond[rows]
        ours = _gradients(subject, inverse, v[rows], some)
        exact = ours
        if subject.dtype != torch.float64:
            exact = _gradients(reference, inverse, wide[rows], None if cond is None else cond[rows])
        names = [name for name, _ in _leaves(subject, v[rows], some)]
        for what, gradient, expected in zip(names, ours, exact, strict=True):
            bad = expected.cpu().isnan()
            if subject.dtype != torch.float64:
                bad = bad | (case.representable(expected.cpu()) & ~gradient.cpu().isfinite())
            if bad.any() and not _large_inside(
                subject, reference, inverse, case, rows, bad if what != "a weight" else None
            ):
                count, per_row = int(bad.sum()), what != "a weight"
                row = int(rows[int(bad.flatten(1).any(1).int().argmax())]) if per_row else None
                message = (
                    f"the gradient of {DIRECTIONS[inverse]} for {what} is not finite on "
                    f"{count} elements"
                )
                yield Violation(float(count), 0, message, row=row, latent=inverse)
                break


def _large_inside(
    subject: Subject,
    reference: Subject,
    inverse: bool,
    case: LawCase,
    rows: Tensor,
    bad: Tensor | None,
) -> bool:
    """Whether the pass goes through numbers whose square the dtype cannot hold: then a gradient may
    not exist."""
    at = rows if bad is None else rows[bad.flatten(1).any(1).cpu().nonzero()[:4, 0]]
    wide, cond = case.float64_inputs(inverse)
    some = None if cond is None else cond[at]
    limit = torch.finfo(subject.dtype).max ** 0.5 / 16
    least, most = extremes(lambda: reference.direction(inverse)(wide[at], some))
    return most > limit or least < 1 / limit


def differentiable(subject: Subject) -> tuple[bool, ...]:
    """The directions that promise gradients. An inverse that is for sampling only does not."""
    return (False, True) if subject.declaration.inverse in (None, "exact", "iterated") else (False,)


def _leaves(subject: Subject, x: Tensor, cond: Tensor | None) -> list[tuple[str, Tensor]]:
    smooth = cond is not None and subject.declaration.condition is None
    inputs = [("x", x)] + ([("the condition", cond)] if cond is not None and smooth else [])
    return inputs + [("a weight", p) for p in subject.module.parameters() if p.requires_grad]


def _gradients(subject: Subject, inverse: bool, x: Tensor, cond: Tensor | None) -> list[Tensor]:
    x = x.detach().clone().requires_grad_()
    if cond is not None and subject.declaration.condition is None:
        cond = cond.detach().clone().requires_grad_()
    value, log_det = subject.direction(inverse)(x, cond)
    total = value.sum() + log_det.sum() if subject.has_log_det else value.sum()
    return pulled(total, [v for _, v in _leaves(subject, x, cond)])


def pulled(scalar: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    if not scalar.requires_grad:
        return [torch.zeros_like(v) for v in leaves]
    gradients = torch.autograd.grad(scalar, leaves, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, gradients, strict=True)]


@law(
    "gradients",
    needs=("value-by-value",),
    scope="value-independent",
    reference=(
        "central difference quotients of the float64 reference; their error is read from three "
        "steps and from rounding of the values"
    ),
    trusts="values, which the round trips check",
)
def gradients_true(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Gradients of value and log_det for x, condition and weights agree with central difference
    quotients of the float64 reference along a random direction. Allowed are 1e-4, ten times the
    change under a halved step, twice the change under a step of 1e-3 (an inverse that stops early
    is a staircase), and the rounding of the values over the step. A row whose left and right
    quotients differ is at a kink and does not count; one row alone is no evidence. An inverse that
    computes with gradients switched off is for sampling."""
    said = list(_against_quotients(subject, case))
    if any(isinstance(t, Tally) and t.decided == 0 for t in said) and not any(
        isinstance(v, Violation) for v in said
    ):
        other = subject.reweighted("noise", 0, 5)  # where these weights decide nothing, others may
        if other is not subject:
            recipe = replace(case.recipe, weights="noise", log2_weights=0)
            said += _against_quotients(
                other,
                LawCase(other, recipe, case.x, case.cond, None if case.z is case.x else case.z),
            )
    yield from said


def _against_quotients(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    reference = subject.float64_reference()
    for inverse in differentiable(subject):
        if structured(subject.space(inverse)):
            continue  # a step along one number leaves the space
        v, cond = case.float64_inputs(inverse)
        x, cond = v[:ROWS].clone().requires_grad_(), None if cond is None else cond[:ROWS].clone()
        if cond is not None and subject.declaration.condition is None:
            cond.requires_grad_()
        generator = torch.Generator().manual_seed(0)
        mix: list[Tensor] = []

        def rows(
            inverse: bool = inverse,
            x: Tensor = x,
            cond: Tensor | None = cond,
            mix: list[Tensor] = mix,
        ) -> Tensor:
            value, log_det = reference.direction(inverse)(x, cond)
            if not mix:
                mix.append(
                    torch.randn(
                        value.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
                    )
                )
            total = (value * mix[0]).flatten(1).sum(1)
            return total + 0.7 * log_det if subject.has_log_det else total

        leaves = _leaves(reference, x, cond)
        per_row = [pulled(r, [leaf for _, leaf in leaves]) for r in rows().unbind(0)]
        for index, (what, leaf) in enumerate(leaves):
            direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
            ours = torch.stack([(pulled[index] * direction).sum() for pulled in per_row])
            wrong, decided = _wrong(
                ours, _quotients(rows, leaf, direction), subject.declaration.tolerance or 0.0
            )
            yield Tally(int(decided.sum()), len(decided))
            if wrong.sum() >= min(2, len(wrong)):
                row = int(wrong.int().argmax())
                share = f"{int(wrong.sum())} of {len(wrong)} rows"
                message = (
                    f"the gradient of {DIRECTIONS[inverse]} for {what} is not its "
                    f"difference quotient in {share}"
                )
                yield Violation(float(wrong.sum()), 1.0, message, row=row, latent=inverse)
                break


def _quotients(
    rows: Callable[[], Tensor], leaf: Tensor, direction: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """(to the right, to the left) for a step, half of it, and a wide one; last, what rounding of
    the values makes of the half step."""
    quotients = []
    with torch.no_grad():
        kept = leaf.detach().clone()
        middle = rows()
        for step in (STEP, STEP / 2, WIDE):
            values = []
            for sign in (1, -1):
                leaf.copy_(kept + sign * step * direction)
                values.append(rows())
            quotients.append(((values[0] - middle) / step, (middle - values[1]) / step))
        leaf.copy_(kept)
        noise = 64 * unit_roundoff(torch.float64) * (1 + middle.abs()) / STEP
    return [*quotients, (noise, noise)]


def _wrong(
    ours: Tensor, quotients: list[tuple[Tensor, Tensor]], tolerance: float
) -> tuple[Tensor, Tensor]:
    """(rows whose gradient is wrong, rows that decide)."""
    (right, left), (right_half, left_half), wide, (noise, _) = quotients
    central, finer, coarse = (
        (right + left) / 2,
        (right_half + left_half) / 2,
        (wide[0] + wide[1]) / 2,
    )
    size = 1 + ours.abs() + finer.abs()
    kink = ((right_half - left_half).abs() > 0.75 * (right - left).abs()) & (
        (right - left).abs() > RELATIVE * size
    )
    unsure = 10 * (central - finer).abs() + 2 * (coarse - finer).abs().nan_to_num(nan=0.0) + noise
    unsure = unsure + 4 * tolerance / WIDE * size
    off = (ours - finer).abs() > RELATIVE * size + unsure
    sure = ~kink & finer.isfinite() & central.isfinite()
    return off & ours.isfinite() & sure, sure & (unsure < 0.1 * size)
