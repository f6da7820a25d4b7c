"""The tables of what the searches found: cells in, a DataFrame of text out.

Shares (``rate_interval``) and means (``contrast``) have intervals over photographs, and over
trainings where there are several. A median is over photographs, of each the upper median of its
inputs and trainings, with the order statistics for an interval.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from invbench.measures.contrast import contrast
from invbench.measures.statistics import median_interval, rate_interval
from invbench.report.matched import matched
from invbench.store.cell import Cell

LEVELS = ("F1", "F2", "F3", "F4")
LATENT, TYPICAL, CONTROL, SQUARES = "latent", "latent-typical", "latent-random", "latent-squares"
Key = tuple[str, str, str]  # design, data set, attack with its radius
Cells = dict[Key, list[Cell]]  # one cell per training
Row = dict[str, object]


def number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return "not searched" if math.isnan(value) else f"{value:.3g}"


def values(cells: Sequence[Cell], name: str) -> list[float]:
    """The values of a measure, training by training, input by input."""
    return [v for cell in cells for v in cell.numbers(name)]


def photographs(cells: Sequence[Cell]) -> list[str]:
    """The photograph of every input, in the order of ``values``."""
    return [str(name).rpartition("/")[0] for cell in cells for name in cell.measures["names"]]  # type: ignore[union-attr]


def by_photograph(cells: Sequence[Cell], found: Sequence[float]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for photograph, value in zip(photographs(cells), found, strict=True):
        groups.setdefault(photograph, []).append(value)
    return groups


def median(cells: Sequence[Cell], found: Sequence[float]) -> str:
    if any(math.isnan(v) for v in found):
        return f"not searched on {sum(map(math.isnan, found))} of {len(found)}"
    middle, low, high = median_interval(
        [statistics.median_high(v) for v in by_photograph(cells, found).values()]
    )
    return f"{number(middle)} [{number(low)}, {number(high)}]"


def share(cells: Sequence[Cell], name: str) -> str:
    """Per cent of inputs, ``rate_interval`` over photographs and trainings."""
    order = sorted(set(photographs(cells)))
    failures, counts = np.zeros((len(cells), len(order))), np.zeros((len(cells), len(order)))
    for training, cell in enumerate(cells):
        for photograph, hit in zip(photographs([cell]), cell.numbers(name), strict=True):
            failures[training, order.index(photograph)] += hit
            counts[training, order.index(photograph)] += 1
    return "{:.0f} [{:.0f}, {:.0f}]".format(*(100 * v for v in rate_interval(failures, counts)))


def mean_rate(cells: Sequence[Cell], name: str) -> str:
    found = values(cells, name)
    if len(set(found)) < 2:
        return f"{found[0]:.4f}"
    common = matched(name, cells).where(np.isfinite)
    mean = contrast(common.sides[0], common.clusters, 1)
    return f"{mean.mean:.4f} [{max(mean.low, 0):.4f}, {min(mean.high, 1):.4f}]"


def gain(cells: Sequence[Cell]) -> list[float]:
    return [
        v - s
        for v, s in zip(values(cells, "max_abs_log10"), values(cells, "start_log10"), strict=True)
    ]


def head(key: Key, cells: Sequence[Cell]) -> Row:
    design, dataset, attack = key
    n = len(values(cells, "inf")) or len(values(cells, "radius_F2"))
    return {"design": design, "data": dataset, "attack": attack, "trainings": len(cells), "n": n}


def table(
    cells: Cells, wanted: Callable[[str], bool], columns: Callable[[Key, list[Cell]], Row]
) -> pd.DataFrame:
    """A row per key whose attack is ``wanted``: its head and ``columns``."""
    return pd.DataFrame(
        [head(key, own) | columns(key, own) for key, own in cells.items() if wanted(key[2])]
    )


def attack_rows(cells: Cells) -> pd.DataFrame:
    def columns(_: Key, own: list[Cell]) -> Row:
        return {
            **{f"{level}, %": share(own, level) for level in LEVELS},
            "log10 max abs x, median": number(statistics.median_high(values(own, "max_abs_log10"))),
            "worst": number(max(values(own, "max_abs_log10"))),
            "gain, decades": number(statistics.median_high(gain(own))),
            "evaluations to F2": number(statistics.median_high(values(own, "first_F2"))),
            "of": number(max(values(own, "evaluations"))),
        }

    return table(cells, lambda attack: attack != "radius", columns)


def typical_rows(cells: Cells) -> pd.DataFrame:
    """What the search finds among all latents with |z| ≤ 4τ, and among those that look like draws;
    how improbable the finds are."""

    def columns(_: Key, own: list[Cell]) -> Row:
        return {
            "F1, %": share(own, "F1"),
            "F2, %": share(own, "F2"),
            "log10 max abs x": median(own, values(own, "max_abs_log10")),
            "steps to F2": number(statistics.median_high(values(own, "step_F2"))),
            "KS distance to N(0, τ²)": median(own, values(own, "ks")),
            "log10 P at most": number(statistics.median_high(values(own, "log10_p"))),
        }

    return table(cells, lambda attack: attack in (LATENT, TYPICAL, CONTROL), columns)


def objective_rows(cells: Cells) -> pd.DataFrame:
    """Searches that maximise something other than |x|, and what they reached of it."""

    def columns(_: Key, own: list[Cell]) -> Row:
        stretch = values(own, "inv_lipschitz")
        value = [math.log10(v) if 0 < v < math.inf else v for v in stretch] or values(own, "value")
        return {
            "objective": "log10 σmax(J⁻¹), float64"
            if stretch
            else "log10 relative round-trip error",
            "median [95 %]": median(own, value),
            "worst": number(max(value)),
            "largest abs(x̂ − x)": number(max(values(own, "round_trip"))),
        }

    return table(
        cells, lambda a: a.startswith(("latent-stretch", "latent-round-trip", "image")), columns
    )


def rate_rows(cells: Cells) -> pd.DataFrame:
    def columns(_: Key, own: list[Cell]) -> Row:
        rate, clean = (statistics.fmean(values(own, name)) for name in ("rate", "clean_rate"))
        return {
            "latents each": own[0].spec.settings["attack_fresh"],
            "failure rate (F2)": mean_rate(own, "rate"),
            "clean": mean_rate(own, "clean_rate"),
            "ratio": number(rate / clean) if clean else "∞" if rate else "–",
            "worst input": number(max(values(own, "rate"))),
        }

    return table(cells, lambda attack: attack.startswith("condition-"), columns)


def radius_rows(cells: Cells) -> pd.DataFrame:
    """Critical radii: of a latent in τ, among all latents and among typical ones; of the condition
    in 1/255, the smallest of the ladder at which a fresh latent fails (F2)."""

    def columns(key: Key, own: list[Cell]) -> Row:
        row: Row = {
            f"latent, {level}, τ": median(own, values(own, f"radius_{level}"))
            for level in ("F2", "F1", "F4")
        }
        row |= {
            f"typical, {level}, τ": median(own, values(own, f"radius_typical_{level}"))
            for level in ("F2", "F1")
        }
        ladder, radii = condition_radii(cells, *key[:2])
        return row | {"condition, F2, 1/255": median(ladder, radii) if radii else ""}

    return table(cells, lambda attack: attack == "radius", columns).drop(
        columns="attack", errors="ignore"
    )


def condition_radii(cells: Cells, design: str, dataset: str) -> tuple[list[Cell], list[float]]:
    """(cells of the smallest radius, critical radius of each of their inputs)."""
    ladder = {
        own[0].spec.eps or 0: own
        for (d, s, a), own in cells.items()
        if (d, s) == (design, dataset) and a.startswith("condition-")
    }
    if len(ladder) < 2:
        return [], []
    first = ladder[min(ladder)]
    radii = [0.0 if rate > 0 else math.inf for rate in values(first, "clean_rate")]
    for eps, own in sorted(ladder.items(), reverse=True):
        rates = values(own, "rate")
        radii = [
            0.0 if old == 0 else eps if rate > 0 else old
            for old, rate in zip(radii, rates, strict=True)
        ]
    return first, radii


def same_inputs(one: Sequence[Cell], other: Sequence[Cell]) -> bool:
    return [(c.spec.seed, c.measures["names"]) for c in one] == [
        (c.spec.seed, c.measures["names"]) for c in other
    ]


def common(one: Sequence[Cell], other: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """The cells of both whose trainings the other has too; none where the inputs differ."""
    seeds = {c.spec.seed for c in one} & {c.spec.seed for c in other}
    first, second = ([c for c in side if c.spec.seed in seeds] for side in (one, other))
    return (first, second) if same_inputs(first, second) else ([], [])


def gap_rows(cells: Cells) -> pd.DataFrame:
    """By how many decades of max |x| the gradient search beats random latents on the same input,
    with as many evaluations."""
    rows = []
    for (design, dataset, attack), control in cells.items():
        search, control = common(cells.get((design, dataset, LATENT), []), control)
        if attack != CONTROL or not search:
            continue
        pairs = zip(values(search, "max_abs_log10"), values(control, "max_abs_log10"), strict=True)
        gaps = [0.0 if s == c else s - c for s, c in pairs]
        row = {"design": design, "data": dataset, "trainings": len(search), "n": len(gaps)}
        rows.append(row | {"gap, decades": median(search, gaps), "least": number(min(gaps))})
    return pd.DataFrame(rows)
