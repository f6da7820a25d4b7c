"""Run the laws over a fixed sweep and report the worst violation of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from invbench.conditions.recipe import Recipe
from invbench.errors import UsageError
from invbench.properties.law import LAWS, Case, Law, Violation
from invbench.properties.report import Failure, Report
from invbench.properties.subject import Subject, subject_of
from invbench.properties.sweep import BUDGETS, CORPUS_VERSION, sweep
from invbench.targets import Target, resolve

__all__ = ["DTYPES", "check", "judge", "parse_dtype"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}
ONCE = ("shape", "dtype", "empty-batch", "rank", "layout", "deterministic", "row-independence")
FIRST = ("shape", "dtype")  # where these fail, the others would only echo them


def parse_dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is not supported; choose from {', '.join(DTYPES)}")
    return DTYPES[name]


def judge(law: Law, subject: Subject, recipe: Recipe) -> list[Violation]:
    """The violations of one law on one recipe; whatever the subject raises becomes a violation of kind ``crash``."""
    case = Case.of(recipe, subject)
    try:
        return [_located(v, case) for v in law.check(subject, case)]
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # the subject's own code runs in there
        where = _origin(error)
        return [Violation(float("inf"), 0.0, f"{type(error).__name__}: {str(error)[:300]}{where}", kind="crash")]


def _origin(error: BaseException) -> str:
    trace = error.__traceback__
    last = None
    while trace is not None:
        last, trace = trace, trace.tb_next
    return f" ({last.tb_frame.f_code.co_filename}:{last.tb_lineno})" if last else ""


def _located(violation: Violation, case: Case) -> Violation:
    if violation.row is None or violation.row >= case.x.shape[0]:
        return violation
    x = case.x[violation.row].flatten().tolist()
    shown = ", ".join(f"{v:.9g}" for v in x[:8]) + (", …" if len(x) > 8 else "")
    return replace(violation, message=f"{violation.message}; row {violation.row}, x = [{shown}]")


def check(
    target: str | type | Target,
    dtype: str = "float32",
    device: str = "cpu",
    budget: str = "default",
    properties: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda law: None,
) -> Report:
    """Is this coupling or layer a correct inverse? Laws × fixed sweep, deterministic.

    ``target``: a target string, or a registered class. ``properties`` limits the laws. Raises ``UsageError`` for an unknown
    target, dtype, budget or property; never for what the subject does.
    """
    started = time.monotonic()
    found = _as_target(target)
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    names = list(LAWS) if properties is None else list(properties)
    for name in names:
        if name not in LAWS:
            raise UsageError(f"property {name!r} is not known; known: {', '.join(LAWS)} (invbench list properties)")
    if device != "cpu" and not torch.cuda.is_available():
        raise UsageError(f"device {device!r} is not available here; invbench doctor shows what is")
    subject = subject_of(found, parse_dtype(dtype), device)
    cases = sweep(budget)
    failures: list[Failure] = []
    for name in FIRST + tuple(n for n in LAWS if n not in FIRST):
        law = LAWS[name]
        if name not in names or not law.applies(subject):
            continue
        progress(name)
        worst = _worst_violation(law, subject, cases[:1] if name in FIRST else cases[:24] if name in ONCE else cases)
        failures += [Failure(name, law.severity, v.kind, v.value, v.bound, r.as_dict(), v.message) for v, r in worst]
        if name in FIRST and worst:
            break
    seconds = round(time.monotonic() - started, 2)
    measures = {"dtype": dtype, "device": device, "budget": budget, "corpus": CORPUS_VERSION, "cases": len(cases)}
    return Report(found.name, failures, {**measures, "seconds": seconds})


def _as_target(target: str | type | Target) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return resolve(target, ("coupling", "layer"))
    return resolve(f"{target.__module__}:{target.__qualname__}", ("coupling", "layer"))


def _worst_violation(law: Law, subject: Subject, cases: list[Recipe]) -> list[tuple[Violation, Recipe]]:
    """At most one violation per kind, the worst: a law may find a defect and, elsewhere, an ill-conditioned design.

    A law that crashed ten times over is not run to the end.
    """
    worst: dict[str, tuple[Violation, Recipe]] = {}
    crashes = 0
    for recipe in cases:
        for violation in judge(law, subject, recipe):
            known = worst.get(violation.kind)
            if known is None or violation.value > known[0].value:
                worst[violation.kind] = (violation, recipe)
            crashes += violation.kind == "crash"
        if crashes >= 10:
            break
    return list(worst.values())
