"""Laws in distribution, for layers that draw random numbers and for log-determinants that are
estimates. Each errs at a rate of 1e-6."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judging.reference import by_autograd
from invbench.laws.law import Tally, Violation, law
from invbench.laws.statements.comparison import call
from invbench.laws.subject import Subject

DRAWS, CALLS, ROWS = 400, 192, 8
ERROR_RATE = 1e-6
STANDARD_ERRORS = 6.0  # two-sided, 2e-9 a row
BIAS = 1e-2  # of a truncated series


def _random_direction(subject: Subject, case: LawCase) -> bool | None:
    """False where forward draws, True where inverse does; None where neither."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        first, second = (call(subject, inverse, v, case.cond)[0] for _ in range(2))
        if not torch.equal(first, second):
            return inverse
    return None


@law(
    "draws-agree",
    needs=("stochastic",),
    scope="value-independent",
    reference="other draws of the same layer; Kolmogorov and Smirnov, error rate 1e-6",
)
def draws_agree(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A random direction has one distribution: for every row of a batch of equal rows, and for the
    first and the second call. Rows do not share their noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inverse = _random_direction(subject, case)
        if inverse is None:
            yield Tally(0, len(case.x))
            return
        v = case.inputs(inverse)[:1].expand(DRAWS, *case.inputs(inverse).shape[1:]).contiguous()
        cond = (
            None
            if case.cond is None
            else case.cond[:1].expand(DRAWS, *case.cond.shape[1:]).contiguous()
        )
        first, second = (call(subject, inverse, v, cond)[0].flatten(1).double() for _ in range(2))
    yield Tally(DRAWS, DRAWS)
    name = "inverse" if inverse else "forward"
    varies = first.std(0) > 0
    if not varies.any() and bool((first != second).any()):
        yield Violation(1, 0, f"every row of one call of {name} has the same noise")
        return
    half = DRAWS // 2
    for what, a, b in (
        ("two calls", first, second),
        ("the two halves of a batch", first[:half], first[half:]),
    ):
        worst = max(
            (_kolmogorov(a[:, k], b[:, k]) for k in varies.nonzero()[:16, 0].tolist()), default=0.0
        )
        bound = math.sqrt(-math.log(ERROR_RATE / 32) / 2 * (len(a) + len(b)) / (len(a) * len(b)))
        if worst > bound:
            yield Violation(
                worst,
                bound,
                f"{what} of {name} differ in distribution: Kolmogorov distance {worst:.3g}",
            )
            return


def _kolmogorov(a: Tensor, b: Tensor) -> float:
    both = torch.cat((a, b)).sort().values
    counts = [
        torch.searchsorted(s.sort().values.contiguous(), both, right=True) / len(s) for s in (a, b)
    ]
    return (counts[0] - counts[1]).abs().max().item()


@law(
    "estimate",
    needs=("estimate", "deterministic", "layer"),
    scope="value-independent",
    reference=(
        "log|det J| by autograd; the mean of 192 calls, six standard errors and 1 % for a "
        "truncated series"
    ),
)
def estimate(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A log_det that is an estimate is right in the mean: over 192 calls within six standard
    errors, 1 % relative and the error of the reference. One that never changes is no estimate, and
    must be that of the map to 5 %."""
    reference = subject.float64_reference()
    x, cond = case.float64_inputs(False)
    x, cond = x[:ROWS], None if cond is None else cond[:ROWS]
    first = by_autograd(lambda v: reference.forward(v, cond)[0], x, neighbours=1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        logs = torch.stack([reference.forward(x, cond)[1] for _ in range(CALLS)])
    error = logs.std(0) / CALLS**0.5
    decided = (first.error < BIAS) & error.isfinite()
    yield Tally(int(decided.sum()), len(x))
    off = (logs.mean(0) - first.value).abs()
    allowed = STANDARD_ERRORS * error + BIAS * (1 + first.value.abs()) + first.error
    ratio = torch.where(decided, off / allowed, torch.zeros_like(off))
    if int((ratio > 1).sum()) >= min(2, len(x)):
        at = int(ratio.argmax())
        mean, right = logs.mean(0)[at].item(), first.value[at].item()
        yield Violation(
            ratio[at].item(),
            1.0,
            f"log_det is {mean:.6g} in the mean of {CALLS} calls, by autograd {right:.6g}",
            row=at,
        )
