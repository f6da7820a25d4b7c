"""Laws of training mode: the same map, or another one that is itself invertible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import magnitude, unit_roundoff
from invbench.laws.judging.reference import by_autograd, by_differences
from invbench.laws.judging.relation import pair
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import call, same_pair
from invbench.laws.statements.repetition import is_refusal
from invbench.laws.subject import SEED, Subject

SIZES = (2, 17, 96, 130, 515)  # of the batches: a path of its own for large ones shows
AFFINE = 1e-9  # a map is affine in a batch when this is left of it, relative
ROUND_TRIP = 1e-3  # of training mode; statistics of a batch are known to no better in float32


def _batch(case: LawCase, size: int) -> tuple[Tensor, Tensor | None]:
    rows = torch.arange(size) % len(case.x)
    return case.x[rows], None if case.cond is None else case.cond[rows]


def _differs(subject: Subject, case: LawCase) -> int | None:
    """The size of a batch for which training mode is another map in either direction; None when it
    is the same for all."""
    for size in SIZES:
        x, cond = _batch(case, size)
        rows = torch.arange(size) % len(case.z)
        for inverse in subject.directions:
            v = case.z[rows] if inverse else x
            ours = call(subject, inverse, v, cond)
            try:
                other = call(subject.in_training(), inverse, v, cond)
            except Exception:
                return size
            if not same_pair(ours, other):
                return size
    return None


@law(
    "train-eval",
    needs=("value-by-value",),
    scope="value-independent",
    reference=(
        "the layer in evaluation mode; where it declares training='differs', or is seen "
        "to differ, itself"
    ),
)
def train_eval(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """In training mode a layer is the same map, bit by bit, at every batch size. Or it is another
    map (statistics of the batch, scales set by the first batch) that is invertible too: inverse may
    come first, inverse(forward(x)) = x, and its log_det is that of the map with the statistics of
    the batch as constants. ``training="same"`` excludes the second."""
    size = _differs(subject, case)
    if size is None:
        return
    if subject.declaration.training == "same":
        yield Violation(
            1,
            0,
            f"training='same' is declared, and training mode is another map for a batch of {size}",
        )
        return
    yield from _inverse_first(subject, case)
    yield from _same_value_other_log(subject, case, size)
    yield from _in_training(subject, case, max(size, 16))


def _inverse_first(subject: Subject, case: LawCase) -> Iterator[Violation]:
    if not subject.invertible or subject.build is None:
        return
    fresh = replace(subject, module=subject.made(SEED).train())
    try:
        call(fresh, True, case.z[:16], None if case.cond is None else case.cond[:16])
    except Exception as error:
        if not is_refusal(error):
            what = f"{type(error).__name__}: {str(error)[:200]}"
            yield Violation(
                1, 0, f"in training mode, inverse as the first call raises {what}", kind="crash"
            )


def _same_value_other_log(subject: Subject, case: LawCase, size: int) -> Iterator[Violation]:
    """The same values are the same map, so the log_det must be the same too."""
    if not subject.has_log_det:
        return
    x, cond = _batch(case, size)
    ours, other = call(subject, False, x, cond), call(subject.in_training(), False, x, cond)
    if torch.equal(ours[0], other[0]) and not torch.allclose(
        ours[1], other[1], rtol=1e-3, atol=1e-4
    ):
        at = int((ours[1] - other[1]).abs().flatten().argmax())
        said = pair(
            other[1].flatten()[at].item(), ours[1].flatten()[at].item(), "in evaluation mode"
        )
        yield Violation(
            1,
            0,
            (
                f"in training mode, for a batch of {size}, the values stay the same and log_det is "
                f"another: {said}"
            ),
        )


def _in_training(subject: Subject, case: LawCase, size: int) -> Iterator[Violation | Tally]:
    """Forward, inverse and log_det of a copy in training mode, on one batch, in float64."""
    wide = subject.float64_reference().in_training()
    x, cond = (None if v is None else v.cpu().double() for v in _batch(case, size))
    assert x is not None
    if subject.same_space:  # no two rows alike, and a mean that statistics notice
        x = (
            2 * x
            + 3
            + 0.01 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        )
    z, log_det = call(wide, False, x, cond)
    if subject.invertible:
        yield from _round_trip(wide, x, z, cond)
    if subject.has_log_det:
        yield from _log_det(wide, x, z, log_det, cond)


def _round_trip(wide: Subject, x: Tensor, z: Tensor, cond: Tensor | None) -> Iterator[Violation]:
    evaluated = replace(wide, module=wide._copied().eval())
    try:
        back = call(wide, True, z, cond)[0]
    except Exception as error:
        if is_refusal(error):
            return
        raise
    off = magnitude(wide, back - x) / (1 + magnitude(wide, x))
    if not off.nan_to_num(nan=torch.inf).max() > ROUND_TRIP:
        return
    if _mixes(wide, x, cond) and same_pair((back, back), (call(evaluated, True, z, cond)[0],) * 2):
        return  # inverse goes by the running statistics, as in evaluation
    at = int(off.nan_to_num(nan=torch.inf).argmax())
    yield Violation(
        off.flatten()[at].item(),
        ROUND_TRIP,
        f"in training mode, inverse(forward(x)) is off by {off.flatten()[at].item():.3g}",
    )


def _mixes(wide: Subject, x: Tensor, cond: Tensor | None) -> bool:
    """Whether the result of a row depends on the others: the layer uses statistics of its batch."""
    changed = torch.cat((x[:1], 1.5 * x[1:] + 0.5))
    first, second = (
        call(replace(wide, module=wide._copied()), False, v, cond)[0][:1] for v in (x, changed)
    )
    return not torch.allclose(first, second, rtol=1e-9, atol=1e-12)


def _log_det(
    wide: Subject, x: Tensor, z: Tensor, log_det: Tensor, cond: Tensor | None
) -> Iterator[Violation | Tally]:
    """Against the slope of an affine map that is fitted over the batch; where rows do not mix,
    against Jacobians."""
    expected = _affine(x, z)
    tolerance = 1e-6 + (wide.declaration.tolerance or 0.0)
    if wide.elementwise:
        log_det = log_det if log_det.ndim == 1 else log_det.flatten(1).sum(1)
    if expected is not None and log_det.shape == (len(x),):
        off = (log_det - expected).abs()
        yield Tally(len(x), len(x))
        if off.nan_to_num(nan=torch.inf).max() > (1e-3 + tolerance) * (1 + expected.abs()):
            at = int(off.argmax())
            said = pair(
                log_det[at].item(), expected.item(), "with the statistics of the batch as constants"
            )
            yield Violation(off[at].item(), 1e-3, f"in training mode, log_det: {said}")
        return
    yield from _by_row(wide, x, log_det, cond)


def _affine(x: Tensor, z: Tensor) -> Tensor | None:
    """log|det A| of z = x·A + b over the rows; None when no such map fits, or the rows do not
    determine it."""
    flat, out = x.flatten(1), z.flatten(1)
    d = flat.shape[1]
    if len(flat) < d + 2 or flat.shape != out.shape or d > 64:
        return None
    both = torch.cat((flat, torch.ones(len(flat), 1, dtype=flat.dtype)), 1)
    solved = torch.linalg.lstsq(both, out, driver="gelsd")
    if int(solved.rank) < d + 1:
        return None
    left = (both @ solved.solution - out).abs().max() / (1 + out.abs().max())
    return torch.linalg.slogdet(solved.solution[:d])[1] if left < AFFINE else None


def _by_row(
    wide: Subject, x: Tensor, log_det: Tensor, cond: Tensor | None
) -> Iterator[Violation | Tally]:
    rows = min(8, len(x))
    x, cond = x[:rows], None if cond is None else cond[:rows]
    alone = call(wide, False, x, cond)
    again = call(wide, False, x.flip(0), None if cond is None else cond.flip(0))
    if not torch.allclose(alone[0], again[0].flip(0), rtol=1e-10, atol=1e-12) or not torch.allclose(
        alone[1], log_det[:rows]
    ):
        yield Tally(0, rows)
        return
    value: Callable[[Tensor], Tensor] = lambda v: wide.forward(v, cond)[0]  # noqa: E731
    first = by_autograd(value, x)
    decided = first.error < 1e-3
    yield Tally(int(decided.sum()), rows)
    off = torch.where(decided, (alone[1] - first.value).abs(), torch.zeros_like(first.value))
    if off.nan_to_num(nan=torch.inf).max() > 1e-3 + unit_roundoff(torch.float32) * x[:1].numel():
        at = int(off.argmax())
        some = None if cond is None else cond[at : at + 1]

        def one(v: Tensor, some: Tensor | None = some) -> Tensor:
            return wide.forward(v, None if some is None else some.expand(len(v), *some.shape[1:]))[
                0
            ]

        second = by_differences(one, x[at : at + 1])
        if (second.value - first.value[at]).abs() < 1e-3 and second.error < 1e-2:
            said = pair(alone[1][at].item(), second.value.item(), "by differences of values")
            yield Violation(off[at].item(), 1e-3, f"in training mode, log_det: {said}", row=at)
