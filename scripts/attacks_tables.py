"""The tables of what the searches found: cells in, a DataFrame of text out. Used by attacks.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from invbench.bench.cell import Cell
from invbench.measures.statistics import clopper_pearson, median_interval

LEVELS = ("F1", "F2", "F3", "F4")
LATENT, CONTROL, SQUARES = "latent", "latent-random", "latent-squares"
DECADE = 0.1  # by which random must beat the search before that is said
Key = tuple[str, str, str]  # design, data set, attack with its radius


def number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.3g}"


def median(values: Sequence[float]) -> str:
    middle, low, high = median_interval(values)
    return f"{number(middle)} [{number(low)}, {number(high)}]"


def share(hits: Sequence[float]) -> str:
    low, high = clopper_pearson(int(sum(hits)), len(hits))
    return f"{100 * sum(hits) / len(hits):.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def mean_rate(values: Sequence[float]) -> str:
    """Mean over inputs with a bootstrap interval over inputs."""
    middle = statistics.fmean(values)
    if len(set(values)) < 2:
        return f"{middle:.4f}"
    found = bootstrap((np.asarray(values),), np.mean, method="percentile", rng=np.random.default_rng(0))
    return f"{middle:.4f} [{found.confidence_interval.low:.4f}, {found.confidence_interval.high:.4f}]"


def gain(cell: Cell) -> list[float]:
    return [v - s for v, s in zip(cell.numbers("max_abs_log10"), cell.numbers("start_log10"), strict=True)]


def attack_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack == "radius":
            continue
        row: dict[str, object] = {"design": design, "data": dataset, "attack": attack, "n": len(cell.numbers("inf"))}
        row |= {f"{level}, %": share(cell.numbers(level)) for level in LEVELS}
        row["log10 max abs x, median"] = number(statistics.median_high(cell.numbers("max_abs_log10")))
        row["worst"] = number(max(cell.numbers("max_abs_log10")))
        row["gain, decades"] = number(statistics.median_high(gain(cell)))
        row["evaluations to F2"] = number(statistics.median_high(cell.numbers("first_F2")))
        row["of"] = number(max(cell.numbers("evaluations")))
        rows.append(row)
    return pd.DataFrame(rows)


def objective_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """The searches that do not go up |x|: what they reached of their own objective, and the condition searches' rates."""
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack.startswith(("latent-stretch", "latent-round-trip", "image")):
            stretch = cell.numbers("inv_lipschitz")
            value = [math.log10(v) if 0 < v < math.inf else v for v in stretch] or cell.numbers("value")
            name = "log10 σmax(J⁻¹), float64" if stretch else "log10 relative round-trip error"
            row = {"design": design, "data": dataset, "attack": attack, "objective": name, "n": len(value)}
            trips = cell.numbers("round_trip")
            rows.append(
                row
                | {
                    "median [95 %]": median(value),
                    "worst": number(max(value)),
                    "largest abs(x̂ − x)": number(max(trips)),
                }
            )
    return pd.DataFrame(rows)


def rate_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if rates := cell.numbers("rate"):
            clean = cell.numbers("clean_rate")
            ratio = (
                statistics.fmean(rates) / statistics.fmean(clean)
                if any(clean)
                else math.inf
                if any(rates)
                else math.nan
            )
            row = {
                "design": design,
                "data": dataset,
                "attack": attack,
                "n": len(rates),
                "latents each": cell.spec.settings["attack_fresh"],
            }
            row |= {"failure rate (F2)": mean_rate(rates), "clean": mean_rate(clean)}
            rows.append(row | {"ratio": "–" if math.isnan(ratio) else number(ratio), "worst input": number(max(rates))})
    return pd.DataFrame(rows)


