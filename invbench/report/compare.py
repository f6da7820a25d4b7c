"""``invbench compare A B``: two entries on the inputs that both saw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invbench.bench.index import Index
from invbench.bench.record import Record
from invbench.errors import UsageError
from invbench.measures.paired import holm, improvement, mcnemar, mean_interval, sign_flip, wilcoxon
from invbench.report.columns import COLUMNS
from invbench.report.ranks import units
from invbench.report.rows import current_cells, grouped

__all__ = ["MEASURES", "Difference", "compare", "in_words"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """How a measure per input is compared. ``larger_is_better``; ``difference`` (a, b) → what is averaged; ``unit`` of that and ``factor`` to it;
    ``counted``: 0 or 1."""

    label: str
    larger_is_better: bool = False
    factor: float = 1.0
    unit: str = ""
    difference: Callable[[Values, Values], Values] = np.subtract
    counted: bool = False


def _direction(a: Values, b: Values) -> Values:
    """+1 where a is larger, −1 where b is: for sizes that may be infinite."""
    return (a > b).astype(np.float64) - (a < b)


MEASURES = {
    "error": Measure("inputs with an error pixel", factor=100, unit="points", counted=True),
    "inf": Measure("inputs with a non-finite pixel", factor=100, unit="points", counted=True),
    "max_abs_log10": Measure(
        "largest |x| of an input", factor=100, unit="% of inputs more than fewer", difference=_direction
    ),
    "lr_psnr_min": Measure("LR-PSNR, minimum of 10 samples", True, unit="dB"),
    "lr_psnr_std": Measure("LR-PSNR, standard deviation of 10 samples", unit="dB"),
    "psnr": Measure("PSNR", True, unit="dB"),
    "ssim": Measure("SSIM", True),
}


TESTS = {"mcnemar": "McNemar", "wilcoxon": "Wilcoxon"}


@dataclass(frozen=True)
class Difference:
    """One measure in one case on ``n`` common inputs of ``clusters`` photographs (toy: trained seeds).

    ``a``, ``b``: means. ``difference``: mean of a − b, with ``low`` and ``high``, its 95 % interval over clusters (``mean_interval``). ``p``: paired
    sign-flip test over clusters; ``second_p``: of ``second``, mcnemar over inputs for 0/1 measures, which takes them for independent, else wilcoxon
    over the means of clusters. Both are Holm-adjusted over the cases of a measure. ``better``: P(a better than b on an input), ties half.
    """

    case: str
    measure: str
    n: int
    clusters: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    second: str
    second_p: float
    better: float


def compare(
    a: str, b: str, track: str = "sr", results: str | Path = "results", pooled: bool = True
) -> list[Difference]:
    """Every measure in every case that both entries have. Raises ``UsageError`` when an entry has no cells, or they share no input."""
    if track not in COLUMNS:
        raise UsageError(f"track {track!r} is not known; known: {', '.join(COLUMNS)} (invbench list tracks)")
    shown, _ = current_cells(Index(results).cells(track))
    groups = grouped(shown, track, pooled)
    entries = sorted({entry for _, entry in groups})
    for name in (a, b):
        if name not in entries:
            raise UsageError(
                f"no cells of {name!r} on track {track!r} in {results}; there are: {', '.join(entries) or 'none'}"
            )
    found = []
    for case in sorted({case for case, entry in groups if entry == a} & {case for case, entry in groups if entry == b}):
        for name, measure in MEASURES.items():
            if one := _difference(case, name, measure, groups[case, a], groups[case, b]):
                found.append(one)
    if not found:
        raise UsageError(f"{a} and {b} share no input on track {track!r}; measure both with the same command")
    for name in MEASURES:
        places = [k for k, one in enumerate(found) if one.measure == name]
        first, second = (holm([getattr(found[k], test) for k in places]) for test in ("p", "second_p"))
        for k, p, second_p in zip(places, first, second, strict=True):
            found[k] = replace(found[k], p=p, second_p=second_p)
    return found


def _difference(case: str, name: str, measure: Measure, ours: list[Record], theirs: list[Record]) -> Difference | None:
    left, right = units(ours, name), units(theirs, name)
    common = sorted(left.keys() & right.keys(), key=repr)
    if not common:
        return None
    x, y = (np.array([side[unit] for unit in common]) for side in (left, right))
    known = ~(np.isnan(x) | np.isnan(y))
    x, y, clusters = x[known], y[known], [unit[0] for unit, keep in zip(common, known, strict=True) if keep]
    if not len(x):
        return None
    apart = measure.factor * measure.difference(x, y)
    mean, low, high = mean_interval(apart, clusters)
    better = improvement(y, x) if measure.larger_is_better else improvement(x, y)
    scale = measure.factor if measure.difference is np.subtract else 1.0
    a, b = scale * float(x.mean()), scale * float(y.mean())
    p = sign_flip(apart, clusters)
    second, second_p = ("mcnemar", mcnemar(x, y)) if measure.counted else ("wilcoxon", wilcoxon(apart, clusters))
    return Difference(case, name, len(x), len(set(clusters)), a, b, mean, low, high, p, second, second_p, better)


def in_words(one: Difference, a: str, b: str) -> str:
    """One difference as a sentence: who is better, by how much, and whether it is shown."""
    measure = MEASURES[one.measure]
    numbers = f"{_number(one.difference)} {measure.unit} [{_number(one.low)}, {_number(one.high)}]".replace("  ", " ")
    where = f"{measure.label}, {one.n} inputs of {one.clusters} photographs or seeds"
    if one.difference == 0 and one.low == one.high == 0:
        return f"{where}: no difference"
    tests = (
        f"(p = {_p(one.p)}, {TESTS[one.second]} p = {_p(one.second_p)}; P({a} better on an input) = {one.better:.2f})"
    )
    if one.p >= 0.05:
        return f"{where}: {a} − {b} = {numbers}, not shown {tests}"
    a_better = (one.difference > 0) == measure.larger_is_better
    return f"{where}: {a if a_better else b} is better, {a} − {b} = {numbers} {tests}"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _number(value: float) -> str:
    if not math.isfinite(value) or abs(value) >= 1e8:
        return "∞" if value > 0 else "−∞"
    return f"{value:+.3g}"
