"""Laws of memory: strides, ranks and overlaps do not count."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, differs, from_same_numbers
from invbench.laws.subject import Subject


def _turned(v: Tensor) -> Tensor:
    return v.transpose(0, -1).contiguous().transpose(0, -1)


def _gapped(v: Tensor) -> Tensor:
    """Every other number of a tensor twice as long in its last dimension."""
    return v.repeat_interleave(2, dim=-1)[..., ::2]


MEMORY_LAYOUTS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("a strided input", lambda v: v.repeat_interleave(2, dim=0)[::2]),
    ("a transposed input", _turned),
    ("an input with gaps", _gapped),
    ("an input at an offset", lambda v: torch.cat((v[:1], v))[1:]),
)
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@law(
    "layout",
    needs=("value-by-value",),
    scope="value-independent",
    reference="contiguous inputs, within 30 rounding units",
)
def layout(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Strided, transposed, gapped, offset, expanded and (for images and volumes) channels-last
    inputs and conditions give the results of contiguous ones, within 30 rounding units."""
    cond = case.cond
    for what, way in MEMORY_LAYOUTS:
        yield from from_same_numbers(case, what, way, cond)
        if cond is not None:
            yield from from_same_numbers(
                case, what.replace("input", "condition"), lambda v: v, way(cond)
            )
    for inverse in subject.directions:
        v = case.inputs(inverse)
        if (form := FORMATS.get(v.ndim)) is not None:
            with torch.no_grad():
                got = subject.direction(inverse)(v.contiguous(memory_format=form), cond)
            yield from differs(
                case, inverse, got, f"{DIRECTIONS[inverse]} of a channels-last input"
            )
    if cond is not None and (form := FORMATS.get(cond.ndim)) is not None:
        yield from from_same_numbers(
            case, "a channels-last condition", lambda v: v, cond.contiguous(memory_format=form)
        )
    for inverse in subject.directions:
        v = case.inputs(inverse)
        some = None if cond is None else cond[:5]
        n = 5 if some is None else len(some)
        copies = v[:1].repeat(n, *[1] * (v.ndim - 1))
        one = LawCase(subject, case.recipe, copies, some, copies)
        with torch.no_grad():
            got = subject.direction(inverse)(v[:1].expand(copies.shape), some)
        yield from differs(one, inverse, got, f"{DIRECTIONS[inverse]} of an expanded input")


@law(
    "rank",
    needs=("elementwise",),
    scope="value-independent",
    reference="rank 2, within 30 rounding units",
)
def rank(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A coupling gives the same values and slopes for x of rank 1, 2, 3 and 4, within 30 rounding
    units."""
    assert case.cond is not None
    params = case.cond.movedim(1, 0)
    for inverse in subject.directions:
        v, name = case.inputs(inverse), DIRECTIONS[inverse]
        for size in ((-1,), (v.shape[0], 2, 3), (v.shape[0], 1, 2, 3), (v.shape[0], 1, 1, 2, 3)):
            with torch.no_grad():
                direction = subject.module.inverse if inverse else subject.module
                got, log = direction(v.reshape(size), params.reshape(params.shape[0], *size))  # type: ignore[operator]
            pair = got.reshape_as(v), log.reshape_as(v).sum(1)
            yield from differs(case, inverse, pair, f"{name} at rank {len(size)}")


@law(
    "condition-broadcast",
    needs=("condition", "value-by-value"),
    scope="value-independent",
    reference="copies of the condition, within 30 rounding units",
)
def condition_broadcast(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A condition that is expanded over the batch (stride 0), and one whose rows overlap in memory,
    give the results of their copies, within 30 rounding units."""
    assert case.cond is not None
    rows, tail = case.x.shape[0], [1] * (case.cond.ndim - 1)
    copies = LawCase(subject, case.recipe, case.x, case.cond[:1].repeat(rows, *tail), case.z)
    yield from from_same_numbers(
        copies, "an expanded condition", lambda v: v, case.cond[:1].expand_as(case.cond)
    )
    if subject.declaration.condition is not None or subject.packed(False).several:
        return
    long = case.cond.flatten()[: rows + case.cond[0].numel()].contiguous()
    if len(long) >= rows - 1 + case.cond[0].numel() and case.cond.ndim == 2:
        overlapping = long.as_strided((rows, case.cond.shape[1]), (1, 1))
        plain = LawCase(subject, case.recipe, case.x, overlapping.clone(), case.z)
        yield from from_same_numbers(
            plain, "a condition whose rows overlap", lambda v: v, overlapping
        )
