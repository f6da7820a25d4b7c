"""Laws of gradients: finite, true, and the same by torch's function transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.conditioning import magnitude, unit_roundoff
from invbench.properties.conduct_laws import DIRECTIONS
from invbench.properties.law import Violation, law
from invbench.properties.log_det_laws import jacobian
from invbench.properties.subject import Subject
from invbench.properties.verdict import beyond_rounding

LARGEST = 60  # log2 of x
STEP, WIDE = 1e-6, 1e-3  # of the difference quotients
ROWS = 8
RELATIVE = 1e-4


@law("gradients-finite")
def gradients_finite(subject: Subject, case: Case) -> Iterator[Violation]:
    """Gradients of value and log with respect to x, condition and weights are finite wherever those of the float64 twin are
    representable, in rows whose value and log are; the twin's are never NaN. For |x| up to about 2⁶⁰: a gradient multiplies x by
    slopes and weights on its way, and may leave the dtype there though the result would not.
    """
    if case.recipe.log2_scale > LARGEST:
        return
    twin = subject.twin()
    for name in DIRECTIONS:
        ours = _gradients(subject, name, case.x, case.cond)
        exact = ours if subject.dtype == torch.float64 else _gradients(twin, name, *case.double())
        due = torch.ones(case.x.shape[0], dtype=torch.bool)
        for out in case.exact(name == "inverse"):
            due = due & case.representable(out).flatten(1).all(1) if out.ndim > 1 else due & out.isfinite()
        names = ("x", *(["the condition"] if case.cond is not None else []), *["a weight"] * len(ours))
        for what, gradient, reference in zip(names, ours, exact, strict=False):
            bad = reference.cpu().isnan()
            if subject.dtype != torch.float64:
                rows = due.all() if what == "a weight" else due.reshape(-1, *[1] * (gradient.ndim - 1))
                bad = bad | (rows & case.representable(reference) & ~gradient.cpu().isfinite())
            if bad.any():
                count = int(bad.sum())
                yield Violation(float(count), 0, f"the gradient of {name} for {what} is not finite on {count} elements")
                break


def _leaves(subject: Subject, x: Tensor, cond: Tensor | None) -> list[tuple[str, Tensor]]:
    inputs = [("x", x)] + ([("the condition", cond)] if cond is not None else [])
    return inputs + [("a weight", p) for p in subject.module.parameters() if p.requires_grad]


def _gradients(subject: Subject, name: str, x: Tensor, cond: Tensor | None) -> list[Tensor]:
    x = x.detach().clone().requires_grad_()
    cond = None if cond is None else cond.detach().clone().requires_grad_()
    value, log_det = getattr(subject, name)(x, cond)
    return _pulled(value.sum() + log_det.sum(), [v for _, v in _leaves(subject, x, cond)])


def _pulled(scalar: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    if not scalar.requires_grad:
        return [torch.zeros_like(v) for v in leaves]
    found = torch.autograd.grad(scalar, leaves, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, found, strict=True)]


@law("gradients", scope="few")
def gradients_true(subject: Subject, case: Case) -> Iterator[Violation]:
    """Gradients of value and log_det for x, condition and weights agree with central difference quotients of the float64 twin along a
    random direction, to 1e-4 plus ten times the change under a halved step, plus twice that under a step of 1e-3 (an inverse that stops
    early is a staircase). Rows where the quotients to the left and to the right differ stand at a kink and do not count; one row
    alone is no evidence."""
    twin = subject.twin()
    x, cond = case.double()
    x, cond = x[:ROWS].clone().requires_grad_(), None if cond is None else cond[:ROWS].clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    for name in DIRECTIONS:

        def rows(name: str = name) -> Tensor:
            value, log_det = getattr(twin, name)(x, cond)
            return (value * mix).flatten(1).sum(1) + 0.7 * log_det

        leaves = _leaves(twin, x, cond)
        per_row = [_pulled(r, [v for _, v in leaves]) for r in rows().unbind(0)]
        for index, (what, leaf) in enumerate(leaves):
            direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
            ours = torch.stack([(pulled[index] * direction).sum() for pulled in per_row])
            wrong = _wrong(ours, _quotients(rows, leaf, direction))
            if wrong.sum() >= min(2, len(wrong)):
                row = int(wrong.int().argmax())
                message = f"the gradient of {name} for {what} is not its difference quotient in {int(wrong.sum())} of {len(wrong)} rows"
                yield Violation(float(wrong.sum()), 1.0, message, row=row)
                break


def _quotients(rows: Callable[[], Tensor], leaf: Tensor, direction: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(to the right, to the left) for a step, half of it, and a wide one."""
    found = []
    with torch.no_grad():
        kept = leaf.detach().clone()
        middle = rows()
        for step in (STEP, STEP / 2, WIDE):
            values = []
            for sign in (1, -1):
                leaf.copy_(kept + sign * step * direction)
                values.append(rows())
            found.append(((values[0] - middle) / step, (middle - values[1]) / step))
        leaf.copy_(kept)
    return found


