"""The space of an undeclared condition: labels, masks, positive numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.constraints import Constraint

from invbench.errors import UsageError
from invbench.laws.judging.assumption import ROWS, assume, attempt
from invbench.laws.subject import Subject

__all__ = ["conditioned"]


def conditioned(subject: Subject) -> Subject:
    """Assume a space for the condition where real numbers raise, give NaN or have no effect."""
    if subject.elementwise or subject.cond_shape is None:
        return subject
    if subject.declaration.condition is not None:
        for labels in (False, True):
            result = attempt(partial(_called, replace(subject, labels=labels), None))
            if not isinstance(result, Exception):
                return replace(subject, labels=labels)
        names = subject.declaration.as_dict()["condition"]
        raise UsageError(
            f"{subject.name}: declared condition={names!r}, and the layer refuses such "
            f"conditions: {type(result).__name__}: {str(result)[:200]}"
        )
    taken = _accepts(subject, None)
    if taken and _has_effect(subject):
        return subject
    why = "other conditions have no effect" if taken else "other conditions raise or give NaN"
    for candidate, labels in _condition_candidates(subject):
        there = replace(
            subject, declaration=subject.declaration.assuming(condition=candidate), labels=labels
        )
        if _accepts(there, candidate):
            assumed = assume(subject, why, condition=candidate)
            return replace(assumed, labels=labels)
    return subject


def _called(subject: Subject, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    x, drawn = subject.probes(ROWS)
    return subject.forward(x, drawn if cond is None else cond)


def _accepts(subject: Subject, candidate: Constraint | None) -> bool:
    """Whether conditions of the space are taken; for a guessed space also whether they have an
    effect."""
    result = attempt(lambda: _called(subject, None))
    if isinstance(result, Exception) or not isinstance(result[0], Tensor):
        return False
    nan = result[0].flatten(1).isnan().any(1).float().mean().item()
    if nan > 0.25:
        return False
    if candidate is None:
        return True
    return _has_effect(subject)


def _has_effect(subject: Subject) -> bool:
    """Whether equal rows differ under different conditions, with weights that are not zero."""
    subject = subject.reweighted("noise", 0, 5)
    x, cond = subject.probes(ROWS)
    assert cond is not None
    still = attempt(lambda: subject.forward(x[:1].expand_as(x), cond))
    return not isinstance(still, Exception) and bool((still[0] != still[0][:1]).any())


def _condition_candidates(subject: Subject) -> Iterator[tuple[Constraint, bool]]:
    for labels in (False, True):
        if (classes := _classes(subject, labels)) > 1:
            yield constraints.integer_interval(0, classes - 1), labels
    for candidate in (constraints.positive, constraints.unit_interval, constraints.boolean):
        yield candidate, False
    yield constraints.boolean, True


def _classes(subject: Subject, labels: bool) -> int:
    """How many labels a layer has: 0, 1, … are taken, the next raises. 0 where numbers between them
    count too."""
    x, _ = subject.probes(2)
    assert subject.cond_shape is not None
    shape = (2, *subject.cond_shape)
    there = replace(subject, labels=labels)

    def at(value: float) -> Any:
        return attempt(lambda: there.forward(x, torch.full(shape, value, dtype=x.dtype)))

    count = 0
    while count < 1024 and not isinstance(at(float(count)), Exception):
        count += 1
    if count in (0, 1, 1024) or isinstance(at(0.5), Exception):
        return count if 1 < count < 1024 else 0
    return count if torch.equal(at(0.5)[0], at(0.0)[0]) else 0
