"""Run the laws over a fixed sweep and report the worst violation of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import torch

from invbench.declaration import Declaration
from invbench.devices import require_device, tf32
from invbench.errors import UsageError, did_you_mean
from invbench.laws.building import subject_of
from invbench.laws.cases.plan import Clock, Plan, planned
from invbench.laws.cases.sweep import BUDGETS, CORPUS_VERSION, sweep
from invbench.laws.command import check_command
from invbench.laws.dtypes import parse_dtype
from invbench.laws.law import LAWS, law_names
from invbench.laws.report import Failure, Report
from invbench.laws.run import LawRun
from invbench.targets import Target, of_object, resolve

__all__ = ["check"]

DECLARED = tuple(f.name for f in fields(Declaration))
SENSITIVITY_SECONDS, REDUCTION_SECONDS = 10.0, 8.0


def check(
    target: Any,
    dtype: str = "float32",
    device: str = "cpu",
    budget: str = "default",
    properties: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda law: None,
    first_seed: int = 0,
    plan: Plan | None = None,
    **declared: Any,
) -> Report:
    """Is this coupling or layer a correct inverse? Laws × fixed sweep, deterministic.

    ``target``: a target string, a class, a function that builds a layer (of nothing or of
    ``seed``), an instance, or a torch ``Transform``. ``properties``: names of laws; without it all
    laws are checked, and ``measures`` has the bounds of ``sensitivity``. ``first_seed`` moves the
    corpus to other random numbers. ``plan``: the plan of an earlier report, which is repeated
    exactly. Other keywords declare what the layer is, as ``event_shape=(3, 32, 32)``,
    ``domain="unit_interval"`` (``invbench.declaration``). ``.assert_sound()`` of the report raises
    where the layer is not sound.

    Raises ``UsageError`` for an unknown target, dtype, budget or property, and for a declaration
    that the layer contradicts. Whatever else the subject does is a finding.
    """
    for name in declared:
        if name not in DECLARED:
            raise UsageError(f"check() takes no {name!r}{did_you_mean(name, DECLARED)}")
    resolved = _as_target(target, declared)
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    names = law_names(properties)
    require_device(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for small tensors a second thread beside other work costs time
    try:
        with tf32(False):
            return _check(
                resolved,
                dtype,
                device,
                budget,
                names,
                properties is None,
                progress,
                first_seed,
                plan,
            )
    finally:
        torch.set_num_threads(threads)


def _check(
    target: Target,
    dtype: str,
    device: str,
    budget: str,
    names: list[str],
    every_law: bool,
    progress: Callable[[str], None],
    first_seed: int,
    plan: Plan | None,
) -> Report:
    started = time.monotonic()
    progress("survey")
    clock = Clock(budget)
    subject = subject_of(target, parse_dtype(dtype), device)
    if callable(compiling := getattr(subject.module, "compiling", None)):
        clock = Clock(budget, compiling)
    measures: dict[str, Any] = {
        "dtype": dtype,
        "device": device,
        "budget": budget,
        "assumed": list(subject.assumed),
        "guesses": list(getattr(subject.module, "guesses", ())),
        "declared": subject.declaration.as_dict(),
        "command": check_command(target, dtype, device, budget, first_seed),
    }
    try:
        subject.float64_reference(), subject.reweighted("noise", 0, 0)
    except Exception as error:  # without a float64 reference nothing can be judged
        message = (
            f"cannot be copied, nor built anew from its state_dict: "
            f"{type(error).__name__}: {str(error)[:300]}"
        )
        failure = Failure("copies", "soundness", "crash", float("inf"), 0.0, {}, message)
        return Report(target.name, [failure], measures)
    laws = [LAWS[name] for name in names if LAWS[name].applies(subject)]
    weighted = next(subject.module.parameters(), None) is not None
    corpus = sweep(budget, weighted, first_seed)
    plan = plan or planned(subject, budget, corpus[0].rows, len(corpus))
    subject = replace(subject, slow=plan.rows < corpus[0].rows // 4)
    run = LawRun(subject, laws, corpus, plan, clock, progress)
    run.judge(deep=budget == "deep")
    measures |= {
        "corpus": CORPUS_VERSION,
        "cases": run.plan.cases,
        "laws": len(laws),
        "plan": run.plan.as_dict(),
        "decided": {name: tally.decided for name, tally in run.worst.tallies.items()},
        "undecided": run.worst.undecided(),
    }
    if every_law:
        # imported here: the laws alone need no flow
        from invbench.laws.judging.sensitivity import sensitivity

        progress("sensitivity")
        measures |= sensitivity(subject, max(1.0, min(clock.left(), SENSITIVITY_SECONDS)))
    failures = run.worst.failures(names, target, min(clock.left(), REDUCTION_SECONDS), progress)
    measures["seconds"] = round(time.monotonic() - started, 2)
    return Report(target.name, failures, measures)


def _as_target(target: Any, declared: Mapping[str, Any]) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return resolve(target, ("coupling", "layer"), declared)
    return of_object(target, declared)