def radius_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Critical radii: of a latent in τ; of the condition in 1/255, the smallest of the ladder at which a fresh latent fails (F2)."""
    rows = []
    for (design, dataset, attack), cell in cells.items():
        if attack == "radius":
            row: dict[str, object] = {"design": design, "data": dataset, "n": len(cell.numbers("radius_F2"))}
            for level in ("F2", "F1", "F4"):
                row[f"latent, {level}, τ"] = median(cell.numbers(f"radius_{level}"))
            condition = condition_radii(cells, design, dataset)
            row["condition, F2, 1/255"] = median(condition) if condition else ""
            rows.append(row)
    return pd.DataFrame(rows)


def condition_radii(cells: dict[Key, Cell], design: str, dataset: str) -> list[float]:
    ladder = {
        int(cell.spec.settings["eps_255"] or 0): cell
        for (d, s, a), cell in cells.items()
        if (d, s) == (design, dataset) and a.startswith("condition-")
    }
    if len(ladder) < 2:
        return []
    first = ladder[min(ladder)]
    radii = [0.0 if rate > 0 else math.inf for rate in first.numbers("clean_rate")]
    for eps, cell in sorted(ladder.items(), reverse=True):
        radii = [
            0.0 if old == 0 else eps if rate > 0 else old for old, rate in zip(radii, cell.numbers("rate"), strict=True)
        ]
    return radii


def gap_rows(cells: dict[Key, Cell]) -> pd.DataFrame:
    """Decades of max |x| by which the gradient search beats the random control on the same input with as many evaluations."""
    rows = []
    for (design, dataset, attack), control in cells.items():
        search = cells.get((design, dataset, LATENT))
        if attack != CONTROL or search is None or search.measures["names"] != control.measures["names"]:
            continue
        pairs = zip(search.numbers("max_abs_log10"), control.numbers("max_abs_log10"), strict=True)
        gaps = [0.0 if s == c else s - c for s, c in pairs]
        rows.append(
            {
                "design": design,
                "data": dataset,
                "n": len(gaps),
                "gap, decades": median(gaps),
                "least": number(min(gaps)),
            }
        )
    return pd.DataFrame(rows)


def doubts(cells: dict[Key, Cell]) -> list[str]:
    """What the sanity flags of ``invbench.attacks.sanity`` say, over the cells."""
    flags = []
    for (design, dataset, attack), cell in cells.items():
        for name, text in (
            ("blind", "no gradient"),
            ("flat", "the gradient was exactly 0"),
            ("unconfirmed", "not confirmed by a plain decode"),
        ):
            if count := sum(v > 0 for v in cell.numbers(name)):
                flags.append(f"{design}, {dataset}, {attack}: {text} on {count} of {len(cell.numbers(name))} inputs")
        search = cells.get((design, dataset, LATENT))
        if (
            attack in (CONTROL, SQUARES)
            and search is not None
            and len(search.numbers("inf")) == len(cell.numbers("inf"))
        ):
            pairs = list(zip(cell.numbers("max_abs_log10"), search.numbers("max_abs_log10"), strict=True))
            if better := sum(o > s + DECADE for o, s in pairs):
                flags.append(
                    f"{design}, {dataset}: {attack} reaches larger values than the gradient search on {better} of {len(pairs)} inputs"
                )
            if alone := sum(o and not s for o, s in zip(cell.numbers("F2"), search.numbers("F2"), strict=True)):
                flags.append(f"{design}, {dataset}: {attack} alone makes {alone} inputs fail (F2): suspected masking")
    return flags


def targets(cells: dict[Key, Cell]) -> pd.DataFrame:
    """What the searches must reach (issue 6), on BSD100."""
    rows = []

    def add(what: str, measured: str, met: bool) -> None:
        rows.append({"target": what, "measured": measured, "verdict": "met" if met else "missed"})

    for design in ("affine", "affine-floor"):
        search, control = (cells.get((design, "BSD100", name)) for name in (LATENT, CONTROL))
        if search and control:
            hits, steps = search.numbers("F1"), search.numbers("step_F1")
            add(
                f"{design}: non-finite on 100 % of ≥ 50 conditions",
                f"{int(sum(hits))} of {len(hits)}",
                sum(hits) == len(hits) >= 50,
            )
            add(
                f"{design}: median of ≤ 10 gradient steps",
                number(statistics.median_high(steps)),
                statistics.median_high(steps) <= 10,
            )
            ours = statistics.median_high(search.numbers("first_F1"))
            theirs = statistics.median_high(
                [min(f, e) for f, e in zip(control.numbers("first_F1"), control.numbers("evaluations"), strict=True)]
            )
            reached = f"{int(sum(control.numbers('F1')))} of {len(control.numbers('F1'))} by random"
            add(
                f"{design}: random needs ≥ 10× the evaluations to F1",
                f"{number(ours)} against more than {number(theirs)} ({reached})",
                theirs >= 10 * ours,
            )
        if found := cells.get((design, "BSD100", "condition-8")):
            rate, clean = (statistics.fmean(found.numbers(name)) for name in ("rate", "clean_rate"))
            add(
                f"{design}: failure rate over fresh latents at 8/255 ≥ 5× the clean one",
                f"{rate:.4f} against {clean:.4f}",
                rate > 0 and rate >= 5 * clean,
            )
    return pd.DataFrame(rows)
