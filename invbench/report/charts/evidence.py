"""What the charts draw from: one track's cells, as rows and by case."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from invbench.measures.contrast import contrast
from invbench.measures.statistics import rate_interval
from invbench.report.matched import matched
from invbench.report.ranks import like_with_like
from invbench.report.rows import gathered, make_rows, other_model
from invbench.store.case import Case, case_named, case_of
from invbench.store.cell import CellSpec
from invbench.store.index import Index
from invbench.store.record import Record
from invbench.tracks import TRACKS
from invbench.tracks.inputs import Inputs
from invbench.tracks.track import Page

__all__ = ["Evidence", "Row", "average", "has", "number", "rate"]

Row = dict[str, Any]
MOST_RANKED = 4000  # rows beyond which single conditions are not ranked any more
MOST_DRAWN = 12  # entries in one chart of curves


@dataclass(frozen=True)
class Evidence:
    """``cells``: current ones of ``track`` only; ``index``: where rows made before are
    remembered."""

    track: str
    cells: Sequence[Record]
    index: Index | None = None

    @cached_property
    def pooled(self) -> list[Row]:
        return make_rows(self.cells, self.track, True, self.index)

    @cached_property
    def single(self) -> list[Row]:
        """A row per condition; ranked unless there are very many."""
        ranked = len(gathered(self.cells, self.track)) <= MOST_RANKED
        return make_rows(self.cells, self.track, False, self.index, ranked)

    @cached_property
    def entries(self) -> list[str]:
        """In order of the first pooled row that has them: the best tier first."""
        return list(dict.fromkeys(row["entry"] for row in self.pooled))

    @property
    def drawn(self) -> list[str]:
        """The entries that a chart of curves has room for."""
        return sorted(self.entries[:MOST_DRAWN])

    @property
    def note(self) -> str:
        left = len(self.entries) - MOST_DRAWN
        return (
            f"Drawn: the first {MOST_DRAWN} of {len(self.entries)} entries by rank."
            if left > 0
            else ""
        )

    def row(self, entry: str, case: str) -> Row | None:
        return self._rows.get((entry, case))

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Row]:
        return {(row["entry"], row["case"]): row for row in [*self.single, *self.pooled]}

    def within(self, cases: Collection[str]) -> dict[str, list[Record]]:
        """entry → its cells of the cases, of the trainings that were measured on all that others of
        the entry were."""
        found: dict[str, list[Record]] = {}
        for (case, entry), cells in gathered(self.cells, self.track).items():
            if case in cases:
                found.setdefault(entry, []).extend(cells)
        return like_with_like(found)[0]

    @cached_property
    def ladders(self) -> dict[str, dict[str, dict[float, list[Row]]]]:
        """data set → corruption → severity → rows; of a track without data sets under an empty
        name."""
        found: dict[str, dict[str, dict[float, list[Row]]]] = {}
        for row in self.single:
            case = case_named(row["case"].partition(" ")[0])
            if case.severity is not None and not case.attack and row["case"] == case.name:
                by_severity = found.setdefault(case.dataset, {}).setdefault(case.corruption, {})
                by_severity.setdefault(float(case.severity), []).append(row)
        return found

    def dataset(self, has: Callable[[str], bool]) -> str | None:
        """The data set of most cells among those for which ``has`` holds."""
        counts = Counter(cell.spec.dataset for cell in self.cells)
        return next(
            (name for name, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if has(name)),
            None,
        )

    def by_case(self, keep: Callable[[CellSpec], bool]) -> dict[tuple[Case, str], list[Record]]:
        """(case, entry) → cells of the track's own flow that ``keep`` wants and that measured
        something, in order of the case's name."""
        found: dict[tuple[Case, str], list[Record]] = {}
        for cell in self.cells:
            if keep(cell.spec) and cell.measures and not other_model(cell):
                found.setdefault((case_of(cell.spec), cell.spec.entry), []).append(cell)
        return dict(sorted(found.items(), key=lambda one: (one[0][0].name, one[0][1])))

    @cached_property
    def in_distribution(self) -> tuple[str | None, list[Row]]:
        """(the case that a flow was trained for, the rows of corruptions outside it)."""
        cases = {row["case"] for row in self.single}
        dataset = self.dataset(lambda name: name in self.ladders) or ""
        where = f"{dataset}/" if dataset else ""
        source = next((c for clean in self.page.clean if (c := where + clean) in cases), None)
        families = self.ladders.get(dataset, {}).values()
        rows = [row for family in families for rows in family.values() for row in rows]
        return source, [row for row in rows if row["case"] != source]

    @property
    def page(self) -> Page:
        return TRACKS[self.track].page


def rate(cells: Sequence[Record]) -> tuple[float, float, float]:
    """(rate, low, high) in percent of inputs that fail, over photographs and over trainings where
    there are several."""
    share, low, high = rate_interval(*Inputs.of(cells).matrices("error"))
    return 100 * share, 100 * low, 100 * high


def average(cells: Sequence[Record], measure: str) -> tuple[float, float, float]:
    """(mean, low, high) in percent of a share per input, over photographs and over trainings where
    there are several."""
    common = matched(measure, cells).where(np.isfinite)
    found = contrast(100 * common.sides[0], common.clusters, 100)
    return found.mean, max(0.0, found.low), min(100.0, found.high)


def has(row: Row, column: str) -> bool:
    """Whether a row has a number, finite or not, in a column."""
    value = row.get(column)
    return isinstance(value, (int, float)) and not math.isnan(value)


def number(value: float | None) -> str:
    """Four significant digits, ∞ for infinite, – for nothing."""
    if value is None or math.isnan(value):
        return "–"
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else f"{value:.4g}"
