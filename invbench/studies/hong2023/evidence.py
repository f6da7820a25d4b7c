"""Numbers with intervals, and what they say about one statement.

An effect and its 95 % interval against a threshold: above it, ``yes``; below it, ``no``; around it,
``open``. Inputs of one photograph, or of one trained toy, are no independent evidence: intervals
are drawn over those, and over trainings where there are several (docs/statistics.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from invbench.measures.contrast import contrast
from invbench.measures.statistics import median_interval, rate_interval
from invbench.report.matched import Matched, matched
from invbench.store.cell import FAILED, Cell
from invbench.studies.hong2023.rulebook import PLAIN, Rule, Variant
from invbench.tracks.inputs import MEASURES, Inputs

__all__ = [
    "ONE_TRAINING",
    "TOYS",
    "TRAININGS",
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
# what an interval speaks of
TRAININGS, ONE_TRAINING, TOYS = (
    "photographs and trainings",
    "photographs; one training",
    "trained toys",
)


@dataclass(frozen=True)
class Effect:
    """A number with its 95 % interval, from ``n`` inputs (or toys, or samples) of ``seeds`` trained
    models; 0 where none was trained. ``over``: what the interval speaks of."""

    value: float
    lo: float
    hi: float
    n: int
    seeds: int
    unit: str = ""
    digits: int = 2
    over: str = ""

    def __str__(self) -> str:
        value, lo, hi = (f"{v:.{self.digits}f}" for v in (self.value, self.lo, self.hi))
        return f"{value}{self.unit} [{lo}, {hi}]"


@dataclass(frozen=True)
class Part:
    """One statement of a claim, what was found, and whether that says yes. ``rule``: what had to be
    so for yes; ``written``: when that was decided, ``late``: after data of that kind were stored;
    ``headline``: what the claim's first line says of it; ``over``: what its interval speaks of."""

    statement: str
    outcome: Outcome
    found: str
    rule: str
    n: int = 0
    seeds: int = 0
    written: str = ""
    late: bool = False
    headline: str = ""
    over: str = ""


def conclude(parts: Sequence[Part]) -> Verdict:
    """*holds*: every part says yes; *not testable here*: none could be tested; *holds in part*:
    some say yes, others no, open or not testable;
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
    rule: Rule,
    outcome: Outcome,
    found: str,
    n: int = 0,
    seeds: int = 0,
    variant: Variant = PLAIN,
    number: str = "",
    over: str = "",
) -> Part:
    """A part that a rule decides. The newer date of rule and variant counts; a variant has its own
    data."""
    written, data = max(rule.written, variant.written), variant.data or rule.data
    headline = f"{rule.headline} {number}" if rule.headline and number else ""
    late = bool(data) and written > data
    return Part(
        rule.statement + variant.words,
        outcome,
        found,
        rule.text,
        n,
        seeds,
        written,
        late,
        headline,
        over,
    )


def part(
    rule: Rule, outcome: Outcome, effect: Effect, more: str = "", variant: Variant = PLAIN
) -> Part:
    """A part that one effect decides; ``more`` follows its number."""
    return told(
        rule, outcome, f"{effect}{more}", effect.n, effect.seeds, variant, str(effect), effect.over
    )


def both(*outcomes: Outcome) -> Outcome:
    """yes when all are, no when one is."""
    return "no" if "no" in outcomes else "open" if "open" in outcomes else "yes"


def none(effect: Effect) -> Outcome:
    """yes when nothing was found, no when something was, open when nothing was measured or a cell
    failed."""
    return "open" if math.isnan(effect.value) else "no" if effect.value else "yes"


def median(
    values: Sequence[float], seeds: int, unit: str = "", digits: int = 2, over: str = TOYS
) -> Effect:
    """Median with its exact interval; unbounded for fewer than six values. Raises ``ValueError``
    for none."""
    value, lo, hi = median_interval([float(v) for v in values])
    return Effect(value, lo, hi, len(values), seeds, unit, digits, over)


def share(cells: Sequence[Cell], measure: str) -> Effect:
    """Per cent of inputs with ``measure`` set, one of ``MEASURES``, and its ``rate_interval``. NaN
    where a cell failed: what it would have shown is not known."""
    if any(cell.status in FAILED for cell in cells):
        return _unknown(" %", 1)
    inputs = Inputs.of(cells)
    failures, counts = inputs.matrices(measure)
    value, lo, hi = (100 * v for v in rate_interval(failures, counts))
    seeds = len(inputs.seeds)
    return Effect(
        value,
        lo,
        hi,
        int(counts.sum()),
        seeds,
        " %",
        1,
        _over(bool(seeds) and not inputs.named, seeds > 1),
    )


def mean(
    cells: Sequence[Cell], measure: str, unit: str = "", digits: int = 2, least: float = -math.inf
) -> Effect:
    """Mean over inputs with the interval of ``contrast``. No value can lie below ``least``, nor does
    the interval. NaN without any value."""
    found = _mean(matched(measure, cells), unit, digits)
    return replace(found, lo=least) if found.lo < least else found


def difference(
    a: Sequence[Cell],
    b: Sequence[Cell],
    measure: str,
    unit: str = "",
    digits: int = 2,
    scale: float = 1,
) -> Effect:
    """Mean of a − b, each training of a against each of b on the inputs that all of them saw, times
    ``scale``; its interval that of ``contrast``. NaN where a cell of either failed."""
    if any(cell.status in FAILED for cell in (*a, *b)):
        return _unknown(unit, digits)
    return _mean(
        matched(measure, a, b), unit, digits, scale, abs(scale) if measure in MEASURES else math.inf
    )


def _unknown(unit: str, digits: int) -> Effect:
    return Effect(
        math.nan,
        math.nan,
        math.nan,
        0,
        0,
        f"{unit}, cells failed: invbench run --retry error,oom,timeout",
        digits,
    )


def _mean(
    common: Matched, unit: str, digits: int, scale: float = 1, most: float = math.inf
) -> Effect:
    """Mean of the first entry, or of first − second where there is a second. Non-finite values are
    left out."""
    common = common.where(np.isfinite)
    if not common.clusters:
        return Effect(math.nan, math.nan, math.nan, 0, 0, unit, digits)
    first, *second = common.sides
    found = contrast(
        scale * (first[:, None] - second[0][None] if second else first), common.clusters, most
    )
    over, seeds = _over(common.toys, found.overall), common.trainings[0]
    return Effect(found.mean, found.low, found.high, first.size, seeds, unit, digits, over)


def _over(toys: bool, several: bool) -> str:
    return TOYS if toys else TRAININGS if several else ONE_TRAINING
