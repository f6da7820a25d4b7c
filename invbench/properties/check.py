"""Run the laws over a fixed sweep and report the worst violation of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch

from invbench.conditions.recipe import Recipe
from invbench.devices import require_device
from invbench.errors import UsageError
from invbench.properties.case import Case
from invbench.properties.guard import TookTooLong
from invbench.properties.judge import judge_case
from invbench.properties.law import LAWS, Law, Violation
from invbench.properties.report import Failure, Report
from invbench.properties.subject import subject_of
from invbench.properties.sweep import BUDGETS, CORPUS_VERSION, sweep
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


def parse_dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is not supported; choose from {', '.join(DTYPES)}")
    return DTYPES[name]


def few(cases: Sequence[Recipe]) -> list[Recipe]:
    """The recipes for laws that do not depend on the values: magnitudes near 1, each condition pattern."""
    plain = [r for r in cases if r.pattern == "normal" and r.log2_scale == 0 and r.weights == "initial"]
    chosen = plain[:: max(1, len(plain) // FEW)][:FEW]
    return [replace(r, rows=min(r.rows, FEW_ROWS), seed=r.seed + i) for i, r in enumerate(chosen)]


def asked(properties: Iterable[str] | None) -> list[str]:
    """The names of laws, or all. Raises ``UsageError`` for one that does not exist."""
    names = list(LAWS) if properties is None else list(properties)
    for name in names:
        if name not in LAWS:
            raise UsageError(f"property {name!r} is not known; known: {', '.join(LAWS)} (invbench list properties)")
    return names


def check(
    target: str | type | Target,
    dtype: str = "float32",
    device: str = "cpu",
    budget: str = "default",
    properties: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda law: None,
    first_seed: int = 0,
) -> Report:
    """Is this coupling or layer a correct inverse? Laws × fixed sweep, deterministic.

    ``target``: a target string, or a registered class. ``properties`` limits the laws; without it ``measures`` has the bounds of
    ``sensitivity``. ``first_seed`` moves the corpus to other random numbers.

    Raises ``UsageError`` for an unknown target, dtype, budget or property; never for what the subject does.
    """
    started = time.monotonic()
    found = _as_target(target)
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    names = asked(properties)
    require_device(device)
    subject = subject_of(found, parse_dtype(dtype), device)
    try:
        subject.twin(), subject.reweighted("noise", 0, 0)
    except Exception as error:  # without a float64 twin nothing can be judged
        message = f"cannot be copied, nor built anew from its state_dict: {type(error).__name__}: {str(error)[:300]}"
        failure = Failure("copies", "soundness", "crash", float("inf"), 0.0, {}, message)
        return Report(found.name, [failure], {"dtype": dtype, "device": device, "budget": budget})
    laws = [LAWS[name] for name in names if LAWS[name].applies(subject)]
    weighted = next(subject.module.parameters(), None) is not None
    corpus = sweep(budget, weighted, first_seed)
    judged = _Worst()
    for law in laws:
        if law.scope == "first" and not judged.found:
            progress(law.name)
            judged.add(law, Case.of(corpus[0], subject))
    if not judged.found:  # where these fail, the others would only echo them
        scopes = {"few"} | ({"deep"} if budget == "deep" else set())
        cases = [Case.of(recipe, subject) for recipe in few(corpus)]
        for law in laws:
            if law.scope in scopes:
                progress(law.name)
                for case in cases:
                    judged.add(law, case)
        wide = [law for law in laws if law.scope == "corpus"]
        for index, recipe in enumerate(corpus if wide else []):
            progress(f"case {index + 1} of {len(corpus)}")
            case = Case.of(recipe, subject)
            for law in wide:
                judged.add(law, case)
    measures = {
        "dtype": dtype,
        "device": device,
        "budget": budget,
        "corpus": CORPUS_VERSION,
        "cases": len(corpus),
        "laws": len(laws),
    }
    if properties is None:
        from invbench.properties.sensitivity import sensitivity  # here: the laws alone stand on no flow

        progress("sensitivity")
        measures |= sensitivity(subject)
    measures["seconds"] = round(time.monotonic() - started, 2)
    return Report(found.name, judged.failures(names), measures)


def _as_target(target: str | type | Target) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return resolve(target, ("coupling", "layer"))
    return of_object(target)


class _Worst:
    """The worst violation per law and kind: a law may find a defect and, elsewhere, an ill-conditioned design."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], tuple[Law, Violation, Recipe]] = {}
        self.crashes: dict[str, int] = {}
        self.hangs = 0

    def add(self, law: Law, case: Case) -> None:
        if self.crashes.get(law.name, 0) >= PATIENCE or self.hangs >= HANGS:
            return
        for violation in judge_case(law, case):
            self.hangs += violation.kind == "crash" and violation.message.startswith(TookTooLong.__name__)
            key = law.name, violation.kind
            if key not in self.found or violation.value > self.found[key][1].value:
                self.found[key] = law, violation, case.recipe
            if violation.kind == "crash":
                self.crashes[law.name] = self.crashes.get(law.name, 0) + 1

    def failures(self, order: list[str]) -> list[Failure]:
        ranked = sorted(self.found.values(), key=lambda item: order.index(item[0].name))
        return [
            Failure(law.name, law.severity, v.kind, v.value, v.bound, recipe.as_dict(), v.message)
            for law, v, recipe in ranked
        ]
