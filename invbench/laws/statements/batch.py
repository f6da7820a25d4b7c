"""Laws of rows, elements and layouts: the same numbers give the same result however they are put
together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.conditioning import FIRST, Effort, magnitude, unit_roundoff
from invbench.laws.judging.reference import jacobian
from invbench.laws.judging.verdict import per_row, rounding_violations
from invbench.laws.law import Tally, Violation, law
from invbench.laws.space import is_real
from invbench.laws.statements.conduct import DIRECTIONS, same_bits
from invbench.laws.subject import Subject

POISONS = (torch.nan, 1e30)
SIZES = (1, 2, 7)
LARGE = 1031  # rows of a batch that may take a path of its own


def differs(
    case: LawCase, inverse: bool, got: tuple[Tensor, Tensor], what: str, kept: Tensor | None = None
) -> Iterator[Violation | Tally]:
    """``got`` against the plain call, or against its rows ``kept``. The units are of the whole
    case, since a layer that is under suspicion of mixing rows gives others for some rows."""
    subject = case.subject
    u = unit_roundoff(subject.dtype)
    rows = torch.arange(case.x.shape[0]) if kept is None else kept
    value, log_det = (v[rows] for v in case.ours(inverse))
    # where the plain call is finite, this must be
    valid = per_row(value.isfinite(), subject.elementwise).cpu()
    error = magnitude(subject, (got[0] - value).cpu().double())

    def unit(some: Tensor, effort: Effort) -> Tensor:
        tolerated = case.tolerated(inverse)
        whole = u * case.scale(inverse, together=False, effort=effort) + tolerated
        return whole[rows][some]

    def log_unit(some: Tensor, effort: Effort) -> Tensor:
        return case.log_unit(inverse, together=False, effort=effort)[rows][some]

    yield from rounding_violations(error, unit, valid, what, least=u, latent=inverse)
    if not subject.has_log_det:
        return
    error = (got[1] - log_det).cpu().double().abs()
    valid = log_det.isfinite().cpu()
    yield from rounding_violations(
        error, log_unit, valid, f"log_det of {what}", least=u, latent=inverse
    )
    if not torch.equal(value.isnan(), got[0].isnan()):
        yield Violation(1, 0, f"{what} has NaN elsewhere")


def _as_plain(
    case: LawCase, what: str, ways: Callable[[Tensor], Tensor], cond: Tensor | None
) -> Iterator[Violation | Tally]:
    """Another way to hand over the same numbers."""
    for inverse in case.subject.directions:
        with torch.no_grad():
            got = case.subject.direction(inverse)(ways(case.inputs(inverse)), cond)
        yield from differs(case, inverse, got, f"{DIRECTIONS[inverse]} of {what}")


@law(
    "row-independence",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch without the poisoned row, within 30 rounding units",
)
def row_independence(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Row i of the result depends on row i alone: with another row set to NaN or 1e30 (or, in a
    space with edges, to another value), the rest moves by at most 30 rounding units (a matrix
    product may round differently)."""
    if case.x.shape[0] < 3:
        return
    rest = torch.arange(1, case.x.shape[0])
    for inverse in subject.directions:
        v = case.inputs(inverse)
        free = (
            is_real(subject.space(inverse))
            and not subject.image
            and subject.declaration.tolerance is None
        )
        poisons = (
            POISONS if free else (None,)
        )  # an iteration may stop when the batch has converged, which NaN never does
        for poison in poisons:
            poisoned = v.clone()
            if poison is None:
                poisoned[0] = v[1:].flip(0)[0]
            else:
                poisoned[0] = (
                    min(poison, torch.finfo(subject.dtype).max / 8) if poison == poison else poison
                )
            got = _beside(subject, inverse, poisoned, v, case.cond)
            what = (
                f"{DIRECTIONS[inverse]} beside a row of "
                f"{'other values' if poison is None else format(poison, 'g')}"
            )
            found = list(differs(case, inverse, (got[0][rest], got[1][rest]), what, rest))
            yield from found
            if any(isinstance(f, Violation) for f in found):
                break


