"""Laws of a declared structure: channels that pass through, a triangular Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.jacobian import SAFETY, U, jacobian
from invbench.laws.law import Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, same_bits
from invbench.laws.subject import Subject


@law(
    "untouched",
    needs=("untouched", "tensors"),
    scope="value-independent",
    reference="the input's bits",
)
def untouched(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The channels that a layer declares ``untouched`` pass through bit by bit, in both
    directions."""
    channels = list(subject.declaration.untouched or ())
    for inverse in subject.directions:
        if not same_bits(case.result(inverse)[0][:, channels], case.inputs(inverse)[:, channels]):
            yield Violation(
                1, 0, f"{DIRECTIONS[inverse]} changes a channel that is declared untouched"
            )


@law(
    "triangular",
    needs=("order", "deterministic"),
    scope="value-independent",
    reference="the Jacobian by autograd, in float64: zeros are exact, but for a linear solve",
)
def triangular(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """With the elements in the declared ``order``, the Jacobian is lower triangular: every entry
    above the diagonal is exactly 0 (autograd, float64). Otherwise a log_det that sums the diagonal
    is not the determinant.

    The derivative of an ``iterated`` inverse comes from a linear solve, which rounds zeros too: by
    d·u·κ(J)·max |J| of a backward stable one."""
    order = list(subject.declaration.order or ())
    for inverse in subject.directions:
        wide, conds = case.float64_inputs(inverse)
        x, cond = wide[:16], None if conds is None else conds[:16]
        reference, name = subject.float64_reference(), DIRECTIONS[inverse]
        direction = reference.direction(inverse)
        ordered = jacobian(partial(_value, direction, cond), x)[:, order][:, :, order]
        if not ordered.numel():
            continue
        above = ordered.triu(1).abs().amax((1, 2))
        bounds = torch.zeros_like(above)
        if inverse and subject.declaration.inverse == "iterated":
            size = SAFETY * U * len(order) * ordered.abs().amax((1, 2))
            bounds = size * torch.linalg.cond(ordered)
        if wrong := (above > bounds).nonzero().flatten().tolist():
            worst = max(wrong, key=lambda row: above[row].item())
            value, bound = above[worst].item(), bounds[worst].item()
            yield Violation(
                value, bound, f"{name}: an entry of the Jacobian above the diagonal is {value:.3g}"
            )


def _value(
    direction: Callable[..., tuple[Tensor, Tensor]], cond: Tensor | None, x: Tensor
) -> Tensor:
    return direction(x, cond)[0]
