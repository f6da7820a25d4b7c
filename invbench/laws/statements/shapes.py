"""Laws of what a call returns: its shapes, its dtype, its device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, call
from invbench.laws.subject import Subject

SIZES = (3, 5)  # of the batches: a log_det of shape (D,) cannot fit both


@law(
    "shape",
    scope="first",
    reference="the shapes of the inputs, at batches of 3 and 5 and the case's own",
)
def shape(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Each direction returns (value, log). The value has the input's shape, or the shape of the
    declared latent; log has that shape for a coupling and (B,) for a layer. Both are real, dense
    floating-point tensors."""
    seen: set[str] = set()
    for inverse in subject.directions:
        for size in (*SIZES, len(case.x)):
            for message in _misshapen(subject, case, inverse, min(size, len(case.x))):
                if message.split(":")[0] not in seen:
                    seen.add(message.split(":")[0])
                    yield Violation(1, 0, message)


def _misshapen(subject: Subject, case: LawCase, inverse: bool, size: int) -> Iterator[str]:
    name = DIRECTIONS[inverse]
    v, cond = case.inputs(inverse)[:size], None if case.cond is None else case.cond[:size]
    with torch.no_grad():
        if subject.elementwise:
            assert cond is not None
            direction = subject.module.inverse if inverse else subject.module
            out = direction(v, cond.movedim(1, 0))  # type: ignore[operator]
        else:
            out = subject.raw(v, cond, inverse)
    if not (isinstance(out, (tuple, list)) and len(out) == 2):
        yield (
            f"{name}: the layer returned {type(out).__name__}, not a pair of tensors (value, "
            f"log-determinant)"
        )
        return
    value, log = out
    whole = subject.packed(not inverse)
    tensors = (
        list(value.values())
        if isinstance(value, dict)
        else list(value)
        if whole.several
        else [value]
    )
    if not all(isinstance(t, Tensor) for t in (*tensors, log)):
        kinds = ", ".join(type(t).__name__ for t in (*tensors, log))
        yield (
            f"{name}: the layer returned ({kinds}), not a pair of tensors (value, log-determinant)"
        )
        return
    want = [
        (size, *part)
        for part in (whole.parts if not subject.elementwise else (subject.event_shape,))
    ]
    if [tuple(t.shape) for t in tensors] != want:
        shown = " and ".join(str(tuple(t.shape)) for t in tensors)
        yield (
            f"{name}: the layer returned a value of shape {shown}, expected "
            f"{' and '.join(map(str, want))}"
        )
    expected = (size, *subject.event_shape) if subject.elementwise else (size,)
    if tuple(log.shape) != expected and subject.declaration.log_det != "none":
        yield f"{name}: the layer returned log_det of shape {tuple(log.shape)}, expected {expected}"
    if not all(t.is_floating_point() and t.layout == torch.strided for t in (*tensors, log)):
        kinds = ", ".join(str(t.dtype) for t in (*tensors, log))
        yield f"{name}: the layer returned {kinds}, not dense real floating-point tensors"


@law("dtype", scope="first", reference="dtype and device of the input")
def dtype(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Value and log keep the dtype and the device of the input: no silent cast up or down."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        for out, what in zip(
            call(subject, inverse, v, case.cond), ("value", "log-determinant"), strict=True
        ):
            if out.dtype != v.dtype or out.device != v.device:
                given, got = f"{v.dtype} on {v.device}", f"{out.dtype} on {out.device}"
                yield Violation(
                    1, 0, f"{what} of {DIRECTIONS[inverse]} is {got}, the input {given}"
                )
