"""Laws of repetition: a call gives the same bits again, whatever was called before."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, call, same_bits, same_pair
from invbench.laws.subject import SEED, Subject


@law(
    "deterministic",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the first call",
    trusts="nothing",
)
def deterministic(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Called again, each direction gives the same bits."""
    for inverse in subject.directions:
        first, second = (call(subject, inverse, case.inputs(inverse), case.cond) for _ in range(2))
        if not same_pair(first, second):
            which = "value" if not same_bits(first[0], second[0]) else "log_det"
            yield Violation(
                1, 0, f"the {which} of {DIRECTIONS[inverse]} has other bits when it is called again"
            )


@law(
    "stateless",
    needs=("value-by-value",),
    scope="value-independent",
    reference="the first call",
    trusts="nothing",
)
def stateless(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The result of a direction does not depend on earlier calls: with calls of both directions on
    other rows in between, it has the same bits. An inverse that needs the cache of the last forward
    call is no inverse."""
    for inverse in subject.directions:
        v = case.inputs(inverse)
        first = call(subject, inverse, v, case.cond)
        for other in subject.directions:
            for rows in _others(subject, case, other):
                call(subject, other, rows, None if case.cond is None else case.cond.flip(0))
                second = call(subject, inverse, v, case.cond)
                if not same_pair(first, second):
                    what = (
                        f"{DIRECTIONS[inverse]} gives other bits after a call of "
                        f"{DIRECTIONS[other]} on other rows"
                    )
                    yield Violation(1, 0, what)
                    return


def _others(subject: Subject, case: LawCase, inverse: bool) -> list[Tensor]:
    v = case.inputs(inverse)
    return [v.flip(0), -v] if subject.same_space else [v.flip(0)]


@law(
    "call-order",
    needs=("rebuild", "value-by-value", "inverse"),
    scope="value-independent",
    reference="a layer on which nothing has been called yet",
)
def call_order(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """The inverse may be the first call on a fresh layer, on a copy, and on a layer that loaded a
    state_dict. It does not raise, and it gives the same bits as later."""
    assert subject.build is not None
    later = call(subject, True, case.z, case.cond)
    ways = {"a copy": replace(subject, module=subject._copied())}
    fresh = subject.made(SEED)
    if _sets_itself(subject, case):
        ways["a fresh layer"] = replace(subject, module=fresh)
    else:
        loaded = subject.made()
        loaded.load_state_dict(subject.module.state_dict())
        ways |= {
            "a fresh layer": replace(subject, module=fresh),
            "a layer that loaded the state_dict": replace(subject, module=loaded),
        }
    for what, other in ways.items():
        try:
            first = call(other, True, case.z, case.cond)
        except Exception as error:
            if is_refusal(error):
                continue
            yield Violation(
                1,
                0,
                (
                    f"inverse as the first call on {what} raises {type(error).__name__}: "
                    f"{str(error)[:200]}"
                ),
                kind="crash",
            )
            return
        same_weights = all(
            torch.equal(a, b) for a, b in zip(_state(other), _state(subject), strict=False)
        )
        if same_weights and not same_pair(first, later):
            yield Violation(
                1, 0, f"inverse as the first call on {what} gives other bits than later"
            )
            return


def _state(subject: Subject) -> list[Tensor]:
    return list(subject.module.state_dict().values())


def _sets_itself(subject: Subject, case: LawCase) -> bool:
    """Whether the first forward call changes the state of the layer."""
    assert subject.build is not None
    module = subject.made(SEED)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with torch.no_grad():
        replace(subject, module=module).forward(case.x, case.cond)
    return any(not torch.equal(before[k], v) for k, v in module.state_dict().items())


def is_refusal(error: Exception) -> bool:
    """Whether the code refuses on purpose: NotImplementedError, an exception class of its own, or
    ``raise`` with a message."""
    if isinstance(
        error, (AttributeError, AssertionError, TypeError, KeyError, IndexError, NameError)
    ):
        return False
    if isinstance(error, NotImplementedError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "").strip() if frames else ""
    return bool(str(error) or type(error).__module__ != "builtins") and line.startswith("raise ")
