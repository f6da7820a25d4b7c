"""Sets of changed conditions over which the rows of a table are pooled, so that every entry is
judged on the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from invbench.store.cell import Cell

__all__ = ["ConditionSet", "condition_sets", "of_every_training", "within"]


@dataclass(frozen=True)
class ConditionSet:
    """Conditions of one data set, as the cases of cells."""

    data: str
    cases: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.data}, {len(self.cases)} changed condition{'s' * (len(self.cases) > 1)}"

    @property
    def conditions(self) -> str:
        """Families with their severities: noise 1–5, blur 3."""
        severities: dict[str, list[int]] = {}
        for case in self.cases:
            family, _, severity = case.partition("/")[2].rpartition("-")
            severities.setdefault(family, []).append(int(severity))
        return ", ".join(
            f"{family} {_ranges(sorted(found))}" for family, found in sorted(severities.items())
        )


def _ranges(numbers: list[int]) -> str:
    first, last = numbers[0], numbers[-1]
    whole = numbers == list(range(first, last + 1))
    return (
        str(first) if first == last else f"{first}–{last}" if whole else " ".join(map(str, numbers))
    )


def condition_sets(measured: Mapping[str, Iterable[Cell]]) -> list[ConditionSet]:
    """The sets that some entry was measured on, by data set as they come and the larger first;
    ``measured``: cells of changed conditions by entry."""
    found: dict[ConditionSet, None] = {}
    for cells in measured.values():
        of_data: dict[str, set[str]] = {}
        for cell in cells:
            of_data.setdefault(cell.spec.dataset, set()).add(cell.spec.case)
        found |= dict.fromkeys(
            ConditionSet(data, frozenset(cases)) for data, cases in of_data.items()
        )
    return sorted(
        found, key=lambda s: (s.data == "embedded", s.data, -len(s.cases), sorted(s.cases))
    )


def within(cells: Iterable[Cell], conditions: ConditionSet) -> list[Cell]:
    """Cells of these conditions, from the trainings that were measured on all of them."""
    kept = [cell for cell in cells if cell.spec.case in conditions.cases]
    cases: dict[int, set[str]] = {}
    for cell in kept:
        cases.setdefault(cell.spec.seed, set()).add(cell.spec.case)
    return [cell for cell in kept if cases[cell.spec.seed] == conditions.cases]


def of_every_training(*entries: Sequence[Cell]) -> list[list[Cell]]:
    """Cells of each entry for the cases that every training of every entry has; all cells where
    there is no such case."""
    cases: dict[tuple[int, int], set[str]] = {}
    for entry, cells in enumerate(entries):
        for cell in cells:
            cases.setdefault((entry, cell.spec.seed), set()).add(cell.spec.case)
    common = set.intersection(*cases.values()) if cases else set()
    return [[cell for cell in cells if cell.spec.case in common or not common] for cells in entries]
