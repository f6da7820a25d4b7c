"""Numbers that leave the range of a dtype on the way: what is too large apart from what is undefined."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.properties.subject import Subject
from invbench.properties.trace import OVERFLOWING, first_bad

__all__ = ["overflows"]


def overflows(subject: Subject, inverse: bool, v: Tensor, cond: Tensor | None, rows: Tensor) -> Tensor:
    """Rows in which the first number that is not finite is too large, not undefined; the first 16 are looked at, the others follow them."""
    excused = torch.zeros_like(rows)
    for row in rows.nonzero()[:16, 0].tolist():
        one = v[row : row + 1].to(subject.device, subject.dtype)
        some = None if cond is None else cond[row : row + 1].to(subject.device, subject.dtype)
        name = first_bad(lambda one=one, some=some: subject.direction(inverse)(one, some))  # type: ignore[misc]
        excused[row] = name in OVERFLOWING  # None: something inside was not finite before
    excused[rows.nonzero()[16:, 0]] = bool(excused[rows.nonzero()[:16, 0]].all())
    return excused
