"""Laws of conditions and of batches: a condition has an effect, on its own rows only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from invbench.laws.distributions.case import FIT, FRESH, DistributionCase
from invbench.laws.distributions.distribution import DistributionSubject
from invbench.laws.distributions.law import Decided, Finding, Undecided, law
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.value_laws import ESTIMATE, is_estimate
from invbench.laws.judging.recast import modules_of, recast
from invbench.laws.law import Violation

__all__: list[str] = []

ROWS, SAMPLES = 16, 512


@law("condition-reaches", needs=lambda s: s.cond_shape is not None)
def condition_reaches(case: DistributionCase) -> Iterator[Finding]:
    """Another condition gives another log_prob of the same rows, and other samples from the same
    random numbers: one of three pairs of conditions must. Reference: bit for bit equality, exact.
    Weights that start at zero may hide a condition, so it is checked again with noise on the
    weights; only what ignores the condition then too is a violation."""
    if case.subject.cond_shape is None:
        yield Undecided("no condition is declared")
        return
    missed = _unreached(case.subject, case)
    if missed:
        shaken = _randomized(case.subject, case.seed)
        missed = [
            m for m in missed if m in (_unreached(shaken, case) if shaken is not None else missed)
        ]
    yield Decided(2)
    for what in missed:
        yield Violation(
            1.0,
            0.0,
            (
                f"{what} is the same, bit by bit, under four conditions of shape "
                f"{case.subject.cond_shape}"
            ),
        )


def _unreached(subject: DistributionSubject, case: DistributionCase) -> list[str]:
    conditions = [subject.condition(100 + k) for k in range(4)]
    x = case.proper(case.places[0], FIT, ROWS).to(subject.dtype)
    results: dict[str, list[Tensor]] = {"log_prob": [], "sample": []}
    for cond in conditions:
        torch.manual_seed(case.seed)
        results["log_prob"].append(subject.log_prob(x, cond))
        torch.manual_seed(case.seed)
        results["sample"].append(subject.sample(ROWS, cond)[0])
    return [
        what
        for what, (first, *others) in results.items()
        if all(torch.equal(first, o) for o in others)
    ]


def _randomized(subject: DistributionSubject, seed: int) -> DistributionSubject | None:
    """A copy with noise on every weight; None when it has no weights or does not compute with
    them."""
    obj = recast(subject.obj, subject.dtype, subject.device)
    free = {id(p): p for m in modules_of(obj) for p in m.parameters() if p.is_floating_point()}
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in free.values():
            fan_in = p[0].numel() if p.ndim > 1 else p.numel()
            p.add_((0.3 * torch.randn(p.shape, generator=generator) / max(1, fan_in) ** 0.5).to(p))
    if not free or not isinstance(next(iter(free.values())), nn.Parameter):
        return None
    return replace(subject, obj=obj)


@law("base-shapes", needs=lambda s: s.cond_shape is not None or bool(s.batch_shape))
def base_shapes(case: DistributionCase) -> Iterator[Finding]:
    """Row i of log_prob(x, c) is that of x_i under c_i alone; an element of a batch does not depend
    on the others; samples under each of two conditions are likelier under their own. References:
    the call for one row, error 10⁻⁴ (1 + |log p|) and four times the effect of a change of x by 16
    u; Gibbs' inequality E_p[log p − log q] ≥ 0, a mean with 6 standard errors."""
    subject = case.subject
    if is_estimate(case):
        raise NotDecided(ESTIMATE)
    if subject.cond_shape is None and not subject.batch_shape:
        yield Undecided("neither a condition nor a batch shape")
        return
    if subject.cond_shape is not None:
        yield from _rows_with_conditions(case)
        yield from _own_condition(case)
    if subject.batch_shape:
        yield from _elements(case)


def _allowed(case: DistributionCase, x: Tensor, cond: Tensor | None, right: Tensor) -> Tensor:
    spread = case.spread(x, cond, 8 * torch.finfo(case.subject.dtype).eps)
    return 1e-4 * (1 + right.abs()) + (4 * spread if spread is not None else 0)


