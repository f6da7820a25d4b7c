"""Laws of conditions: a declared condition matters."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.law import Tally, Violation, law
from invbench.laws.subject import Subject

ROWS = 12
SEEDS = (11, 12)


@law(
    "condition-reaches",
    needs=("condition", "layer", "value-by-value", "tensors"),
    scope="value-independent",
    reference="the same x under other conditions, and which input each output depends on",
)
def condition_reaches(subject: Subject, case: LawCase) -> Iterator[Violation | Tally]:
    """A declared condition has an effect, under randomised weights. Where the outputs build on each
    other one by one (output k depends on k inputs, as in a masked autoregressive net), it has an
    effect on each output, the first included: a mask that cuts it off there leaves p(x₁ | y) =
    p(x₁). Channels that are declared untouched are left out."""
    quiet: Tensor | None = None
    for seed in SEEDS:
        reference = subject.reweighted("noise", 0, seed).float64_reference()
        x, conds = reference.probes(ROWS, seed)
        assert conds is not None
        with torch.no_grad():
            under = [reference.forward(x, c.expand_as(conds))[0].flatten(1) for c in conds.split(1)]
        moved = torch.stack([(u != under[0]).any(0) for u in under]).any(0)
        quiet = ~moved if quiet is None else quiet & ~moved
    assert quiet is not None
    yield Tally(ROWS, ROWS)
    if quiet.all():
        yield Violation(
            1, 0, "the declared condition has no effect on any output, whatever the weights"
        )
        return
    if not quiet.any():
        return
    held = torch.zeros_like(quiet)
    if subject.declaration.untouched:
        marks = torch.zeros(subject.packed(True).shape, dtype=torch.bool)
        marks[list(subject.declaration.untouched)] = True
        held = marks.flatten()
    silent = quiet & ~held
    if silent.any() and _one_by_one(subject):
        names = ", ".join(map(str, silent.nonzero()[:8, 0].tolist()))
        yield Violation(
            float(silent.sum()),
            0,
            f"output {names} is the same under every condition, and the others are not",
        )


@law(
    "condition-elements",
    category="capability",
    needs=("condition", "layer", "value-by-value", "tensors"),
    scope="value-independent",
    reference="the same x with one element of the condition changed",
)
def condition_elements(subject: Subject, case: LawCase) -> Iterator[Violation]:
    """Every element of a condition that is a vector of up to 16 real numbers has an effect on some
    output, under randomised weights. A layer may leave one out on purpose, so this is a finding and
    not a fault."""
    if (unused := _unused(subject)) is not None:
        yield Violation(
            1,
            0,
            (
                f"element {unused} of the declared condition has no effect on any output, whatever "
                f"the weights"
            ),
        )


def _unused(subject: Subject) -> int | None:
    """The element of a condition that no output depends on; None where there is none, and for a
    condition that is no vector of up to 16 real numbers."""
    if (
        subject.declaration.condition is not None
        or subject.cond_shape is None
        or len(subject.cond_shape) != 1
    ):
        return None
    if subject.cond_shape[0] > 16:
        return None
    used = torch.zeros(subject.cond_shape, dtype=torch.bool)
    for seed in SEEDS:
        reference = subject.reweighted("noise", 0, seed).float64_reference()
        x, cond = reference.probes(ROWS, seed)
        assert cond is not None
        with torch.no_grad():
            base = reference.forward(x, cond)[0]
            for k in range(len(used)):
                changed = cond.clone()
                changed[:, k] = 1.7 - cond[:, k]
                used[k] |= bool((reference.forward(x, changed)[0] != base).any())
    return int((~used).int().argmax()) if not used.all() else None


def _one_by_one(subject: Subject) -> bool:
    """Whether the outputs depend on 1, 2, …, D inputs, D ≥ 3: an autoregressive map in some
    order."""
    reference = subject.reweighted("noise", 0, SEEDS[0]).float64_reference()
    x, cond = reference.probes(ROWS, SEEDS[0])
    d = x[0].numel()
    if d < 3 or d > 256:
        return False
    with torch.no_grad():
        base = reference.forward(x, cond)[0].flatten(1)
        if base.shape[1] != d:
            return False
        depends = torch.zeros(d, d, dtype=torch.bool)
        for i in range(d):
            moved = x.flatten(1).clone()
            moved[:, i] += 0.37
            depends[:, i] = (
                reference.forward(moved.reshape(x.shape), cond)[0].flatten(1) != base
            ).any(0)
    return bool(torch.equal(depends.sum(1).sort().values, torch.arange(1, d + 1)))
