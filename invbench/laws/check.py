"""Run the laws over a fixed sweep and report the worst violation of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from invbench.devices import require_device
from invbench.errors import UsageError
from invbench.laws.cases.case import LawCase
from invbench.laws.cases.plan import CORPUS as CORPUS_SHARE
from invbench.laws.cases.plan import FEW as FEW_SHARE
from invbench.laws.cases.plan import Clock, Plan, interleaved, planned
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.cases.sweep import BUDGETS, CORPUS_VERSION, sweep
from invbench.laws.guard import TookTooLong, guarded
from invbench.laws.judge import examine
from invbench.laws.law import LAWS, Law, Tally, Violation
from invbench.laws.report import Failure, Report
from invbench.laws.subject import Subject, subject_of
from invbench.targets import Target, of_object, resolve

__all__ = ["DTYPES", "asked", "check", "few", "parse_dtype"]

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
FEW, FEW_ROWS = 4, 96
PATIENCE = 8  # cases on which a law crashed, after which it is not asked again
HANGS = 2  # cases on which the subject did not come back, after which nothing is asked of it
LEAST = 2  # cases of the corpus, however dear
SHOWN = 4  # failures whose case is made small


def parse_dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is not supported; choose from {', '.join(DTYPES)}")
    return DTYPES[name]


def few(cases: Sequence[InputRecipe], count: int = FEW, rows: int = FEW_ROWS) -> list[InputRecipe]:
    """The recipes for laws that do not depend on the values: magnitudes near 1, each condition
    pattern."""
    plain = [
        r for r in cases if r.pattern == "normal" and r.log2_scale == 0 and r.weights == "initial"
    ]
    chosen = plain[:: max(1, len(plain) // FEW)][:count]
    return [replace(r, rows=min(r.rows, rows), seed=r.seed + i) for i, r in enumerate(chosen)]


def asked(properties: Iterable[str] | None) -> list[str]:
    """The names of laws, or all. Raises ``UsageError`` for one that does not exist."""
    names = list(LAWS) if properties is None else list(properties)
    for name in names:
        if name not in LAWS:
            raise UsageError(
                f"property {name!r} is not known; known: {', '.join(LAWS)} (invbench list "
                f"properties)"
            )
    return names


def check(
    target: str | type | Target,
    dtype: str = "float32",
    device: str = "cpu",
    budget: str = "default",
    properties: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda law: None,
    first_seed: int = 0,
    plan: Plan | None = None,
) -> Report:
    """Is this coupling or layer a correct inverse? Laws × fixed sweep, deterministic.

    ``target``: a target string, or a registered class. ``properties`` limits the laws; without it
    ``measures`` has the bounds of ``sensitivity``. ``first_seed`` moves the corpus to other random
    numbers. ``plan``: that of an earlier report, to repeat it exactly.

    Raises ``UsageError`` for an unknown target, dtype, budget or property, and for a declaration
    that the layer contradicts; never for what else the subject does.
    """
    found = _as_target(target)
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    names = asked(properties)
    require_device(device)
    threads = torch.get_num_threads()
    # of small tensors; two threads beside other work are many times slower
    torch.set_num_threads(1)
    try:
        return _check(
            found, dtype, device, budget, names, properties is None, progress, first_seed, plan
        )
    finally:
        torch.set_num_threads(threads)


def _check(
    found: Target,
    dtype: str,
    device: str,
    budget: str,
    names: list[str],
    whole: bool,
    progress: Callable[[str], None],
    first_seed: int,
    plan: Plan | None,
) -> Report:
    started, clock = time.monotonic(), Clock(budget)
    progress("survey")
    subject = subject_of(found, parse_dtype(dtype), device)
    said: dict[str, Any] = {"dtype": dtype, "device": device, "budget": budget}
    said |= {
        "assumed": list(subject.assumed),
        "guesses": list(getattr(subject.module, "guesses", ())),
    }
    said |= {"declared": subject.declaration.as_dict()}
    try:
        subject.float64_reference(), subject.reweighted("noise", 0, 0)
    except Exception as error:  # without a float64 reference nothing can be judged
        message = (
            f"cannot be copied, nor built anew from its state_dict: "
            f"{type(error).__name__}: {str(error)[:300]}"
        )
        failure = Failure("copies", "soundness", "crash", float("inf"), 0.0, {}, message)
        return Report(found.name, [failure], said)
    laws = [LAWS[name] for name in names if LAWS[name].applies(subject)]
    weighted = next(subject.module.parameters(), None) is not None
    corpus = sweep(budget, weighted, first_seed)
    plan = plan or planned(subject, budget, corpus[0].rows, len(corpus))
    subject = replace(subject, slow=plan.rows < corpus[0].rows // 4)
    judged, plan = _judged(subject, laws, corpus, plan, budget == "deep", clock, progress)
    measures = said | {
        "corpus": CORPUS_VERSION,
        "cases": plan.cases,
        "laws": len(laws),
        "plan": plan.as_dict(),
        "decided": {name: tally.decided for name, tally in judged.tallies.items()},
        "undecided": judged.undecided(),
    }
    if whole:
        from invbench.laws.judging.sensitivity import (
            sensitivity,  # here: the laws alone stand on no flow
        )

        progress("sensitivity")
        measures |= sensitivity(subject, max(1.0, min(clock.left(), 10.0)))
    failures = judged.failures(names, found, min(clock.left(), 8.0), progress)
    measures["seconds"] = round(time.monotonic() - started, 2)
    return Report(found.name, failures, measures)


def _judged(
    subject: Subject,
    laws: list[Law],
    corpus: list[InputRecipe],
    plan: Plan,
    deep: bool,
    clock: Clock,
    progress: Callable[[str], None],
) -> tuple[_Worst, Plan]:
    """What the laws find, and the plan as it came to be; a plan that is given whole is kept to."""
    judged = _Worst(plan.limit)
    for law in laws:
        if law.scope == "first" and not judged.found:
            progress(law.name)
            judged.add(law, LawCase.of(replace(corpus[0], rows=plan.few_rows), subject))
    if judged.found:  # where these fail, the others would only echo them
        return judged, plan
    scopes = {"value-independent"} | ({"deep"} if deep else set())
    # soundness first: it is what there must be time for
    ranked = sorted(
        (law for law in laws if law.scope in scopes), key=lambda law: law.category != "soundness"
    )
    wide = [law for law in laws if law.scope == "corpus"]
    order = interleaved(len(corpus)) if wide else []
    given = plan.cases > 0
    cases = order[: plan.cases] if given else order
    judge_wide = partial(_judge_wide, judged, subject, wide, corpus, plan, progress)
    judge_wide(cases[:1])  # values and log_dets of one case before all else
    plan = _judge_few(judged, subject, ranked, corpus, plan, clock, progress)
    done = min(1, len(cases))
    while done < len(cases) and (given or done < LEAST or clock.left(CORPUS_SHARE) > 0):
        judge_wide(cases[done : done + 1])
        done += 1
    return judged, replace(plan, cases=done)


def _judge_wide(
    judged: _Worst,
    subject: Subject,
    laws: list[Law],
    corpus: list[InputRecipe],
    plan: Plan,
    progress: Callable[[str], None],
    indices: list[int],
) -> None:
    for index in indices:
        progress(f"case {index + 1} of {len(corpus)}")
        case = LawCase.of(replace(corpus[index], rows=min(corpus[index].rows, plan.rows)), subject)
        for law in laws:
            judged.add(law, case)


def _judge_few(
    judged: _Worst,
    subject: Subject,
    laws: list[Law],
    corpus: list[InputRecipe],
    plan: Plan,
    clock: Clock,
    progress: Callable[[str], None],
) -> Plan:
    """The laws of a few recipes: all on the first while there is time, then the others."""
    given, left_out = plan.few > 0, list(plan.left_out)
    done = 0
    for recipe in few(corpus, plan.few or FEW, plan.few_rows):
        if done and not given and clock.left(FEW_SHARE) <= 0:
            break
        case = LawCase.of(recipe, subject)
        for law in laws:
            if not given and not done and clock.left(FEW_SHARE) <= 0:
                left_out.append(law.name)
            if law.name in left_out:
                judged.late[law.name] = (
                    "there was no time for it at this budget; a larger one, or --property, asks it"
                )
                continue
            progress(law.name)
            judged.add(law, case)
        done += 1
    return replace(plan, few=done, left_out=tuple(left_out))


def _as_target(target: str | type | Target) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return resolve(target, ("coupling", "layer"))
    return of_object(target)


def _beyond_tolerance(case: LawCase) -> bool:
    """Whether an iteration is asked for more digits than its dtype has at these numbers: its
    stopping rule may never be met there."""
    tolerance = case.subject.declaration.tolerance
    if tolerance is None or case.recipe.log2_scale <= 2:
        return False
    largest = max(v.abs().max().item() for v in (case.x, case.z) if v.numel())
    return torch.finfo(case.subject.dtype).eps * largest > tolerance / 1000


def _hangs(case: LawCase, limit: float) -> bool:
    """Whether a plain call of a direction does not come back: the layer is to blame, not a law that
    asks much."""
    try:
        with guarded(limit):
            for inverse in case.subject.directions:
                case._call(case.subject, inverse, case.inputs(inverse), case.cond)
    except TookTooLong:
        return True
    except Exception:
        return False
    return False


class _Worst:
    """The worst violation per law and kind: a law may find a defect and, elsewhere, an
    ill-conditioned design."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.found: dict[tuple[str, str], tuple[Law, Violation, LawCase]] = {}
        self.tallies: dict[str, Tally] = {}
        self.crashes: dict[str, int] = {}
        self.late: dict[str, str] = {}
        self.reach = math.inf  # log2 of |x| from which on an iteration does not end
        self.hangs = 0

    def add(self, law: Law, case: LawCase) -> None:
        if self.crashes.get(law.name, 0) >= PATIENCE or self.hangs >= HANGS:
            return
        if case.recipe.log2_scale >= self.reach:
            return
        violations, tally = examine(law, case, self.limit)
        known = self.tallies.get(law.name, Tally(0, 0))
        self.tallies[law.name] = Tally(known.decided + tally.decided, known.of + tally.of)
        for violation in violations:
            if violation.kind == "crash" and violation.message.startswith(TookTooLong.__name__):
                if _beyond_tolerance(case):
                    self.reach = min(self.reach, case.recipe.log2_scale)
                    far = (
                        f"no result after {self.limit:g} s for |x| about 2^{self.reach}, "
                        f"where the tolerance is finer than numbers are"
                    )
                    self.late[law.name] = far
                    continue
                self.crashes[law.name] = PATIENCE  # it is not waited for again
                if not _hangs(case, self.limit):
                    self.late[law.name] = (
                        f"the law was given up after {self.limit:g} s; --budget deep waits longer"
                    )
                    continue
                self.hangs += law.category == "soundness"
            key = law.name, violation.kind
            if key not in self.found or violation.value > self.found[key][1].value:
                self.found[key] = law, violation, case
            if violation.kind == "crash":
                self.crashes[law.name] = self.crashes.get(law.name, 0) + 1

    def undecided(self) -> dict[str, str]:
        """Law → why it decided nothing; those that found something have decided."""
        spoke = {name for name, _ in self.found}
        return self.late | {
            name: f"none of {tally.of} rows could decide it"
            for name, tally in self.tallies.items()
            if tally.decided == 0 and tally.of and name not in spoke
        }

    def failures(
        self, order: list[str], target: Target, seconds: float, progress: Callable[[str], None]
    ) -> list[Failure]:
        from invbench.laws.cases.shown import shown  # here: it makes cases smaller, which asks laws

        ranked = sorted(self.found.values(), key=lambda item: order.index(item[0].name))
        grave = [
            item
            for item in ranked
            if item[0].category == "soundness" and item[1].kind != "ill-conditioned"
        ][:SHOWN]
        made = []
        for item in ranked:
            law, v, case = item
            text = ""
            if item in grave and not v.message.startswith(TookTooLong.__name__):
                progress("reducing")
                # what the layer does to a smaller case is its own; the message stands
                with suppress(Exception):
                    text = shown(target, law, v, case, seconds / len(grave))
            made.append(
                Failure(
                    law.name,
                    law.category,
                    v.kind,
                    v.value,
                    v.bound,
                    case.recipe.as_dict(),
                    v.message,
                    text,
                )
            )
        return made
