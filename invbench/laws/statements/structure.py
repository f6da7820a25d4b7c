"""Laws of a declared structure: channels that pass through, a triangular Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.jacobian import jacobian
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
    reference="the Jacobian by autograd, in float64: zeros are exact",
)
def triangular(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """With the elements in the declared ``order``, the Jacobian is lower triangular: every entry
    above the diagonal is exactly 0 (autograd, float64). Otherwise a log_det that sums the diagonal
    is not the determinant."""
    order = list(subject.declaration.order or ())
    for inverse in subject.directions:
        wide, conds = case.float64_inputs(inverse)
        x, cond = wide[:16], None if conds is None else conds[:16]
        reference, name = subject.float64_reference(), DIRECTIONS[inverse]
        direction = reference.direction(inverse)
        ordered = jacobian(partial(_value, direction, cond), x)[:, order][:, :, order]
        above = ordered.triu(1).abs().amax().item() if ordered.numel() else 0.0
        if above > 0:
            yield Violation(
                above, 0.0, f"{name}: an entry of the Jacobian above the diagonal is {above:.3g}"
            )


def _value(
    direction: Callable[..., tuple[Tensor, Tensor]], cond: Tensor | None, x: Tensor
) -> Tensor:
    return direction(x, cond)[0]
