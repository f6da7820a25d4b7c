"""Check the laws of a whole distribution, ``log_prob`` and ``sample``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from invbench.devices import require_device, tf32
from invbench.errors import UsageError
from invbench.laws.distributions import (  # noqa: F401  each file adds its laws, in this order
    condition_laws,
    follow_laws,
    mass_laws,
    sample_laws,
    value_laws,
)
from invbench.laws.distributions.case import DistributionCase
from invbench.laws.distributions.distribution import DistributionSubject, seeded
from invbench.laws.distributions.law import (
    DISTRIBUTION_LAWS,
    Decided,
    DistributionLaw,
    Finding,
    Undecided,
)
from invbench.laws.distributions.mass import NotDecided
from invbench.laws.distributions.reading import distribution_of
from invbench.laws.guard import TookTooLong, guarded, origin_of
from invbench.laws.law import Violation, law_names
from invbench.laws.report import Failure, Report
from invbench.registry import Registered, origin
from invbench.targets import Target, resolve

__all__ = ["BUDGETS", "DISTRIBUTION_LAWS", "STEPS", "DistributionLaw", "check_distribution"]

# (rows of a sample, evaluations of an integral), from the smallest; without evaluations no integral
# is asked
STEPS = ((64, 0), (256, 8192), (1024, 32768), (4096, 65536), (16384, 262144), (65536, 1048576))
# budget → (seconds to plan for, largest step, seeds of the weights, conditions)
BUDGETS = {"smoke": (2.5, 3, 1, 1), "default": (15.0, 4, 2, 2), "deep": (300.0, 5, 4, 4)}
SAMPLINGS, CALLS = 16, 100  # calls of sample and of log_prob at one place, whatever their rows
DTYPES = {"float32": torch.float32, "float64": torch.float64}
# seconds for all laws; each has one second at least
LIMIT = {"smoke": 5.0, "default": 30.0, "deep": 600.0}


def check_distribution(
    target: Any,
    dtype: str = "float32",
    device: str = "cpu",
    budget: str = "default",
    properties: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda law: None,
    seed: int = 0,
    rows: int | None = None,
) -> Report:
    """Does ``sample`` draw from ``log_prob``, and is that a density?

    ``target``: a target string, a ``Target`` whose object is a factory ``make(seed)``, or an object
    with ``log_prob`` and ``sample``. ``seed`` moves the random numbers. ``rows``: one of ``STEPS``,
    as ``measures["rows"]`` of a run that is to be repeated; without it, the largest step that the
    time of a call allows.

    ``measures``: ``guesses`` of how the object is called; ``decided``, checks per law;
    ``undecided``, the reason per law. Raises ``UsageError`` for an unknown target, dtype, budget or
    property, and for an object that cannot be read. Whatever the object does is a finding.
    """
    started = time.monotonic()
    names = law_names(properties, DISTRIBUTION_LAWS, " of a distribution")
    if budget not in BUDGETS:
        raise UsageError(f"budget {budget!r} is not known; choose from {', '.join(BUDGETS)}")
    if dtype not in DTYPES:
        raise UsageError(f"a distribution is checked in {' or '.join(DTYPES)}, not in {dtype!r}")
    require_device(device)
    resolved = _as_target(target)
    seconds, largest, seeds, conditions = BUDGETS[budget]
    findings_of = _LawFindings()
    measures: dict[str, Any] = {"dtype": dtype, "device": device, "budget": budget}
    first: DistributionSubject | None = None
    for weights in range(seed, seed + seeds):
        subject = distribution_of(resolved, DTYPES[dtype], device, weights)
        if first is not None and _same(first, subject):
            break
        if first is None:
            first = subject
            places = (conditions if subject.cond_shape is not None else 1) * min(
                2, math.prod(subject.batch_shape)
            )
            size = (
                rows if rows is not None else _affordable(subject, seconds / seeds, largest, places)
            )
            if size not in dict(STEPS):
                raise UsageError(f"rows={size}: one of {', '.join(str(n) for n, _ in STEPS)}")
            measures |= {
                "guesses": subject.guesses,
                "rows": size,
                "conditions": conditions if subject.cond_shape is not None else 0,
            }
        with seeded(seed, device), tf32(False):
            case = DistributionCase(subject, seed, size, dict(STEPS)[size], conditions)
            recipe = {"weights": weights, "seed": seed, "rows": size}
            _ask(
                case,
                names,
                findings_of,
                progress,
                recipe,
                started + LIMIT[budget],
                properties is not None,
            )
    measures |= {
        "laws": len(findings_of.decided),
        "decided": findings_of.decided,
        "undecided": findings_of.reasons(names),
    }
    measures["seconds"] = round(time.monotonic() - started, 2)
    return Report(resolved.name, findings_of.failures(names), measures)


def _as_target(target: Any) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return resolve(target, ("distribution",))
    name = type(target).__name__
    return Target(name, Registered(name, "distribution", lambda seed: target, origin(type(target))))


def _same(one: DistributionSubject, other: DistributionSubject) -> bool:
    """Whether two seeds gave the same distribution: then it has no weights of its own."""
    try:
        with seeded(0, one.device), guarded(60.0):
            cond = one.condition(0)
            x = one.sample(8, cond)[0]
            return torch.equal(one.log_prob(x, cond), other.log_prob(x, cond))
    except Exception:
        return True


def _affordable(subject: DistributionSubject, seconds: float, largest: int, places: int) -> int:
    """The largest step whose calls fit into the time, by one call of log_prob and one of sample."""
    cond = subject.condition(0)
    try:
        with seeded(0, subject.device), guarded(60.0):
            draw, x = _cost(lambda n: subject.sample(n, cond)[0])
            reference = subject.float64_reference or subject
            wide = reference.condition(0)
            ask, _ = _cost(
                lambda n: reference.log_prob(
                    x[:1].to(reference.dtype).expand(n, *x.shape[1:]), wide
                )
            )
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException:
        return STEPS[0][0]
    for n, evaluations in STEPS[largest::-1]:
        rows = 2 * evaluations + (30 + 2 * subject.dim) * n
        took = SAMPLINGS * draw[0] + 8 * n * draw[1] + CALLS * ask[0] + rows * ask[1]
        if took * places <= seconds:
            return n
    return STEPS[0][0]


def _cost(call: Callable[[int], Tensor]) -> tuple[tuple[float, float], Tensor]:
    """((seconds of a call, seconds of one row more), the last result): from 8 rows up to a call
    that is long enough to be timed."""
    n, result = 8, call(8)
    times: list[tuple[int, float]] = []
    while not times or (times[-1][1] < 0.1 and n < 4096):
        if times:
            n *= 8
        start = time.perf_counter()
        result = call(n)
        times.append((n, time.perf_counter() - start))
    (first, short), (last, long) = times[0], times[-1]
    if first == last:
        return (0.0, long / last), result
    row = max(0.0, long - short) / (last - first)
    return (max(0.0, short - first * row), row), result


def _ask(
    case: DistributionCase,
    names: list[str],
    findings_of: _LawFindings,
    progress: Callable[[str], None],
    recipe: dict[str, Any],
    end: float,
    everything: bool,
) -> None:
    """Check every law. A failed law that comes first ends the check, since the others would fail
    too."""
    ordered = sorted(names, key=lambda name: not DISTRIBUTION_LAWS[name].first)
    for name in ordered:
        law = DISTRIBUTION_LAWS[name]
        if not everything and not law.needs(case.subject):
            continue
        progress(name)
        broken = findings_of.add(
            law, _findings(law, case, max(1.0, end - time.monotonic())), recipe
        )
        if broken and law.first:
            return


def _findings(law: DistributionLaw, case: DistributionCase, limit: float) -> list[Finding]:
    """The findings of a law. Anything that the subject raises becomes a violation of kind
    ``crash``."""
    findings: list[Finding] = []
    try:
        with guarded(limit):
            for finding in law.check(case):
                findings.append(finding)
    except NotDecided as why:
        findings.append(Undecided(str(why)))
    except TookTooLong as why:  # of many calls, each of which came back before
        findings.append(Undecided(f"too slow for this budget: {why}"))
    except (KeyboardInterrupt, MemoryError, UsageError):
        raise
    except BaseException as error:  # the subject's own code runs in there, and may even exit
        what = f"{type(error).__name__}: {str(error)[:300]}{origin_of(error)}"
        findings.append(Violation(math.inf, 0.0, what, kind="crash"))
    return findings


class _LawFindings:
    """Per law: the worst violation of each kind, the number of decided checks, and the reasons for
    undecided ones."""

    def __init__(self) -> None:
        self.by_kind: dict[tuple[str, str], Failure] = {}
        self.decided: dict[str, int] = {}
        self.why: dict[str, list[str]] = {}

    def add(self, law: DistributionLaw, findings: list[Finding], recipe: dict[str, Any]) -> bool:
        broken = False
        self.decided.setdefault(law.name, 0)
        for finding in findings:
            if isinstance(finding, Decided):
                self.decided[law.name] += finding.count
            elif isinstance(finding, Undecided):
                self.why.setdefault(law.name, []).append(finding.reason)
            else:
                broken = True
                key = law.name, finding.kind
                if finding.kind != "crash":
                    self.decided[law.name] += law.name in (
                        "integrates-to-one",
                        "samples-follow-density",
                    )
                if key not in self.by_kind or finding.value > self.by_kind[key].value:
                    self.by_kind[key] = Failure(
                        law.name,
                        law.category,
                        finding.kind,
                        finding.value,
                        finding.bound,
                        recipe,
                        finding.message,
                    )
        return broken

    def reasons(self, names: list[str]) -> dict[str, str]:
        return {
            name: "; ".join(dict.fromkeys(self.why[name])) for name in names if name in self.why
        }

    def failures(self, names: list[str]) -> list[Failure]:
        return [
            f for _, f in sorted(self.by_kind.items(), key=lambda item: names.index(item[0][0]))
        ]
