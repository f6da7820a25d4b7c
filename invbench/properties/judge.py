"""One law on one case: what it finds, and whose fault it is."""

from __future__ import annotations

from dataclasses import replace

from invbench.conditions.recipe import Recipe
from invbench.properties.case import Case
from invbench.properties.guard import LIMIT, guarded, origin_of
from invbench.properties.law import Law, Violation
from invbench.properties.subject import Subject

__all__ = ["judge", "judge_case"]


def judge(law: Law, subject: Subject, recipe: Recipe) -> list[Violation]:
    """The violations of one law on one recipe; whatever the subject raises becomes a violation of kind ``crash``."""
    return judge_case(law, Case.of(recipe, subject))


def judge_case(law: Law, case: Case) -> list[Violation]:
    """The violations of one law on one case, each with the row it points at."""
    try:
        with guarded(LIMIT * max(1.0, case.x.shape[0] / 512)):
            return [_located(v, case) for v in law.check(case.subject, case)]
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # the subject's own code runs in there, and may even exit
        what = f"{type(error).__name__}: {str(error)[:300]}{origin_of(error)}"
        return [Violation(float("inf"), 0.0, what, kind="crash")]


def _located(violation: Violation, case: Case) -> Violation:
    if violation.row is None or violation.row >= case.x.shape[0]:
        return violation
    x = case.x[violation.row].flatten().tolist()
    shown = ", ".join(f"{v:.9g}" for v in x[:8]) + (", …" if len(x) > 8 else "")
    return replace(violation, message=f"{violation.message}; row {violation.row}, x = [{shown}]")
