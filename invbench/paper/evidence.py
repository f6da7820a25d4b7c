"""Numbers with intervals, and what they say about one statement.

An effect and its 95 % interval against a threshold: above it, ``yes``; below it, ``no``; around it, ``open``. Inputs of one photograph, or of one
trained toy, are no independent evidence: intervals are drawn over those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from invbench.bench.cell import FAILED, Cell
from invbench.measures.paired import mean_interval
from invbench.measures.statistics import clopper_pearson, median_interval
from invbench.paper.rulebook import PLAIN, Rule, Variant
from invbench.report.ranks import Unit, units

__all__ = [
    "Effect",
    "Outcome",
    "Part",
    "Verdict",
    "above",
    "below",
    "conclude",
    "difference",
    "mean",
    "median",
    "none",
    "part",
    "share",
    "told",
    "untested",
]

Outcome = Literal["yes", "no", "open", "not testable"]
Verdict = Literal["holds", "holds in part", "not seen", "not testable here"]


@dataclass(frozen=True)
class Effect:
    """A number with its 95 % interval, from ``n`` inputs (or toys, or samples) of ``seeds`` trained models; 0 where none was trained."""

    value: float
    lo: float
    hi: float
    n: int
    seeds: int
    unit: str = ""
    digits: int = 2

    def __str__(self) -> str:
        value, lo, hi = (f"{v:.{self.digits}f}" for v in (self.value, self.lo, self.hi))
        return f"{value}{self.unit} [{lo}, {hi}]"


@dataclass(frozen=True)
class Part:
    """One statement of a claim, what was found, and whether that says yes. ``rule``: what had to be so for yes; ``written``: when that was decided,
    ``late``: after data of that kind were stored; ``headline``: what the claim's first line says of it."""

    statement: str
    outcome: Outcome
    found: str
    rule: str
    n: int = 0
    seeds: int = 0
    written: str = ""
    late: bool = False
    headline: str = ""


def conclude(parts: Sequence[Part]) -> Verdict:
    """*holds*: every part says yes; *not testable here*: none could be tested; *holds in part*: some say yes, others no, open or not testable;
    *not seen*: none says yes."""
    outcomes = [part.outcome for part in parts]
    if all(outcome == "not testable" for outcome in outcomes):
        return "not testable here"
    if all(outcome == "yes" for outcome in outcomes):
        return "holds"
    return "holds in part" if "yes" in outcomes else "not seen"


def above(effect: Effect, threshold: float) -> Outcome:
    """yes when the whole interval lies above ``threshold``, no when none of it does."""
    if math.isnan(effect.lo) or math.isnan(effect.hi):
        return "open"
    return "yes" if effect.lo > threshold else "no" if effect.hi <= threshold else "open"


def below(effect: Effect, threshold: float) -> Outcome:
    """yes when the whole interval lies below ``threshold``, no when none of it does."""
    if math.isnan(effect.lo) or math.isnan(effect.hi):
        return "open"
    return "yes" if effect.hi < threshold else "no" if effect.lo >= threshold else "open"


def untested(statement: str, why: Exception | str) -> list[Part]:
    """A part that nothing was measured for, and what to run."""
    return [Part(statement, "not testable", str(why), "")]


def told(
    rule: Rule, outcome: Outcome, found: str, n: int = 0, seeds: int = 0, variant: Variant = PLAIN, number: str = ""
) -> Part:
    """The part that a rule decides. A variant's rule is as new as the newer of both, and its data are its own."""
    written, data = max(rule.written, variant.written), variant.data or rule.data
    headline = f"{rule.headline} {number}" if rule.headline and number else ""
    late = bool(data) and written > data
    return Part(rule.statement + variant.words, outcome, found, rule.text, n, seeds, written, late, headline)


def part(rule: Rule, outcome: Outcome, effect: Effect, more: str = "", variant: Variant = PLAIN) -> Part:
    """A part that one effect decides; ``more`` is said behind it."""
    return told(rule, outcome, f"{effect}{more}", effect.n, effect.seeds, variant, str(effect))


def both(*outcomes: Outcome) -> Outcome:
    """yes when all are, no when one is."""
    return "no" if "no" in outcomes else "open" if "open" in outcomes else "yes"


def none(effect: Effect) -> Outcome:
    """yes when nothing was found, no when something was, open when nothing was measured or a cell failed."""
    return "open" if math.isnan(effect.value) else "no" if effect.value else "yes"


def median(values: Sequence[float], seeds: int, unit: str = "", digits: int = 2) -> Effect:
    """Median with its exact interval; unbounded for fewer than six values. Raises ``ValueError`` for none."""
    value, lo, hi = median_interval([float(v) for v in values])
    return Effect(value, lo, hi, len(values), seeds, unit, digits)


def share(cells: Sequence[Cell], measure: str) -> Effect:
    """Per cent of inputs with ``measure`` set; Clopper–Pearson when none is set or all are, else ``mean_interval`` over photographs. NaN where a
    cell failed: what it would have shown is not known."""
    if any(cell.status in FAILED for cell in cells):
        return _unknown(" %", 1)
    found = units(cells, measure)
    failures, n = int(sum(found.values())), len(found)
    seeds = len({cell.spec.seed for cell in cells})
    value = 100 * failures / n if n else math.nan
    clusters = len({unit[0] for unit in found})
    if failures in (0, n):  # photographs, not their crops and severities, are the sample
        lo, hi = (100 * end for end in clopper_pearson(clusters if failures else 0, clusters))
    else:
        _, lo, hi = _interval({unit: 100 * v for unit, v in found.items()})
    return Effect(value, lo, hi, n, seeds, " %", 1)


def mean(cells: Sequence[Cell], measure: str, unit: str = "", digits: int = 2) -> Effect:
    """Mean over inputs, ``mean_interval`` over photographs. NaN without any value."""
    return _mean(units(cells, measure), cells, unit, digits)


def difference(
    a: Sequence[Cell], b: Sequence[Cell], measure: str, unit: str = "", digits: int = 2, scale: float = 1
) -> Effect:
    """Mean over the inputs that both saw of a − b, times ``scale``; ``mean_interval`` over photographs. NaN where a cell of either failed."""
    if any(cell.status in FAILED for cell in (*a, *b)):
        return _unknown(unit, digits)
    left, right = units(a, measure), units(b, measure)
    paired = {unit: scale * (left[unit] - right[unit]) for unit in left if unit in right}
    return _mean(paired, a, unit, digits)


def _unknown(unit: str, digits: int) -> Effect:
    return Effect(
        math.nan, math.nan, math.nan, 0, 0, f"{unit}, cells failed: invbench run --retry error,oom,timeout", digits
    )


def _mean(found: dict[Unit, float], cells: Sequence[Cell], unit: str, digits: int) -> Effect:
    finite = {key: value for key, value in found.items() if math.isfinite(value)}
    if not finite:
        return Effect(math.nan, math.nan, math.nan, 0, 0, unit, digits)
    seeds = len({cell.spec.seed for cell in cells})
    return Effect(*_interval(finite), len(finite), seeds, unit, digits)


def _interval(values: dict[Unit, float]) -> tuple[float, float, float]:
    """(mean, low, high), over clusters."""
    return mean_interval(np.array(list(values.values())), [unit[0] for unit in values])
