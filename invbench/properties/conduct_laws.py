"""Laws of conduct: what comes back, and what a call may not do besides."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.properties.case import Case
from invbench.properties.law import Violation, law
from invbench.properties.subject import Subject

DIRECTIONS = ("forward", "inverse")


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.nan_to_num(nan=1.2345), b.nan_to_num(nan=1.2345)) and torch.equal(a.isnan(), b.isnan())


def _call(subject: Subject, name: str, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        found: tuple[Tensor, Tensor] = getattr(subject, name)(x, cond)
    return found


@law("shape", scope="first")
def shape(subject: Subject, case: Case) -> Iterator[Violation]:
    """Each direction returns (value, log): value of the input's shape; log of that shape for a coupling, (B,) for a layer. Both are
    real, dense tensors of floating point."""
    for name in DIRECTIONS:
        direction = getattr(subject.module, name)
        if subject.elementwise:
            assert case.cond is not None
            out = direction(case.x, case.cond.movedim(1, 0))
            expected = (case.x.shape, case.x.shape)
        else:
            out = direction(case.x, case.cond) if case.cond is not None else direction(case.x)
            expected = (case.x.shape, case.x.shape[:1])
        if not (isinstance(out, (tuple, list)) and len(out) == 2 and all(isinstance(o, Tensor) for o in out)):
            found = type(out).__name__
            yield Violation(1, 0, f"{name} returned {found}, not a pair of tensors (value, log-determinant)")
            continue
        got = tuple(o.shape for o in out)
        if got != expected:
            shapes = [tuple(s) for s in got], [tuple(s) for s in expected]
            yield Violation(1, 0, f"{name} returned shapes {shapes[0]}, expected {shapes[1]}")
        if not all(o.is_floating_point() and o.layout == torch.strided for o in out):
            yield Violation(
                1, 0, f"{name} returned {[str(o.dtype) for o in out]}, not dense real floating-point tensors"
            )


@law("dtype", scope="first")
def dtype(subject: Subject, case: Case) -> Iterator[Violation]:
    """Value and log keep the input's dtype and device: no silent up- or downcast."""
    for name in DIRECTIONS:
        for out, what in zip(getattr(subject, name)(case.x, case.cond), ("value", "log-determinant"), strict=True):
            if out.dtype != case.x.dtype or out.device != case.x.device:
                given, got = f"{case.x.dtype} on {case.x.device}", f"{out.dtype} on {out.device}"
                yield Violation(1, 0, f"{what} of {name} is {got}, the input {given}")


@law("deterministic", scope="few")
def deterministic(subject: Subject, case: Case) -> Iterator[Violation]:
    """Called again, each direction gives the same bits."""
    for name in DIRECTIONS:
        first, second = (_call(subject, name, case.x, case.cond) for _ in range(2))
        if not all(same_bits(a, b) for a, b in zip(first, second, strict=True)):
            yield Violation(1, 0, f"{name} gives other bits when it is called again")


@law("stateless", scope="few")
def stateless(subject: Subject, case: Case) -> Iterator[Violation]:
    """What a direction returns does not depend on earlier calls: with calls of both directions on other rows in between, it gives the
    same bits. An inverse that needs the cache of the last forward call is no inverse."""
    for name in DIRECTIONS:
        first = _call(subject, name, case.x, case.cond)
        for other in DIRECTIONS:
            for x in (case.x.flip(0), -case.x):
                _call(subject, other, x, None if case.cond is None else case.cond.flip(0))
                second = _call(subject, name, case.x, case.cond)
                if not all(same_bits(a, b) for a, b in zip(first, second, strict=True)):
                    yield Violation(1, 0, f"{name} gives other bits after a call of {other} on other rows")
                    return


@law("inputs-unchanged", scope="few")
def inputs_unchanged(subject: Subject, case: Case) -> Iterator[Violation]:
    """No call writes into its inputs."""
    for name in DIRECTIONS:
        x, cond = case.x.clone(), None if case.cond is None else case.cond.clone()
        _call(subject, name, x, cond)
        if not same_bits(x, case.x) or (cond is not None and case.cond is not None and not same_bits(cond, case.cond)):
            yield Violation(1, 0, f"{name} changed an input tensor in place")


@law("rng-untouched", scope="few")
def rng_untouched(subject: Subject, case: Case) -> Iterator[Violation]:
    """No call draws from or seeds torch's global random generator: it would change the experiment around it."""
    for name in DIRECTIONS:
        state = torch.random.get_rng_state()
        _call(subject, name, case.x, case.cond)
        if not torch.equal(state, torch.random.get_rng_state()):
            torch.random.set_rng_state(state)
            yield Violation(1, 0, f"{name} changed the state of the global random generator")


@law("empty-batch", scope="few")
def empty_batch(subject: Subject, case: Case) -> Iterator[Violation]:
    """A batch of no rows gives a result of no rows."""
    cond = None if case.cond is None else case.cond[:0]
    for name in DIRECTIONS:
        value, log_det = getattr(subject, name)(case.x[:0], cond)
        if value.shape != case.x[:0].shape or log_det.shape != (0,):
            yield Violation(1, 0, f"{name} of an empty batch has shapes {tuple(value.shape)}, {tuple(log_det.shape)}")
