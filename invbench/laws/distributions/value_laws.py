"""Laws of values: shapes, dtypes, finiteness, and log_prob as a function of its row alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from invbench.laws.distributions.case import FIT, FRESH, DistributionCase, Place
from invbench.laws.distributions.forms import attempt
from invbench.laws.distributions.law import Decided, Finding, Undecided, law
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.law import Violation
from invbench.laws.support import discrete

__all__ = ["ESTIMATE", "is_estimate", "nudged", "numbers"]

# a value so many floats further inside decides whether only rounding put it on the edge
NUDGES = 16
ROWS = 64


def _shape(value: Any) -> str:
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"


@law("log-prob-shape", first=True)
def log_prob_shape(case: DistributionCase) -> Iterator[Finding]:
    """sample gives sample_shape + batch_shape + event_shape, log_prob of it sample_shape +
    batch_shape, for one row and for several; a torch Distribution for sample shapes (), (3,) and
    (2, 3). Reference: the contract of torch.distributions and the declared event_shape, exact.
    """
    subject, cond = case.subject, case.conditions[0]
    batch, event = subject.batch_shape, subject.event_shape
    for n in (1, 5):
        lead = {"n": (n,), "1n": (1, n), "n1": (n, 1)}[subject.lead]
        raw = subject.raw_sample(n, cond)
        value = raw[0] if isinstance(raw, (tuple, list)) and len(raw) > 1 else raw
        if not isinstance(value, Tensor) or tuple(value.shape) != (*lead, *batch, *event):
            right = (*lead, *batch, *event)
            yield Violation(
                math.inf, 0.0, f"sample of {n} rows is {_shape(value)}; {right} is right"
            )
            return
        yield from _density_shape(case, case.proper(case.places[0], FIT, n), (n, *batch))
    yield Decided(2)
    if isinstance(subject.given(cond), Distribution):
        yield from _sample_shapes(case)


def _sample_shapes(case: DistributionCase) -> Iterator[Finding]:
    """The sample shapes of torch.distributions, under a condition without batch where there is
    one."""
    subject, cond = case.subject, case.conditions[0]
    given: Any = attempt(lambda: subject.given(None if cond is None else cond[0]))[0]
    if given is None or (cond is not None and attempt(lambda: given.sample())[1]):
        return  # its network wants a batch of conditions
    batch = tuple(given.batch_shape)
    for sample_shape in ((), (3,), (2, 3)):
        right = (*sample_shape, *batch, *given.event_shape)
        value = given.sample(torch.Size(sample_shape))
        if _shape(value) != str(right):
            yield Violation(
                math.inf, 0.0, f"sample({sample_shape}) is {_shape(value)}; {right} is right"
            )
            continue
        # the values are others', inside the support, of that shape
        rows = case.proper(case.places[0], FIT, math.prod(sample_shape))
        if rows.numel() == value.numel():
            value = rows.reshape(value.shape)
        log_prob = given.log_prob(value)
        if _shape(log_prob) != str((*sample_shape, *batch)):
            what = (
                f"log_prob of a sample of shape {sample_shape} is {_shape(log_prob)}; "
                f"{(*sample_shape, *batch)} is right"
            )
            yield Violation(math.inf, 0.0, what)
    yield Decided(3)


def _density_shape(
    case: DistributionCase, x: Tensor, right: tuple[int, ...]
) -> Iterator[Violation]:
    log_prob = case.subject.log_prob(x, case.conditions[0])
    if _shape(log_prob) != str(right):
        yield Violation(
            math.inf, 0.0, f"log_prob of {_shape(x)} is {_shape(log_prob)}; {right} is right"
        )


@law("dtype-kept", category="capability")
def dtype_kept(case: DistributionCase) -> Iterator[Finding]:
    """sample keeps the dtype of the parameters, and log_prob that of its input. Reference: the
    dtype that the object was put into, exact. Tensors in the closure of a function cannot be put
    into it, so this never counts against the code."""
    subject, place = case.subject, case.places[0]
    if discrete(subject.support(place.cond)):
        yield Undecided("discrete: samples are counts")
        return
    x = case.proper(place, FIT, ROWS)
    log_prob = subject.log_prob(x.to(subject.dtype), place.cond)
    for what, dtype in (("sample", x.dtype), ("log_prob", log_prob.dtype)):
        if dtype != subject.dtype:
            yield Violation(
                math.inf, 0.0, f"{what} is {dtype}; the parameters and inputs are {subject.dtype}"
            )
    yield Decided(2)


@law("log-prob-finite")
def log_prob_finite(case: DistributionCase) -> Iterator[Finding]:
    """log_prob is finite at its own samples. Reference: p(x) > 0 almost surely for x ~ p, exact. A
    sample on the edge of what the dtype can hold is the dtype's doing, and then
    ``ill-conditioned``: 16 floats further inside log_prob is finite, or the float64 sample is
    finite where this one is not."""
    for place in {p.index: p for p in case.places}.values():
        x = case.drawn(place, FIT)[0].to(case.subject.dtype)
        log_prob = case.log_prob_or_nan(x, place.cond)
        bad = ~log_prob.reshape(len(x), -1).isfinite().all(1)
        yield Decided(len(x))
        rows = bad.nonzero()[:, 0][:ROWS].to(x.device)
        if not len(rows):
            continue
        left = rows[~_rescued(case, place, x, rows)]
        kind = "defect" if len(left) else "ill-conditioned"
        row = int((left if len(left) else rows)[0])
        value = log_prob.reshape(len(x), -1)[row].tolist()[0]
        message = (
            f"log_prob is {value:g}, or refused, at {int(bad.sum())} of {len(x)} of its "
            f"own samples, as at {numbers(x[row])}"
        )
        yield Violation(bad.double().mean().item(), 0.0, message, kind, row)


def _rescued(case: DistributionCase, place: Place, x: Tensor, rows: Tensor) -> Tensor:
    """The rows among these that only rounding has spoilt."""
    finite = x[rows].isfinite().reshape(len(rows), -1).all(1)
    moved = nudged(x[rows], x)
    rescued = (
        case.log_prob_or_nan(moved, place.cond)
        .reshape(len(rows), -1)
        .isfinite()
        .all(1)
        .to(x.device)
    )
    if (
        not finite.all()
        and case.subject.float64_reference is not case.subject
        and case.subject.float64_reference is not None
    ):
        wide = case.drawn(place, FIT, exact=True)[0]
        rescued |= ~finite & bool(wide.isfinite().all())
    return rescued


def nudged(x: Tensor, sample: Tensor) -> Tensor:
    """x moved by 16 floats towards the median of the sample."""
    centre = sample.median(0, keepdim=True).values.expand_as(x).nan_to_num()
    for _ in range(NUDGES):
        x = torch.nextafter(x, centre)
    return x


def numbers(x: Tensor) -> str:
    values = x.flatten().tolist()
    return "[" + ", ".join(f"{v:.9g}" for v in values[:8]) + (", …]" if len(values) > 8 else "]")


@law("log-prob-deterministic")
def log_prob_deterministic(case: DistributionCase) -> Iterator[Finding]:
    """log_prob of the same rows is the same twice, within rounding. Reference: itself. A log_prob
    that draws random numbers is an estimate, which laws of value do not judge. Error: 100 u (1 +
    |log p|)."""
    place = case.places[0]
    x = case.proper(place, FIT, ROWS)
    estimate, off = is_estimate(case), _change(case, place, x)
    if estimate:
        yield Undecided(ESTIMATE)
        return
    yield Decided(len(x))
    if off > 1:
        first, second = (case.log_prob(x, place.cond).flatten()[0].item() for _ in range(2))
        yield Violation(
            off,
            1.0,
            (
                f"the same rows give another log_prob at the next call, as {first:.9g} and "
                f"{second:.9g}"
            ),
        )


ESTIMATE = "log_prob draws random numbers: an estimate"


def _change(case: DistributionCase, place: Place, x: Tensor) -> float:
    """How far two calls differ, in units of the allowance."""
    first, second = case.log_prob_or_nan(x, place.cond), case.log_prob_or_nan(x, place.cond)
    allowed = 100 * torch.finfo(case.subject.dtype).eps * (1 + first.abs())
    return ((first - second).abs() / allowed).nan_to_num(nan=0.0).max().item()


def is_estimate(case: DistributionCase) -> bool:
    """Whether log_prob consumes torch's random numbers and depends on them."""

    def compute() -> bool:
        place = case.places[0]
        x = case.proper(place, FIT, ROWS)
        if _change(case, place, x) <= 1:
            return False
        before = torch.get_rng_state()
        case.log_prob(x, place.cond)
        return not torch.equal(before, torch.get_rng_state()) or case.subject.device != "cpu"

    return case.once("estimate", compute)


