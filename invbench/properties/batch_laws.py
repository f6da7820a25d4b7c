"""Laws of rows, elements and layouts: the same numbers give the same result however they are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.conditioning import magnitude, unit_roundoff
from invbench.properties.conduct_laws import DIRECTIONS, same_bits
from invbench.properties.law import Violation, law
from invbench.properties.log_det_laws import jacobian
from invbench.properties.subject import Subject
from invbench.properties.verdict import beyond_rounding, per_row

POISONS = (torch.nan, 1e30)
SIZES = (1, 2, 7)


def _differs(
    case: Case, inverse: bool, got: tuple[Tensor, Tensor], what: str, kept: Tensor | None = None
) -> Iterator[Violation]:
    """``got`` against the plain call, or against its rows ``kept``. The units are of the whole case, since a layer that is under
    suspicion of mixing rows gives others for some rows."""
    u = unit_roundoff(case.subject.dtype)
    rows = torch.arange(case.x.shape[0]) if kept is None else kept
    value, log_det = (v[rows] for v in case.ours(inverse))
    valid = per_row(value.isfinite(), case.subject.elementwise).cpu()  # where the plain call is finite, this must be
    error = magnitude(case.subject, (got[0] - value).cpu().double())
    yield from beyond_rounding(error, lambda r: u * case.scale(inverse, together=False)[rows][r], valid, what, least=u)
    error = (got[1] - log_det).cpu().double().abs()
    valid = log_det.isfinite().cpu()
    what_log = f"log_det of {what}"
    yield from beyond_rounding(
        error, lambda r: case.log_unit(inverse, together=False)[rows][r], valid, what_log, least=u
    )
    if not torch.equal(value.isnan(), got[0].isnan()):
        yield Violation(1, 0, f"{what} has NaN elsewhere")


def _as_plain(case: Case, what: str, x: Tensor, cond: Tensor | None) -> Iterator[Violation]:
    """Another way to hand over the same numbers."""
    for inverse, name in enumerate(DIRECTIONS):
        with torch.no_grad():
            got = getattr(case.subject, name)(x, cond)
        yield from _differs(case, bool(inverse), got, f"{name} of {what}")


@law("row-independence", scope="few")
def row_independence(subject: Subject, case: Case) -> Iterator[Violation]:
    """Row i of the result depends on row i alone: with another row set to NaN or 1e30, the rest moves by at most 30 rounding
    units (a matrix product may round differently)."""
    if case.x.shape[0] < 2:
        return
    rest = torch.arange(1, case.x.shape[0])
    for inverse, name in enumerate(DIRECTIONS):
        for poison in POISONS:
            poisoned = case.x.clone()
            poisoned[0] = min(poison, torch.finfo(subject.dtype).max / 8) if poison == poison else poison
            with torch.no_grad():
                got = getattr(subject, name)(poisoned, case.cond)
            what = f"{name} beside a row of {poison:g}"
            found = list(_differs(case, bool(inverse), (got[0][rest], got[1][rest]), what, rest))
            yield from found
            if found:
                break


def _others_unit(case: Case, inverse: bool, rows: Tensor) -> Tensor:
    return case.unit(inverse)(rows)[:, 1:]


def _others_log_unit(case: Case, inverse: bool, rows: Tensor) -> Tensor:
    return case.log_unit(inverse)[rows, None].expand(-1, case.x.shape[1] - 1)


@law("element-independence", needs=("elementwise",), scope="few")
def element_independence(subject: Subject, case: Case) -> Iterator[Violation]:
    """A coupling is elementwise: with element 0 of every row set to NaN, and its parameters too, all others keep their value and slope,
    within 30 rounding units."""
    assert case.cond is not None
    x, cond = case.x.clone(), case.cond.clone()
    x[:, 0], cond[..., 0] = torch.nan, torch.nan
    for inverse in (False, True):
        with torch.no_grad():
            got = subject.log_slopes(x, cond, inverse)
        units = (partial(_others_unit, case, inverse), partial(_others_log_unit, case, inverse))
        for a, b, unit, what in zip(case.slopes(inverse), got, units, ("value", "log-slope"), strict=True):
            error = (b - a)[:, 1:].cpu().double().abs()
            valid = a[:, 1:].isfinite().cpu()
            what = f"{DIRECTIONS[inverse]} ({what}) beside NaN"
            yield from beyond_rounding(error, unit, valid, what, least=unit_roundoff(subject.dtype))


@law("batch-permutation", scope="few")
def batch_permutation(subject: Subject, case: Case) -> Iterator[Violation]:
    """f(x[π]) = f(x)[π]: rows in another order give the same rows, within 30 rounding units."""
    order = torch.randperm(case.x.shape[0], generator=torch.Generator().manual_seed(0))
    turned = case.part(order)
    for inverse in (False, True):
        yield from _differs(case, inverse, turned.ours(inverse), f"{DIRECTIONS[inverse]} of permuted rows", order)


@law("batch-size", scope="few")
def batch_size(subject: Subject, case: Case) -> Iterator[Violation]:
    """A row alone, or among 2 or 7, gives what it gives in a large batch, within 30 rounding units."""
    for size in SIZES:
        rows = torch.arange(min(size, case.x.shape[0]))
        some = case.part(rows)
        for inverse in (False, True):
            what = f"{DIRECTIONS[inverse]} of a batch of {size}"
            yield from _differs(case, inverse, some.ours(inverse), what, rows)


@law("layout", scope="few")
def layout(subject: Subject, case: Case) -> Iterator[Violation]:
    """Strided, transposed, expanded and (for images) channels-last inputs give what contiguous ones give, within 30 rounding
    units."""
    x, cond = case.x, case.cond
    turned = x.transpose(0, -1).contiguous().transpose(0, -1)
    ways = [("a strided input", x.repeat_interleave(2, dim=0)[::2], cond), ("a transposed input", turned, cond)]
    if cond is not None:
        ways.append(("a transposed condition", x, cond.transpose(0, -1).contiguous().transpose(0, -1)))
    if x.ndim == 4:
        ways.append(("a channels-last input", x.contiguous(memory_format=torch.channels_last), cond))
    for what, v, c in ways:
        yield from _as_plain(case, what, v, c)
    one = Case(subject, case.recipe, x[:1].repeat(5, *[1] * (x.ndim - 1)), None if cond is None else cond[:5])
    yield from _as_plain(one, "an expanded input", x[:1].expand(one.x.shape), one.cond)


@law("rank", needs=("elementwise",), scope="few")
def rank(subject: Subject, case: Case) -> Iterator[Violation]:
    """A coupling gives the same values and slopes for x of rank 1, 2, 3 and 4, within 30 rounding units."""
    assert case.cond is not None
    params = case.cond.movedim(1, 0)
    for inverse, name in enumerate(DIRECTIONS):
        for size in ((-1,), (case.x.shape[0], 2, 3), (case.x.shape[0], 1, 2, 3)):
            with torch.no_grad():
                got, log = getattr(subject.module, name)(case.x.reshape(size), params.reshape(params.shape[0], *size))
            pair = got.reshape_as(case.x), log.reshape_as(case.x).sum(1)
            yield from _differs(case, bool(inverse), pair, f"{name} at rank {len(size)}")


@law("condition-broadcast", needs=("condition",), scope="few")
def condition_broadcast(subject: Subject, case: Case) -> Iterator[Violation]:
    """One condition expanded over the batch (stride 0) gives what its copies give, within 30 rounding units."""
    assert case.cond is not None
    copies = Case(subject, case.recipe, case.x, case.cond[:1].repeat(case.x.shape[0], *[1] * (case.cond.ndim - 1)))
    yield from _as_plain(copies, "an expanded condition", case.x, case.cond[:1].expand_as(case.cond))


@law("untouched", needs=("untouched",), scope="few")
def untouched(subject: Subject, case: Case) -> Iterator[Violation]:
    """The channels that a layer declares ``untouched`` pass through bit by bit, in both directions."""
    channels = list(subject.declared["untouched"])
    for inverse in (False, True):
        if not same_bits(case.ours(inverse)[0][:, channels], case.x[:, channels]):
            yield Violation(1, 0, f"{DIRECTIONS[inverse]} changes a channel that is declared untouched")


@law("triangular", needs=("order",), scope="few")
def triangular(subject: Subject, case: Case) -> Iterator[Violation]:
    """With its elements in the declared ``order``, the Jacobian is lower triangular: entries above the diagonal are 0 exactly (autograd,
    float64), or the log_det that sums the diagonal is not the determinant."""
    x, cond = case.double()
    x, cond = x[:16], None if cond is None else cond[:16]
    order = list(subject.declared["order"])
    for inverse, name in enumerate(DIRECTIONS):
        twin = subject.twin()
        direction = twin.inverse if inverse else twin.forward
        found = jacobian(partial(_value, direction, cond), x)[:, order][:, :, order]
        above = found.triu(1).abs().amax().item() if found.numel() else 0.0
        if above > 0:
            yield Violation(above, 0.0, f"{name}: an entry of the Jacobian above the diagonal is {above:.3g}")


def _value(direction: Callable[..., tuple[Tensor, Tensor]], cond: Tensor | None, x: Tensor) -> Tensor:
    return direction(x, cond)[0]
