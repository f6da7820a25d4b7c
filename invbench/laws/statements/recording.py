"""Laws of recorded gradients: they change no result, and survive a step of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, differs, same_bits
from invbench.laws.statements.gradient import ROWS, differentiable, pulled
from invbench.laws.subject import SEED, Subject


@law(
    "grad-mode",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the call without gradients; its error is 30 rounding units",
)
def grad_mode(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Value and log_det are the same while gradients are recorded and under
    ``torch.inference_mode``: the map that is trained is the map that is evaluated."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        with torch.enable_grad():
            cond = case.cond
            if cond is not None and subject.declaration.condition is None:
                cond = cond.detach().clone().requires_grad_()
            recorded = subject.direction(inverse)(v.detach().clone().requires_grad_(), cond)
        with torch.inference_mode():
            inferred = subject.direction(inverse)(
                v.clone(), None if case.cond is None else case.cond.clone()
            )
        for got, what in (
            (recorded, "while gradients are recorded"),
            (inferred, "in inference mode"),
        ):
            pair = tuple(g.detach().clone() for g in got)
            yield from differs(case, inverse, (pair[0], pair[1]), f"{DIRECTIONS[inverse]} {what}")


@law(
    "training-step",
    needs=("rebuild", "value-by-value"),
    scope="value-independent",
    reference="a layer that loaded the state_dict after the step, and the first step's gradients",
)
def training_step(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A step of training works twice, and the layer follows its weights: after backward and an
    update in place, it gives the bits of a layer that loaded the new state_dict. A layer that
    caches scales with their graph raises at the second backward, or keeps the old scales."""
    ours = replace(subject, module=subject.made())
    weights = [p for p in ours.module.parameters() if p.requires_grad]
    if not weights:
        return
    rows = slice(0, 16)
    cond = None if case.cond is None else case.cond[rows]
    for _ in range(2):
        value, log_det = ours.forward(case.x[rows], cond)
        total = value.sum() + (log_det.sum() if subject.has_log_det else 0)
        gradients = (
            torch.autograd.grad(total, weights, allow_unused=True) if total.requires_grad else []
        )
        with torch.no_grad():
            for p, g in zip(weights, gradients, strict=False):
                if g is not None and g.isfinite().all():
                    p.mul_(1.01)
    fresh = replace(subject, module=subject.untrained(SEED).eval())
    fresh.module.load_state_dict(ours.module.state_dict())
    for inverse in subject.directions:
        v = case.inputs(inverse)[rows]
        with torch.no_grad():
            pairs = [s.direction(inverse)(v, cond) for s in (ours, fresh)]
        if not all(same_bits(a, b) for a, b in zip(*pairs, strict=True)):
            yield Violation(
                1,
                0,
                f"after a step of training, {DIRECTIONS[inverse]} is not that of the new weights",
            )
            return


@law(
    "gradient-order",
    needs=("value-by-value", "inverse"),
    scope="value-independent",
    reference="the gradient of a copy on which forward was not called before",
)
def gradient_order(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """The gradient of inverse(z) does not depend on whether forward has just made that z: a cached
    answer has no graph."""
    if True not in differentiable(subject):
        return
    reference = subject.float64_reference()
    x, cond = (None if v is None else v[:ROWS] for v in case.float64_inputs(False))
    assert x is not None
    with torch.no_grad():
        z = reference.forward(x, cond)[0]
        reference.forward(x.flip(0), cond)
        reference.inverse(z.flip(0), cond)
    apart = _gradients_at(reference, z, cond)
    with torch.no_grad():
        z = reference.forward(x, cond)[0]
    right_after = _gradients_at(reference, z, cond)
    for a, b in zip(apart, right_after, strict=True):
        if not torch.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True):
            yield Violation(
                1,
                0,
                (
                    "the gradient of inverse(z) is another one right after the forward call that "
                    "made z"
                ),
            )
            return


def _gradients_at(reference: Subject, z: Tensor, cond: Tensor | None) -> list[Tensor]:
    """Gradients of inverse for the weights, at exactly these numbers. z itself is not copied, as a
    caller would not."""
    weights: list[Tensor] = [p for p in reference.module.parameters() if p.requires_grad]
    value, log_det = reference.inverse(z, cond)
    return pulled(value.sum() + (log_det.sum() if reference.has_log_det else 0.0), weights)
