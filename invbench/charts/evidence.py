"""What the charts draw from: one track's cells, as rows and by case."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from invbench.bench.index import Index
from invbench.bench.record import Record
from invbench.measures.statistics import clopper_pearson
from invbench.report.rows import gathered, make_rows, other_model

__all__ = ["Evidence", "number"]

Row = dict[str, Any]
MOST_RANKED = 4000  # rows beyond which single conditions are not ranked any more
MOST_DRAWN = 12  # entries in one chart of curves


@dataclass(frozen=True)
class Evidence:
    """``cells``: current ones of ``track`` only; ``index``: where rows made before are remembered."""

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
        return f"Drawn: the first {MOST_DRAWN} of {len(self.entries)} entries by rank." if left > 0 else ""

    def row(self, entry: str, case: str) -> Row | None:
        return self._rows.get((entry, case))

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Row]:
        return {(row["entry"], row["case"]): row for row in [*self.single, *self.pooled]}

    @cached_property
    def ladders(self) -> dict[str, dict[str, dict[float, list[Row]]]]:
        """data set → family → severity → rows. In the toy the one family is the shift of y, its severity the shift."""
        found: dict[str, dict[str, dict[float, list[Row]]]] = {}
        for row in self.single:
            dataset, _, condition = row["case"].partition("/")
            if self.track == "toy2d":
                dataset, condition = "toy", row["case"]
            if match := re.fullmatch(r"(?P<family>(?!attack-).+)-(?P<severity>[0-9.]+)", condition):
                by_severity = found.setdefault(dataset, {}).setdefault(match["family"], {})
                by_severity.setdefault(float(match["severity"]), []).append(row)
        return found

    def dataset(self, has: Callable[[str], bool]) -> str | None:
        """The data set of most cells among those for which ``has`` holds."""
        counts = Counter(cell.spec.case.partition("/")[0] for cell in self.cells)
        return next((name for name, _ in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if has(name)), None)

    def by_case(self, part: str) -> dict[tuple[str, str], list[Record]]:
        """(case, entry) → cells of the track's own flow whose case contains ``part`` and that measured something."""
        found: dict[tuple[str, str], list[Record]] = {}
        for cell in self.cells:
            if part in cell.spec.case and cell.measures and not other_model(cell):
                found.setdefault((cell.spec.case, cell.spec.entry), []).append(cell)
        return found


def rate(failures: float, n: int) -> tuple[float, float, float]:
    """(rate, low, high) in percent."""
    low, high = clopper_pearson(round(failures), n)
    return 100 * failures / n, 100 * low, 100 * high


def number(value: float | None) -> str:
    """Four significant digits, ∞ for infinite, – for nothing."""
    if value is None or math.isnan(value):
        return "–"
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else f"{value:.4g}"