def _wrong(ours: Tensor, quotients: list[tuple[Tensor, Tensor]]) -> Tensor:
    (right, left), (right_half, left_half), wide = quotients
    central, finer, coarse = (right + left) / 2, (right_half + left_half) / 2, (wide[0] + wide[1]) / 2
    size = 1 + ours.abs() + finer.abs()
    kink = ((right_half - left_half).abs() > 0.75 * (right - left).abs()) & ((right - left).abs() > RELATIVE * size)
    unsure = 10 * (central - finer).abs() + 2 * (coarse - finer).abs().nan_to_num(nan=0.0)
    off = (ours - finer).abs() > RELATIVE * size + unsure
    return (off | ~ours.isfinite()) & ~kink & finer.isfinite() & central.isfinite()


def _single(subject: Subject, name: str) -> Callable[[Tensor, Tensor | None], Any]:
    """A direction on one row without a batch dimension."""

    def one(x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        value, log_det = getattr(subject, name)(x[None], None if cond is None else cond[None])
        return value[0], log_det[0]

    return one


@law("vmap", severity="capability", scope="few")
def vmap(subject: Subject, case: Case) -> Iterator[Violation]:
    """torch.vmap over single rows gives what the batch gives, within 30 rounding units."""
    u = unit_roundoff(subject.dtype)
    for inverse in (False, True):
        with torch.no_grad():
            dims = (0, None if case.cond is None else 0)
            value, _ = torch.vmap(_single(subject, DIRECTIONS[inverse]), dims)(case.x, case.cond)
        plain = case.ours(inverse)[0]
        error = magnitude(subject, (value - plain).cpu().double())
        what = f"{DIRECTIONS[inverse]} under vmap"
        yield from beyond_rounding(error, case.unit(inverse), error.isfinite(), what, least=u)


@law("jvp", severity="capability", scope="few")
def jvp(subject: Subject, case: Case) -> Iterator[Violation]:
    """Forward-mode differentiation gives J·v as reverse mode does, to 1e-6 relative, in float64."""
    twin = subject.twin()
    x, cond = case.double()
    x, cond = x[:ROWS], None if cond is None else cond[:ROWS]
    v = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for name in DIRECTIONS:

        def value(x: Tensor, name: str = name) -> Tensor:
            found: Tensor = getattr(twin, name)(x, cond)[0]
            return found

        ours = torch.func.jvp(value, (x,), (v,))[1]
        exact = (jacobian(value, x) @ v.flatten(1)[..., None])[..., 0].reshape_as(x)
        scale = 1e-6 / 30 * (1 + exact.abs())
        yield from beyond_rounding((ours - exact).abs(), scale, exact.isfinite(), f"{name} by forward mode")


@law("compile", severity="capability", needs=("on-cpu",), scope="deep")
def compiled_is_eager(subject: Subject, case: Case) -> Iterator[Violation]:
    """torch.compile gives what eager code gives, within 30 rounding units."""
    u = unit_roundoff(subject.dtype)
    for inverse in (False, True):
        with torch.no_grad():
            value, _ = torch.compile(getattr(subject, DIRECTIONS[inverse]), dynamic=True)(case.x, case.cond)
        error = magnitude(subject, (value - case.ours(inverse)[0]).cpu().double())
        what = f"{DIRECTIONS[inverse]} under torch.compile"
        yield from beyond_rounding(error, case.unit(inverse), error.isfinite(), what, least=u)
