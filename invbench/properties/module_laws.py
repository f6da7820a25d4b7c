"""Laws of a module's life: saving, copying, training mode, narrow types."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from invbench.properties.case import Case
from invbench.properties.conduct_laws import DIRECTIONS, same_bits
from invbench.properties.law import LAWS, Violation, law
from invbench.properties.subject import Subject

OTHER_SEED = 77
HALVES = (torch.bfloat16, torch.float16)


def _agrees(subject: Subject, other: nn.Module, case: Case, what: str) -> Iterator[Violation]:
    twin = Case(replace(subject, module=other), case.recipe, case.x, case.cond)
    for inverse in (False, True):
        if not all(same_bits(a, b) for a, b in zip(case.ours(inverse), twin.ours(inverse), strict=True)):
            yield Violation(1, 0, f"{DIRECTIONS[inverse]} of {what} gives other bits")


@law("state-dict", needs=("rebuild",), scope="few")
def state_dict(subject: Subject, case: Case) -> Iterator[Violation]:
    """A layer built with another seed computes the same bits once it has loaded the state_dict: what decides the map (permutations,
    masks, flags) is in there, or a checkpoint does not hold the model."""
    assert subject.build is not None
    other = subject.build(OTHER_SEED).to(subject.device, subject.dtype).eval()
    other.load_state_dict(subject.module.state_dict())
    yield from _agrees(subject, other, case, "a layer that loaded the state_dict")


@law("copies", scope="few")
def copies(subject: Subject, case: Case) -> Iterator[Violation]:
    """deepcopy gives a layer that computes the same bits."""
    yield from _agrees(subject, copy.deepcopy(subject.module), case, "a deep copy")


@law("pickle", severity="capability", scope="few")
def pickled(subject: Subject, case: Case) -> Iterator[Violation]:
    """pickle, for a class that can be imported, gives a layer that computes the same bits: what worker processes need."""
    if _importable(subject.module):
        yield from _agrees(subject, pickle.loads(pickle.dumps(subject.module)), case, "an unpickled copy")


def _importable(module: nn.Module) -> bool:
    classes = {type(m) for m in module.modules()}
    return all("<locals>" not in c.__qualname__ and c.__module__ in sys.modules for c in classes)


@law("train-eval", needs=("same-in-training",), scope="few")
def train_eval(subject: Subject, case: Case) -> Iterator[Violation]:
    """In training mode a layer is the same map, bit by bit, unless it declares ``train_differs=True``: likelihoods in training would
    be those of another model."""
    training = copy.deepcopy(subject.module).train()
    yield from _agrees(subject, training, case, "the layer in training mode")


@law("half-precision", needs=("wider", "on-cpu"), scope="few")
def half_precision(subject: Subject, case: Case) -> Iterator[Violation]:
    """In bfloat16 and float16, where torch has the operations: as accurate as the dtype allows against the float64 twin of the
    rounded weights, finite where the exact result is representable, and of the dtype that went in. A layer that raises in a narrow
    type does not support it, which is the law ``half-supported``."""
    for half in HALVES:
        narrow = _narrow(subject, case, half)
        try:
            for inverse in (False, True):
                narrow.ours(inverse)
        except Exception:
            continue
        for name in ("dtype", "accuracy", "finite"):
            for violation in LAWS[name].check(narrow.subject, narrow):
                yield replace(violation, message=f"in {half}: {violation.message}")


@law("half-supported", severity="capability", needs=("wider", "on-cpu"), scope="few")
def half_supported(subject: Subject, case: Case) -> Iterator[Violation]:
    """Both directions run in bfloat16 and float16."""
    for half in HALVES:
        narrow = _narrow(subject, case, half)
        for inverse in (False, True):
            narrow.ours(inverse)
    yield from ()


def _narrow(subject: Subject, case: Case, half: torch.dtype) -> Case:
    return Case.of(replace(case.recipe, rows=min(128, case.recipe.rows)), subject.as_type(half, "cpu"))


@law("autocast", severity="capability", needs=("on-cpu",), scope="few")
def autocast(subject: Subject, case: Case) -> Iterator[Violation]:
    """Under torch.autocast both directions run and return finite numbers: mixed precision is how flows are trained."""
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        for inverse, name in enumerate(DIRECTIONS):
            value, log_det = getattr(subject, name)(case.x, case.cond)
            exact, exact_log = case.exact(bool(inverse))
            bad = exact.isfinite() & (exact.abs() < 1e30) & ~value.isfinite()
            if bad.any() or (exact_log.isfinite() & ~log_det.isfinite()).any():
                yield Violation(float(bad.sum()), 0, f"{name} under autocast is not finite")
