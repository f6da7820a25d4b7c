"""Random numbers that a layer does not declare: a stochastic direction, or an estimated log_det."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.distributions import constraints

from invbench.laws.judging.assumption import ROWS, assume, attempt, undoes
from invbench.laws.space import place
from invbench.laws.subject import Subject

__all__ = ["stochastic"]

MATERIAL = 1e-3  # smaller random differences are noise, not a stochastic layer
INTEGERS = (
    constraints.integer_interval(-8, 8),
    constraints.integer_interval(0, 255),
    constraints.integer_interval(0, 1),
)


def stochastic(subject: Subject) -> Subject:
    """Assume ``stochastic`` where a direction draws random numbers and the other takes them away
    again, or a log_det that is an estimate."""
    if subject.declaration.stochastic is not None or subject.elementwise or not subject.invertible:
        return subject
    x, cond = subject.probes(ROWS)
    first, again = (attempt(lambda: subject.forward(x, cond)) for _ in range(2))
    if isinstance(first, Exception) or isinstance(again, Exception):
        return subject
    state = torch.random.get_rng_state()
    attempt(lambda: subject.forward(x, cond))
    draws = not torch.equal(state, torch.random.get_rng_state())
    if _differ(first[0], again[0]) and draws:
        whole = [(c, place(c, x.double(), x.dtype)) for c in INTEGERS]
        for domain, inputs in ((None, x), *whole):
            back = attempt(partial(_there_and_back, subject, inputs, cond))
            if not isinstance(back, Exception) and undoes(back[0], inputs):
                why = "forward draws random numbers, and inverse takes them away again"
                assumed = assume(subject, why, stochastic=True)
                return (
                    assumed
                    if domain is None
                    else assume(assumed, "whole numbers come back", domain=domain)
                )
        return subject
    z = first[0]
    one, two = (attempt(lambda: subject.inverse(z, cond)) for _ in range(2))
    if (
        not isinstance(one, Exception)
        and not isinstance(two, Exception)
        and _differ(one[0], two[0])
    ):
        there = attempt(lambda: subject.forward(two[0], cond))
        if not isinstance(there, Exception) and undoes(there[0], z):
            return assume(
                subject,
                "inverse draws random numbers, and forward takes them away again",
                stochastic=True,
            )
    if draws and not _differ(first[0], again[0]) and _differ(first[1], again[1]):
        return assume(
            subject, "two calls give the same value and another log_det", log_det="estimate"
        )
    return subject


def _there_and_back(subject: Subject, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    return subject.inverse(subject.forward(x, cond)[0], cond)


def _differ(a: Tensor, b: Tensor) -> bool:
    """Whether two results differ by more than 0.1 % of the spread of the rows, on at least a
    quarter of them."""
    if a.shape != b.shape:
        return False
    scale = (a.double().std(0) if len(a) > 1 else a.double().abs()).nan_to_num(nan=1.0) + 1e-30
    off = (a - b).abs() > MATERIAL * scale
    return bool(off.reshape(len(a), -1).any(1).float().mean() > 0.25)
