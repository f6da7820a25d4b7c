"""What rows of every track are made of: rates with intervals, and means, medians and extremes."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence

from invbench.store.cell import NON_FINITE
from invbench.store.record import Record
from invbench.tracks.track import Row

__all__ = ["RATES", "common", "largest", "mean", "median", "of_every_training", "single"]

# notes under every table that has rates
RATES = (
    "Rates are over conditional inputs (one input = one image or one y, K = 10 samples); "
    "cells of status error, oom or timeout count as errors. "
    "Intervals (95 %): Clopper–Pearson at the effective number of inputs, clustered by "
    "photograph (toy: trained seeds) and, where a design was "
    "trained several times, over trainings; of one training they are that training's "
    "alone. n, rate, interval and rank are of the same inputs.",
    "tier: all pairs of entries of a case are tested, over photographs and over "
    "trainings, Holm-adjusted at 5 % for the case; who is in a tier is "
    "told apart from one in the tier before, and none of a tier from another of it. "
    "rank_lo, rank_hi: from the same tests, simultaneous 95 % "
    "intervals. tier_given: the same of the trainings that were measured, photographs alone. "
    "rank_of: design (several trainings); training, spread of others (one training, given "
    "the spread that the others show); training (one, and "
    "nobody shows a spread: another training may rank elsewhere). docs/statistics.md has "
    "simulated error rates.",
    "An entry that lacks a part of the set that others have in a case is not ranked "
    "(missing:INPUTS); a training that lacks some of it is left out "
    "where another of the entry has all (partial:TRAININGS).",
)


def common(entry: str, case: str, cells: Sequence[Record]) -> Row:
    # numpy and scipy: not for whoever only lists the tracks
    from invbench.measures.statistics import rate_interval
    from invbench.tracks.inputs import MEASURES, Inputs

    statuses = Counter(cell.status for cell in cells)
    inputs = Inputs.of(cells)
    row: Row = {
        "entry": entry,
        "track": cells[0].spec.track,
        "case": case,
        "n": sum(len(trial.names) for trial in inputs.trials) + sum(n for _, n in inputs.lost),
        "seeds": len({cell.spec.seed for cell in cells}),
        "status": " ".join(f"{status}:{count}" for status, count in sorted(statuses.items())),
        "complete": all(cell.status in ("ok", "diverged") for cell in cells),
        "inputs": inputs,
    }
    for name in MEASURES if row["n"] else ():
        # an input whose cell failed gave no sample at all: an error, though nobody saw an Inf
        failures, counts = inputs.matrices(name)
        rate, low, high = rate_interval(failures, counts)
        row |= {f"{name}_pct": 100 * rate, f"{name}_lo": 100 * low, f"{name}_hi": 100 * high}
        row["photographs"] = counts.shape[1] if inputs.named else None
    row["max_abs_log10"] = max(
        (v for cell in cells for v in cell.numbers("max_abs_log10")), default=None
    )
    return row


def mean(cells: Sequence[Record], name: str) -> float | None:
    values = [v for cell in cells for v in (cell.numbers(name) or single(cell, name))]
    return sum(values) / len(values) if values else None


def of_every_training(
    samples: Sequence[Record], cells: Sequence[Record], name: str
) -> float | None:
    """The mean of cells of their own, where every training of ``samples`` has it: a row is never
    of some trainings in one column and of others in the next."""
    seeds = {cell.spec.seed for cell in cells if cell.numbers(name)}
    return mean(cells, name) if seeds >= {cell.spec.seed for cell in samples} else None


def median(cells: Sequence[Record], name: str) -> float | None:
    """Of all inputs; infinite when half of them or more are censored; None where one was not
    searched (NaN)."""
    values = [v for cell in cells for v in cell.numbers(name)]
    return None if not values or any(map(math.isnan, values)) else statistics.median_high(values)


def single(cell: Record, name: str) -> list[float]:
    value = cell.measures.get(name)
    return [float(value)] if isinstance(value, (int, float)) or value in NON_FINITE else []


def largest(cells: Sequence[Record], name: str) -> float | None:
    """Over all inputs and cells."""
    return max((v for cell in cells for v in cell.numbers(name)), default=None)
