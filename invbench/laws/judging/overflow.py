"""Numbers that leave the range of a dtype on the way: too large is told apart from undefined."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.laws.cases.trace import OVERFLOWING, first_bad
from invbench.laws.subject import Subject

__all__ = ["overflows"]

LOOKED_AT = 16


def overflows(
    subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None, rows: Tensor
) -> Tensor:
    """Rows in which the first number that is not finite is too large, not undefined. The first 16
    are examined; the others follow the majority. A row that is finite when it is alone is where
    rounding decides, and is excused too."""
    excused = torch.zeros_like(rows)
    asked = rows.nonzero()[:, 0]
    for row in asked[:LOOKED_AT].tolist():
        one = v[row : row + 1].to(subject.device, subject.dtype)
        some = None if cond is None else cond[row : row + 1].to(subject.device, subject.dtype)
        name = first_bad(lambda one=one, some=some: subject.direction(inverse)(one, some))  # type: ignore[misc]
        if name is None:  # something inside was not finite before, or nothing is
            with torch.no_grad():
                value, log_det = subject.direction(inverse)(one, some)
            excused[row] = bool(value.isfinite().all() and log_det.isfinite().all())
        else:
            excused[row] = name in OVERFLOWING
    if len(asked):
        excused[asked[LOOKED_AT:]] = bool(excused[asked[:LOOKED_AT]].float().mean() > 0.5)
    return excused
