"""Laws of a module's life: saving, loading, copying, narrow dtypes."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from invbench.laws.cases.case import LawCase
from invbench.laws.law import LAWS, Tally, Violation, law
from invbench.laws.statements.comparison import DIRECTIONS, call, same_bits, same_pair
from invbench.laws.subject import SEED, Subject

OTHER_SEED = 77
HALVES = (torch.bfloat16, torch.float16)


def _agrees(subject: Subject, other: nn.Module, case: LawCase, what: str) -> Iterator[Violation]:
    copied = LawCase(replace(subject, module=other), case.recipe, case.x, case.cond, case.z)
    for inverse in subject.directions:
        if not all(
            same_bits(a, b)
            for a, b in zip(case.result(inverse), copied.result(inverse), strict=True)
        ):
            yield Violation(1, 0, f"{DIRECTIONS[inverse]} of {what} gives other bits")


@law(
    "state-dict",
    needs=("rebuild", "value-by-value"),
    scope="value-independent",
    reference="the layer whose state_dict it is",
)
def state_dict(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A layer that was built with another seed computes the same bits once it has loaded the
    state_dict. Otherwise something that decides the map (a permutation, a mask, a flag) is missing
    there, and a checkpoint does not hold the model."""
    assert subject.build is not None
    other = subject.untrained(OTHER_SEED).eval()
    other.load_state_dict(subject.module.state_dict())
    yield from _agrees(subject, other, case, "a layer that loaded the state_dict")


@law(
    "resumes-training",
    needs=("rebuild", "value-by-value"),
    scope="value-independent",
    reference="the layer whose state_dict it is, trained on the same batch",
)
def resumes_training(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A layer that loads the state_dict of a layer after one batch trains on as that layer does:
    the next batch gives the same result and the same state. A flag «initialised» outside the
    state_dict sets trained scales anew."""
    assert subject.build is not None
    half = max(2, len(case.x) // 2)
    batches = [(case.x[:half], None if case.cond is None else case.cond[:half])]
    batches.append(
        (
            3 * case.x[half:] + 5 if subject.same_space else case.x[half:],
            None if case.cond is None else case.cond[half:],
        )
    )
    if len(batches[1][0]) < 2:
        return
    trained = replace(subject, module=subject.made(SEED).train())
    _seeded(trained, *batches[0])
    loaded = replace(subject, module=subject.untrained(OTHER_SEED).train())
    loaded.module.load_state_dict(trained.module.state_dict())
    kept = {k: v.detach().clone() for k, v in trained.module.state_dict().items()}
    first, second = _seeded(trained, *batches[1]), _seeded(loaded, *batches[1])
    states = trained.module.state_dict(), loaded.module.state_dict()
    for name in states[0]:
        if name in states[1] and not same_bits(
            states[0][name].detach().double(), states[1][name].detach().double()
        ):
            moved = not torch.equal(kept[name], states[1][name].detach())
            why = (
                "is overwritten by"
                if moved and torch.equal(kept[name], states[0][name].detach())
                else "differs after"
            )
            yield Violation(
                1, 0, f"after loading a state_dict, {name} {why} the next batch of training"
            )
            return
    if not same_pair(first, second):
        yield Violation(
            1, 0, "after loading a state_dict, the next batch of training gives other bits"
        )


def _seeded(subject: Subject, x: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return call(subject, False, x, cond)


@law("copies", needs=("value-by-value",), scope="value-independent", reference="the original")
def copies(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """deepcopy gives a layer that computes the same bits."""
    yield from _agrees(subject, copy.deepcopy(subject.module), case, "a deep copy")


@law(
    "pickle",
    category="capability",
    needs=("value-by-value", "torch"),
    scope="value-independent",
    reference="the original",
)
def pickled(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """pickle, for a class that can be imported, gives a layer that computes the same bits. Worker
    processes need this."""
    if _importable(subject.module):
        yield from _agrees(
            subject, pickle.loads(pickle.dumps(subject.module)), case, "an unpickled copy"
        )


def _importable(module: nn.Module) -> bool:
    classes = {type(m) for m in module.modules()}
    return all("<locals>" not in c.__qualname__ and c.__module__ in sys.modules for c in classes)


@law(
    "half-precision",
    needs=("elementwise", "wider", "on-cpu", "value-by-value", "exact", "real"),
    scope="value-independent",
    reference="the float64 reference of the rounded weights",
)
def half_precision(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """A coupling in bfloat16 and float16, where torch has the operations, is as accurate as the
    dtype allows against the float64 reference of the rounded weights, finite where the exact result
    is representable, and keeps the dtype. A layer that raises in a narrow dtype does not support
    it: that is the law ``half-supported``."""
    yield from _in_halves(subject, case)


@law(
    "half-layer",
    category="capability",
    needs=("layer", "wider", "on-cpu", "value-by-value", "exact", "real"),
    scope="value-independent",
    reference="the float64 reference of the rounded weights",
)
def half_layer(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """As half-precision, for a layer: few networks are meant to run in a narrow dtype as a
    whole."""
    yield from _in_halves(subject, case)


def _in_halves(subject: Subject, case: LawCase) -> Iterator[Violation]:
    for half in HALVES:
        narrow = _narrow(subject, case, half)
        try:
            for inverse in subject.directions:
                narrow.result(inverse)
        except Exception:
            continue
        for name in ("dtype", "accuracy", "finite"):
            for violation in LAWS[name].check(narrow.subject, narrow):
                if isinstance(violation, Violation):
                    yield replace(violation, message=f"in {half}: {violation.message}")


@law(
    "half-supported",
    category="capability",
    needs=("wider", "on-cpu"),
    scope="value-independent",
    reference="none: it raises or not",
)
def half_supported(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Both directions run in bfloat16 and float16."""
    for half in HALVES:
        narrow = _narrow(subject, case, half)
        for inverse in subject.directions:
            narrow.result(inverse)
    yield from ()


def _narrow(subject: Subject, case: LawCase, half: torch.dtype) -> LawCase:
    return LawCase.of(
        replace(case.recipe, rows=min(128, case.recipe.rows)), subject.as_type(half, "cpu")
    )


@law(
    "autocast",
    category="capability",
    needs=("on-cpu", "torch"),
    scope="value-independent",
    reference="the float64 reference",
)
def autocast(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """Under torch.autocast both directions run and return finite numbers: mixed precision is how
    flows are trained."""
    for inverse in subject.directions:
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            value, log_det = subject.direction(inverse)(case.inputs(inverse), case.cond)
        exact, exact_log = case.exact(inverse)
        bad = case.valid(inverse) & (exact.abs() < 1e30) & ~value.isfinite()
        lost = subject.has_log_det and (exact_log.isfinite() & ~log_det.isfinite()).any()
        if bad.any() or lost:
            yield Violation(
                float(bad.sum()), 0, f"{DIRECTIONS[inverse]} under autocast is not finite"
            )
