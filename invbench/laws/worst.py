"""The worst violation per law and kind, over all cases of a check."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import torch

from invbench.laws.cases.case import LawCase
from invbench.laws.guard import TookTooLong, guarded
from invbench.laws.judge import examine
from invbench.laws.law import Law, Tally, Violation
from invbench.laws.report import Failure
from invbench.targets import Target

__all__ = ["WorstViolations"]

PATIENCE = 8  # cases on which a law crashed, after which it is skipped
HANGS = 2  # cases on which the subject hung, after which every law is skipped
REDUCED = 4  # failures whose case is made small


class WorstViolations:
    """``by_kind``: (law, kind) → the worst violation. A law may find a defect and, elsewhere, an
    ill-conditioned design. ``reasons``: law → why it was not decided."""

    def __init__(self, limit: float) -> None:
        self.limit = limit  # seconds for one law on one case
        self.by_kind: dict[tuple[str, str], tuple[Law, Violation, LawCase]] = {}
        self.tallies: dict[str, Tally] = {}
        self.reasons: dict[str, str] = {}
        self.crashes: dict[str, int] = {}
        self.reach = math.inf  # log2 of |x| from which on an iteration does not end
        self.hangs = 0

    def add(self, law: Law, case: LawCase) -> None:
        """Judge one law on one case."""
        if self.crashes.get(law.name, 0) >= PATIENCE or self.hangs >= HANGS:
            return
        if case.recipe.log2_scale >= self.reach:
            return
        violations, tally = examine(law, case, self.limit)
        before = self.tallies.get(law.name, Tally(0, 0))
        self.tallies[law.name] = Tally(before.decided + tally.decided, before.of + tally.of)
        for violation in violations:
            if _took_too_long(violation) and self._excused(law, case):
                continue
            key = law.name, violation.kind
            if key not in self.by_kind or violation.value > self.by_kind[key][1].value:
                self.by_kind[key] = law, violation, case
            if violation.kind == "crash":
                self.crashes[law.name] = self.crashes.get(law.name, 0) + 1

    def _excused(self, law: Law, case: LawCase) -> bool:
        """Whether the layer is not to blame for a law that ended at the time limit."""
        if _beyond_tolerance(case):
            self.reach = min(self.reach, case.recipe.log2_scale)
            self.reasons[law.name] = (
                f"no result after {self.limit:g} s for |x| about 2^{self.reach}, "
                f"where the tolerance is finer than numbers are"
            )
            return True
        self.crashes[law.name] = PATIENCE  # the law is not tried again
        if not _hangs(case, self.limit):
            self.reasons[law.name] = (
                f"the law was given up after {self.limit:g} s; --budget deep waits longer"
            )
            return True
        self.hangs += law.category == "soundness"
        return False

    def undecided(self) -> dict[str, str]:
        """Law → why it decided nothing. A law with a violation has decided."""
        violated = {name for name, _ in self.by_kind}
        return self.reasons | {
            name: f"none of {tally.of} rows could decide it"
            for name, tally in self.tallies.items()
            if tally.decided == 0 and tally.of and name not in violated
        }

    def failures(
        self, order: list[str], target: Target, seconds: float, progress: Callable[[str], None]
    ) -> list[Failure]:
        """In the ``order`` of laws, the first four defects with their smallest case."""
        # imported here: to make a case smaller, laws are judged
        from invbench.laws.cases.summary import case_summary

        ranked = sorted(self.by_kind.values(), key=lambda item: order.index(item[0].name))
        reduced = [
            item
            for item in ranked
            if item[0].category == "soundness" and item[1].kind != "ill-conditioned"
        ][:REDUCED]
        failures = []
        for item in ranked:
            law, v, case = item
            summary = ""
            if item in reduced and not _took_too_long(v):
                progress("reducing")
                with suppress(Exception):  # a smaller case may raise; the message stands
                    summary = case_summary(target, law, v, case, seconds / len(reduced))
            recipe = case.recipe.as_dict()
            failures.append(
                Failure(
                    law.name, law.category, v.kind, v.value, v.bound, recipe, v.message, summary
                )
            )
        return failures


def _took_too_long(violation: Violation) -> bool:
    return violation.kind == "crash" and violation.message.startswith(TookTooLong.__name__)


def _beyond_tolerance(case: LawCase) -> bool:
    """Whether an iteration is asked for more digits than its dtype has at these numbers: its
    stopping rule may never be met."""
    tolerance = case.subject.declaration.tolerance
    if tolerance is None or case.recipe.log2_scale <= 2:
        return False
    largest = max(v.abs().max().item() for v in (case.x, case.z) if v.numel())
    return torch.finfo(case.subject.dtype).eps * largest > tolerance / 1000


def _hangs(case: LawCase, limit: float) -> bool:
    """Whether a plain call of a direction hangs: then the layer is to blame, not the law."""
    try:
        with guarded(limit):
            for inverse in case.subject.directions:
                case.call(case.subject, inverse, case.inputs(inverse), case.cond)
    except TookTooLong:
        return True
    except Exception:
        return False
    return False