@law("row-independence")
def row_independence(case: DistributionCase) -> Iterator[Finding]:
    """log_prob of a row depends on that row alone: other rows beside it, or none, change nothing.
    Reference: itself, in float32 and in float64, which must both disagree. Error: 10⁻⁴ (1 + |log
    p|) and four times the effect of a change of x by 16 u."""
    if is_estimate(case):
        raise NotDecided(ESTIMATE)
    place = case.places[0]
    x, other = (case.proper(place, stream, ROWS) for stream in (FIT, FRESH))
    even = torch.arange(0, ROWS, 2)
    u = torch.finfo(case.subject.dtype).eps / 2
    worst: list[tuple[float, str]] = []
    for exact in (False, True) if case.subject.float64_reference is not None else (False,):
        mixed = other.clone()
        mixed[even] = x[even]
        spread = case.spread(x, place.cond, 16 * u)
        whole = case.log_prob_or_nan(x, place.cond, exact)
        allowed = 1e-4 * (1 + whole.abs()) + (4 * spread if spread is not None else 0)
        beside = case.log_prob_or_nan(mixed, place.cond, exact)
        alone = torch.cat(
            [
                case.log_prob_or_nan(x[k : k + 1], place.cond, exact).reshape(1, *whole.shape[1:])
                for k in even[:4]
            ]
        )
        changes = [
            (((beside - whole)[even].abs() / allowed[even]), "with other rows beside it"),
            (((alone - whole[even[:4]]).abs() / allowed[even[:4]]), "alone"),
        ]
        ratios = [(v.nan_to_num(nan=0.0).max().item(), what) for v, what in changes]
        worst.append(max(ratios))
    yield Decided(len(even) + 4)
    value, what = min(worst)
    if value > 1:
        yield Violation(
            value,
            1.0,
            f"log_prob of a row changes {what}, {value:.3g} times what rounding explains",
        )
