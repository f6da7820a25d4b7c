"""``invbench compare A B``: two entries on the inputs that both saw."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invbench.errors import UsageError
from invbench.measures.contrast import contrast
from invbench.measures.paired import holm, improvement, mcnemar, wilcoxon
from invbench.report.columns import COLUMNS
from invbench.report.matched import matched
from invbench.report.nothing import nothing
from invbench.report.rows import current_cells, gathered, united
from invbench.store.index import Index
from invbench.store.record import Record, StoredCell

__all__ = ["MEASURES", "Difference", "compare", "in_words"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """How a measure per input is compared. ``larger_is_better``; ``difference`` (a, b) → what is
    averaged; ``unit`` of that and ``factor`` to it; ``counted``: 0 or 1."""

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
        "largest |x| of an input",
        factor=100,
        unit="% of inputs more than fewer",
        difference=_direction,
    ),
    "lr_psnr_min": Measure("LR-PSNR, minimum of 10 samples", True, unit="dB"),
    "lr_psnr_std": Measure("LR-PSNR, standard deviation of 10 samples", unit="dB"),
    "psnr": Measure("PSNR", True, unit="dB"),
    "ssim": Measure("SSIM", True),
}


TESTS = {"mcnemar": "McNemar", "wilcoxon": "Wilcoxon"}


@dataclass(frozen=True)
class Difference:
    """One measure in one case on ``n`` common inputs of ``clusters`` photographs (toy: trained
    seeds), under ``trainings`` of a and of b.

    ``a``, ``b``: means. ``difference``: mean of a − b, with ``low`` and ``high``, its 95 %
    interval, and ``p``, over photographs and trainings (``contrast``); ``overall``: of the designs;
    else, where each was trained once, of these trainings. ``second_p``: of ``second``, mcnemar over
    inputs for 0/1 measures of one training each, which takes them for independent, else wilcoxon
    over the means of clusters. Both are Holm-adjusted over the cases of a measure. ``better``: P(a
    better than b on an input), ties half.
    """

    case: str
    measure: str
    n: int
    clusters: int
    trainings: tuple[int, ...]
    overall: bool
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
    """Every measure in every case that both entries have. Raises ``UsageError`` when an entry has
    no cells, or they share no input."""
    if track not in COLUMNS:
        raise UsageError(
            f"track {track!r} is not known; known: {', '.join(COLUMNS)} (invbench list tracks)"
        )
    index = Index(results)
    shown, _ = current_cells(index.cells(track))
    groups = gathered(shown, track, pooled)
    entries = sorted({entry for _, entry in groups})
    if not entries:
        raise nothing(index, track)
    for name in (a, b):
        if name not in entries:
            raise UsageError(
                f"no cells of {name!r} on track {track!r} in {results}; there are: "
                f"{', '.join(entries)}"
            )
    found = []
    for case in sorted(
        {case for case, entry in groups if entry == a}
        & {case for case, entry in groups if entry == b}
    ):
        ours, theirs = _of_common_cases(case, groups[case, a], groups[case, b])
        for name, measure in MEASURES.items():
            if one := _difference(case, name, measure, ours, theirs):
                found.append(one)
    if not found:
        raise UsageError(
            f"{a} and {b} share no input on track {track!r}; measure both with the same command"
        )
    for name in MEASURES:
        places = [k for k, one in enumerate(found) if one.measure == name]
        first, second = (
            holm([getattr(found[k], test) for k in places]) for test in ("p", "second_p")
        )
        for k, p, second_p in zip(places, first, second, strict=True):
            found[k] = replace(found[k], p=p, second_p=second_p)
    return found


def _of_common_cases(case: str, *sides: list[StoredCell]) -> list[list[Record]]:
    """The cells of the conditions and attacks that both have: the worst of eight attacks is not
    compared with the worst of two."""
    common = set.intersection(*[{cell.spec.case for cell in cells} for cells in sides])
    return [united(case, [cell for cell in cells if cell.spec.case in common]) for cells in sides]


def _difference(
    case: str, name: str, measure: Measure, ours: list[Record], theirs: list[Record]
) -> Difference | None:
    common = matched(name, ours, theirs).where(lambda values: ~np.isnan(values))
    (x, y), clusters = common.sides, common.clusters
    if not clusters:
        return None
    every_x, every_y = np.broadcast_arrays(x[:, None], y[None])
    with np.errstate(invalid="ignore"):  # ∞ − ∞
        apart = measure.factor * measure.difference(every_x, every_y)
    share = measure.counted or measure.difference is _direction
    found = contrast(apart, clusters, measure.factor if share else math.inf)
    better = (
        improvement(every_y, every_x) if measure.larger_is_better else improvement(every_x, every_y)
    )
    scale = measure.factor if measure.difference is np.subtract else 1.0
    a, b = scale * float(x.mean()), scale * float(y.mean())
    if measure.counted and len(x) == len(y) == 1:
        second, second_p = "mcnemar", mcnemar(x[0], y[0])
    else:
        second, second_p = (
            "wilcoxon",
            wilcoxon(np.nan_to_num(apart, nan=0.0).mean((0, 1)), clusters),
        )
    overall = found.overall or (common.toys and max(common.trainings) > 1)
    return Difference(
        case,
        name,
        len(clusters),
        len(set(clusters)),
        common.trainings,
        overall,
        a,
        b,
        found.mean,
        found.low,
        found.high,
        found.p,
        second,
        second_p,
        better,
    )


def in_words(one: Difference, a: str, b: str) -> str:
    """One difference as a sentence: who is better, by how much, and whether it is shown."""
    measure = MEASURES[one.measure]
    numbers = (
        f"{_number(one.difference)} {measure.unit} [{_number(one.low)}, {_number(one.high)}]"
    ).replace("  ", " ")
    trained = (
        "these trainings alone"
        if not one.overall
        else f"{one.trainings[0]} and {one.trainings[1]} trainings"
    )
    where = f"{measure.label}, {one.n} inputs of {one.clusters} photographs or seeds, {trained}"
    if one.difference == 0 and one.low == one.high == 0:
        return f"{where}: no difference"
    tests = (
        f"(p = {_p(one.p)}, {TESTS[one.second]} p = {_p(one.second_p)}; P({a} better on an "
        f"input) = {one.better:.2f})"
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