def _beside(
    subject: Subject, inverse: bool, poisoned: Tensor, v: Tensor, cond: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The result beside a poisoned row; beside another one where the layer refuses such numbers,
    which it may."""
    with torch.no_grad():
        try:
            return subject.direction(inverse)(poisoned, cond)
        except Exception:
            poisoned[0] = v[1:].flip(0)[0]
            return subject.direction(inverse)(poisoned, cond)


def _others_unit(case: LawCase, inverse: bool, rows: Tensor, effort: Effort = FIRST) -> Tensor:
    return case.unit(inverse)(rows, effort)[:, 1:]


def _others_log_unit(case: LawCase, inverse: bool, rows: Tensor, effort: Effort = FIRST) -> Tensor:
    return case.log_unit(inverse, effort=effort)[rows, None].expand(-1, case.x.shape[1] - 1)


@law(
    "element-independence",
    needs=("elementwise",),
    scope="value-independent",
    reference="the call without NaN, within 30 rounding units",
)
def element_independence(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A coupling is elementwise: with element 0 of every row set to NaN, and its parameters too,
    all others keep their value and slope, within 30 rounding units."""
    assert case.cond is not None
    poison = torch.nan if subject.declaration.tolerance is None else 0.25
    cond = case.cond.clone()
    cond[..., 0] = poison
    for inverse in subject.directions:
        x = case.inputs(inverse).clone()
        x[:, 0] = poison
        with torch.no_grad():
            got = subject.log_slopes(x, cond, inverse)
        units = (partial(_others_unit, case, inverse), partial(_others_log_unit, case, inverse))
        for a, b, unit, what in zip(
            case.slopes(inverse), got, units, ("value", "log-slope"), strict=True
        ):
            error = (b - a)[:, 1:].cpu().double().abs()
            valid = a[:, 1:].isfinite().cpu()
            what = f"{DIRECTIONS[inverse]} ({what}) beside NaN"
            yield from rounding_violations(
                error, unit, valid, what, least=unit_roundoff(subject.dtype)
            )


@law(
    "batch-permutation",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch as it was, within 30 rounding units",
)
def batch_permutation(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """f(x[π]) = f(x)[π]: rows in another order give the same rows, within 30 rounding units."""
    order = torch.randperm(case.x.shape[0], generator=torch.Generator().manual_seed(0))
    turned = case.part(order)
    for inverse in subject.directions:
        yield from differs(
            case, inverse, turned.ours(inverse), f"{DIRECTIONS[inverse]} of permuted rows", order
        )


@law(
    "batch-size",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the batch as it was, within 30 rounding units",
)
def batch_size(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A row alone, among 2 or 7, or among 1031 gives what it gives in the case's batch, within 30
    rounding units."""
    n = case.x.shape[0]
    for size in SIZES:
        rows = torch.arange(min(size, n))
        some = case.part(rows)
        for inverse in subject.directions:
            what = f"{DIRECTIONS[inverse]} of a batch of {size}"
            yield from differs(case, inverse, some.ours(inverse), what, rows)
    if case.x[:1].numel() * LARGE <= 2**20 and not subject.slow:
        many = case.part(torch.arange(LARGE) % n)
        for inverse in subject.directions:
            got = many.ours(inverse)
            yield from differs(
                case,
                inverse,
                (got[0][:n], got[1][:n]),
                f"{DIRECTIONS[inverse]} of a batch of {LARGE}",
            )


def _turned(v: Tensor) -> Tensor:
    return v.transpose(0, -1).contiguous().transpose(0, -1)


def _gapped(v: Tensor) -> Tensor:
    """Every other number of a tensor twice as long in its last dimension."""
    return v.repeat_interleave(2, dim=-1)[..., ::2]


LAYOUTS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
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
    inputs and conditions give what contiguous ones give, within 30 rounding units."""
    cond = case.cond
    for what, way in LAYOUTS:
        yield from _as_plain(case, what, way, cond)
        if cond is not None:
            yield from _as_plain(case, what.replace("input", "condition"), lambda v: v, way(cond))
    for inverse in subject.directions:
        v = case.inputs(inverse)
        if (form := FORMATS.get(v.ndim)) is not None:
            with torch.no_grad():
                got = subject.direction(inverse)(v.contiguous(memory_format=form), cond)
            yield from differs(
                case, inverse, got, f"{DIRECTIONS[inverse]} of a channels-last input"
            )
    if cond is not None and (form := FORMATS.get(cond.ndim)) is not None:
        yield from _as_plain(
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
    """One condition expanded over the batch (stride 0), and one whose rows overlap in memory, give
    what their copies give, within 30 rounding units."""
    assert case.cond is not None
    rows, tail = case.x.shape[0], [1] * (case.cond.ndim - 1)
    copies = LawCase(subject, case.recipe, case.x, case.cond[:1].repeat(rows, *tail), case.z)
    yield from _as_plain(
        copies, "an expanded condition", lambda v: v, case.cond[:1].expand_as(case.cond)
    )
    if subject.declaration.condition is not None or subject.packed(False).several:
        return
    long = case.cond.flatten()[: rows + case.cond[0].numel()].contiguous()
    if len(long) >= rows - 1 + case.cond[0].numel() and case.cond.ndim == 2:
        overlapping = long.as_strided((rows, case.cond.shape[1]), (1, 1))
        plain = LawCase(subject, case.recipe, case.x, overlapping.clone(), case.z)
        yield from _as_plain(plain, "a condition whose rows overlap", lambda v: v, overlapping)


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
        if not same_bits(case.ours(inverse)[0][:, channels], case.inputs(inverse)[:, channels]):
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
    """With its elements in the declared ``order``, the Jacobian is lower triangular: entries above
    the diagonal are 0 exactly (autograd, float64), or the log_det that sums the diagonal is not the
    determinant."""
    order = list(subject.declaration.order or ())
    for inverse in subject.directions:
        wide, conds = case.wide(inverse)
        x, cond = wide[:16], None if conds is None else conds[:16]
        reference, name = subject.float64_reference(), DIRECTIONS[inverse]
        direction = reference.direction(inverse)
        found = jacobian(partial(_value, direction, cond), x)[:, order][:, :, order]
        above = found.triu(1).abs().amax().item() if found.numel() else 0.0
        if above > 0:
            yield Violation(
                above, 0.0, f"{name}: an entry of the Jacobian above the diagonal is {above:.3g}"
            )


def _value(
    direction: Callable[..., tuple[Tensor, Tensor]], cond: Tensor | None, x: Tensor
) -> Tensor:
    return direction(x, cond)[0]
