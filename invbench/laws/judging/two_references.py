"""A log-determinant against two references: a defect is reported where both find it wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.laws.judging.conditioning import (
    SLACK,
    log_det_spread,
    magnitude,
    unit_roundoff,
)
from invbench.laws.judging.parts import by_parts
from invbench.laws.judging.reference import (
    NEIGHBOURS,
    LogDetReference,
    by_autograd,
    by_differences,
    slope_by_autograd,
    slope_by_differences,
)
from invbench.laws.judging.relation import pair, pattern_of
from invbench.laws.law import Tally, Violation
from invbench.laws.subject import Subject

__all__ = ["against_references", "jacobian_rows", "log_of"]

U = unit_roundoff(torch.float64)
ENTRIES = 2**21  # of all Jacobians of a case
ROWS, CONFIRMED = 24, 4  # of a layer, for Jacobians; rows that a second reference is asked about
MANY = 256  # elements, above which each Jacobian counts
DECIDES = 1e-3  # a reference that may be off by more than this share decides nothing
RELATIVE = 1e-8


@dataclass(frozen=True)
class Compared:
    """log_dets against a first reference: the values, the allowed difference, and which rows
    (elements) decide."""

    got: Tensor
    first: LogDetReference
    allowed: Tensor

    @property
    def decided(self) -> Tensor:
        return self.first.error <= DECIDES * (1 + self.first.value.abs())

    @property
    def suspects(self) -> Tensor:
        off = (self.got - self.first.value).abs().nan_to_num(nan=torch.inf)
        return self.decided & (off > self.allowed + self.first.error)


def jacobian_rows(x: Tensor) -> int:
    return max(1, min(ROWS, ENTRIES // max(1, x[:1].numel() ** 2)))


def log_of(reference: Subject, x: Tensor, cond: Tensor | None, inverse: bool = False) -> Tensor:
    with torch.no_grad():
        return (
            reference.log_slopes(x, cond, inverse)
            if reference.elementwise
            else reference.direction(inverse)(x, cond)
        )[1]


def against_references(
    subject: Subject,
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    log_det: Callable[[], Tensor],
    what: str,
    relative: float = RELATIVE,
) -> Iterator[Violation | Tally]:
    """A layer's log_det against two references for log|det J| at x. It is a defect where both find
    it wrong."""
    if reference.elementwise:
        assert cond is not None
        first = slope_by_autograd(reference, x, cond)
    else:
        first = _of_layer(reference, x, cond, by_autograd)
    got = log_det()
    tolerance = subject.declaration.tolerance or 0.0
    of_weights = 0.0 if subject.elementwise else unit_roundoff(subject.dtype) * x[:1].numel()
    allowed = SLACK * of_weights + (relative + 4 * tolerance * x[:1].numel()) * (
        1 + first.value.abs()
    )
    compared = Compared(got, first, allowed)
    decided = compared.decided.reshape(len(x), -1).any(1)
    yield Tally(int(decided.sum()), len(x))
    suspects = compared.suspects.reshape(len(x), -1).any(1).nonzero()[:, 0]
    if not len(suspects):
        return
    off = (got - first.value).abs().nan_to_num(nan=torch.inf).reshape(len(x), -1).amax(1)
    many = x[:1].numel() > MANY
    worst = suspects[off[suspects].argsort(descending=True)[: 1 if many else CONFIRMED]]
    # what cancels inside shows at neighbours; they cost a Jacobian each
    if not subject.elementwise:
        near = _of_layer(
            reference,
            x[worst],
            None if cond is None else cond[worst],
            by_autograd,
            1 if many else NEIGHBOURS,
        )
        first.error[worst] = torch.maximum(first.error[worst], near.error)
    yield from _confirmed(subject, reference, x, cond, compared, worst, what)


def _of_layer(
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    method: Callable[..., LogDetReference],
    neighbours: int = 0,
) -> LogDetReference:
    """The reference, rows together. A layer whose rows depend on each other breaks the law
    row-independence."""
    inner, outer = reference.packed(False), reference.packed(True)

    def free(some: Tensor | None) -> Callable[[Tensor], Tensor]:
        def function(v: Tensor) -> Tensor:
            beside = None if some is None else some.expand(len(v), *some.shape[1:])
            return outer.to_free(reference.forward(inner.to_whole(v), beside)[0])

        return function

    x = inner.to_free(x)
    if method is by_autograd:
        return by_autograd(free(cond), x, neighbours)
    by_row = []
    for row in range(len(x)):
        some = None if cond is None else cond[row : row + 1]
        by_row.append(by_differences(free(some), x[row : row + 1]))
    return LogDetReference(
        torch.cat([f.value for f in by_row]), torch.cat([f.error for f in by_row])
    )


def _confirmed(
    subject: Subject,
    reference: Subject,
    x: Tensor,
    cond: Tensor | None,
    compared: Compared,
    rows: Tensor,
    what: str,
) -> Iterator[Violation]:
    """A violation where a second, independent reference finds the log_det wrong too."""
    some = None if cond is None else cond[rows]
    got, first, allowed = compared.got[rows], compared.first.value[rows], compared.allowed[rows]
    with torch.no_grad():
        delta = U * (magnitude(reference, x[rows]) + 1)
        spread = SLACK * log_det_spread(reference, x[rows], some, delta, False)
    if reference.elementwise:
        assert some is not None
        seconds, by = [slope_by_differences(reference, x[rows], some)], ""
    else:
        seconds, by = [_of_layer(reference, x[rows], some, by_differences)], ""
        if (parts := by_parts(reference, x[rows], some)) is not None:
            seconds.append(parts[0])
            by = f" (in {parts[1]})" if parts[1] else ""
    for second in seconds:
        off = (got - second.value).abs().nan_to_num(nan=torch.inf)
        agree = (first - second.value).abs() <= off / 2
        sure = (
            (off > allowed + spread + second.error)
            & second.error.isfinite()
            & (agree | ~off.isfinite())
        )
        sure &= compared.suspects[rows]
        if not sure.any():
            continue
        excess = torch.where(sure, off / (allowed + second.error), torch.zeros_like(off))
        at = int(excess.argmax())
        row = int(rows[at // max(1, excess[0].numel())])
        wrong = compared.suspects
        shared = pattern_of(
            compared.got[compared.decided],
            compared.first.value[compared.decided],
            wrong[compared.decided],
            x.new_empty(0),
        )
        if not shared and not reference.elementwise and bool(compared.decided.all()):
            shared = pattern_of(compared.got, compared.first.value, wrong, x)
        both = got.flatten()[at].item(), second.value.flatten()[at].item()
        message = f"log_det of {what}{by}: {pair(*both, 'by differences of values')}"
        yield Violation(
            excess.max().item(), 1.0, message + (f"; {shared}" if shared else ""), row=row
        )
        return