def _rows_with_conditions(case: DistributionCase) -> Iterator[Finding]:
    conditions = [c for k in range(ROWS) if (c := case.subject.condition(k)) is not None]
    rows = torch.cat(conditions)
    x = case.proper(case.places[0], FIT, ROWS)
    worst = []
    for exact in (False, True) if case.subject.float64_reference is not None else (False,):
        together = case.log_prob(x, rows, exact)
        if together.shape != (ROWS, *case.subject.batch_shape):
            what = (
                f"log_prob of {ROWS} rows under {ROWS} conditions is "
                f"{tuple(together.shape)}; ({ROWS},) is right"
            )
            yield Violation(float("inf"), 0.0, what)
            return
        alone = torch.cat([case.log_prob(x[k : k + 1], c, exact) for k, c in enumerate(conditions)])
        ratio = ((together - alone).abs() / _allowed(case, x, rows, alone)).nan_to_num(nan=0.0)
        k = int(ratio.argmax())
        worst.append((ratio.max().item(), together.flatten()[k].item(), alone.flatten()[k].item()))
    yield Decided(ROWS)
    value, one, other = min(worst)
    if value > 1:
        yield Violation(
            value,
            1.0,
            (
                f"among {ROWS} conditions log_prob of a row is {one:.9g}, under its own alone "
                f"{other:.9g}"
            ),
        )


def _own_condition(case: DistributionCase) -> Iterator[Finding]:
    """Two conditions in one call of sample, where it takes several: mean of log p_i − log p_j over
    the block of i."""
    subject = case.subject
    one, two = (subject.condition(k) for k in (0, 1))
    assert one is not None and two is not None
    if subject.lead == "n" and not subject.sampling.paired:
        return  # nothing says what two conditions would give
    torch.manual_seed(case.seed)
    if subject.sampling.paired:
        pair = torch.cat([one.expand(SAMPLES, *one.shape[1:]), two.expand(SAMPLES, *two.shape[1:])])
        returned = subject.raw_sample(2 * SAMPLES, pair)
    else:
        returned = subject.raw_sample(SAMPLES, torch.cat([one, two]))
    value = returned[0] if isinstance(returned, (tuple, list)) else returned
    event, first = subject.event_shape, tuple(value.shape[:2])
    paired = subject.sampling.paired and value.shape[:1] == (2 * SAMPLES,)
    if paired or (subject.lead == "1n" and first == (2, SAMPLES)):
        blocks = value.reshape(2, SAMPLES, *event)
    elif subject.lead == "n1" and first == (SAMPLES, 2):
        blocks = value.reshape(SAMPLES, 2, *event).transpose(0, 1)
    else:
        shape = {"1n": (2, SAMPLES, *event), "n1": (SAMPLES, 2, *event)}.get(subject.lead)
        if shape is not None:
            what = (
                f"sample of {SAMPLES} rows under two conditions is {tuple(value.shape)}; "
                f"{shape} is right"
            )
            yield Violation(float("inf"), 0.0, what)
        return
    gain = torch.cat(
        [
            case.log_prob(blocks[0], one) - case.log_prob(blocks[0], two),
            case.log_prob(blocks[1], two) - case.log_prob(blocks[1], one),
        ]
    ).clamp(-20, 20)
    gain = gain[gain.isfinite()]
    yield Decided(2)
    mean, error = gain.mean().item(), gain.std().item() / max(1, len(gain)) ** 0.5
    # cut at 20 it still holds by Jensen: E_p[min(log p/q, 20)] = −E_p[log max(q/p, e⁻²⁰)] ≥ −log(1
    # + e⁻²⁰)
    if mean < -6 * error - 1e-3:
        what = (
            f"samples under two conditions are likelier under each other's: log p_i − log "
            f"p_j is {mean:.3g} ± {error:.2g} on average"
        )
        yield Violation(-mean, 6 * error + 1e-3, what)


def _elements(case: DistributionCase) -> Iterator[Finding]:
    place = case.places[0]
    x, other = (case.proper(place, stream, ROWS) for stream in (FIT, FRESH))
    size = len(case.subject.event_shape)
    flat, new = (v.reshape(ROWS, -1, *v.shape[v.ndim - size :]) for v in (x, other))
    if flat.shape[1] < 2:
        return
    mixed = new.clone()
    mixed[:, 0] = flat[:, 0]
    worst = []
    for exact in (False, True) if case.subject.float64_reference is not None else (False,):
        right = case.log_prob(x, place.cond, exact).reshape(ROWS, -1)
        log_prob = case.log_prob(mixed.reshape(x.shape), place.cond, exact).reshape(ROWS, -1)
        allowed = _allowed(case, x, place.cond, case.log_prob(x, place.cond, exact)).reshape(
            ROWS, -1
        )
        worst.append(((log_prob - right).abs() / allowed)[:, 0].nan_to_num(nan=0.0).max().item())
    yield Decided(ROWS)
    if min(worst) > 1:
        yield Violation(
            min(worst),
            1.0,
            "log_prob of the first element of the batch changes with the values of the others",
        )
