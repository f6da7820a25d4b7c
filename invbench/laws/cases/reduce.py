"""A smaller case that breaks the same law: fewer rows, then simpler numbers, after Hypothesis has
shrunk the recipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from invbench.laws.cases.case import LawCase
from invbench.laws.judge import examine
from invbench.laws.law import Law, Violation
from invbench.laws.space import is_real

__all__ = ["minimal"]

CALLS, SECONDS = 400, 20.0
PATIENCE = 10.0  # seconds for one judgement


def minimal(
    law: Law, case: LawCase, kind: str, seconds: float = SECONDS
) -> tuple[LawCase, Violation]:
    """The smallest case that yields a violation of ``kind``, and that violation.

    Rows are halved while one half still breaks the law. Then each number is set to 0, else to a
    signed power of two, else kept. At most 400 judgements and ``seconds``, so a slow subject may
    keep more than it needs. Raises ``ValueError`` when the case is sound.
    """
    smallest = _violation(law, case, kind)
    if smallest is None:
        raise ValueError(f"the case does not break {law.name}")
    started, calls = time.monotonic(), 0

    def breaks(candidate: LawCase) -> bool:
        nonlocal smallest, calls
        calls += 1
        violation = _violation(law, candidate, kind)
        smallest = violation or smallest
        return violation is not None

    def patient() -> bool:
        return calls < CALLS and time.monotonic() - started < seconds

    case = _fewer_rows(case, smallest, breaks, patient)
    for which in ("x", "z", "cond") if case.z is not case.x else ("x", "cond"):
        case = _simpler_numbers(case, which, breaks, patient)
    assert smallest is not None
    return case, smallest


def _violation(law: Law, case: LawCase, kind: str) -> Violation | None:
    return next((v for v in examine(law, case, PATIENCE)[0] if v.kind == kind), None)


def _fewer_rows(
    case: LawCase,
    violation: Violation,
    breaks: Callable[[LawCase], bool],
    patient: Callable[[], bool],
) -> LawCase:
    rows = torch.arange(case.x.shape[0])
    if (
        violation.row is not None
        and violation.row < len(rows)
        and breaks(alone := case.part(rows[violation.row : violation.row + 1]))
    ):
        return alone
    while len(rows) > 1 and patient():
        halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        kept = next((half for half in halves if breaks(case.part(half))), None)
        if kept is None:
            break
        rows = kept
    return case.part(rows)


def _simpler_numbers(
    case: LawCase, which: str, breaks: Callable[[LawCase], bool], patient: Callable[[], bool]
) -> LawCase:
    values = getattr(case, which)
    if values is None or not is_real(_space(case, which)):
        return case
    for index in range(values.numel()):
        for simpler in (0.0, _power_of_two(values.flatten()[index])):
            if not patient() or values.flatten()[index].item() == simpler:
                break
            changed = values.contiguous().clone()
            changed.view(-1)[index] = simpler
            z = None if case.z is case.x else case.z
            parts = {"x": case.x, "cond": case.cond, "z": z} | {which: changed}
            candidate = LawCase(case.subject, case.recipe, parts["x"], parts["cond"], parts["z"])
            if breaks(candidate):
                case, values = candidate, changed
                break
    return case


def _space(case: LawCase, which: str) -> Any:
    return (
        case.subject.declaration.condition if which == "cond" else case.subject.space(which == "z")
    )


def _power_of_two(value: Tensor) -> float:
    size = value.abs().item()
    return (
        0.0
        if size == 0 or size != size or size == float("inf")
        else float(value.sign()) * 2.0 ** int(value.abs().log2().round())
    )
