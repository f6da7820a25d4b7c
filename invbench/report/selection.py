"""Which rows and columns of a table are shown, and in which order."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from invbench.errors import UsageError, did_you_mean
from invbench.tracks.columns import absent

if TYPE_CHECKING:
    from invbench.report.table import Table

__all__ = ["Selection"]

SYNTAX = (
    "COLUMN=VALUE, also !=, <, <=, >, >= and ~ (contains), e.g. 'entry=affine,additive' "
    "or 'error_pct<5'"
)
CONDITION = re.compile(r"\s*(\w+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Selection:
    """``columns`` to show, none meaning the usual ones; ``where``: conditions that all must hold;
    ``sort``: column to sort by."""

    columns: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    sort: str = ""
    descending: bool = False

    def __bool__(self) -> bool:
        return bool(self.columns or self.where or self.sort)

    def apply(self, table: Table) -> Table:
        """The table with these rows and columns, and a note that says so. Raises ``UsageError`` for
        what it does not have."""
        frame, notes = table.frame, []
        for condition in self.where:
            frame = frame[_holds(condition, frame, table.track)]
        if self.where:
            notes.append(
                f"Rows with {' and '.join(self.where)}: {len(frame)} of {len(table.frame)}."
            )
        if self.where and "tier" in frame and frame["tier"].notna().any():
            notes.append("Ranks and tiers are among all entries of a case, also those not shown.")
        if self.sort:
            _known(self.sort, frame, table.track)
            frame = _sorted(frame, self.sort, self.descending)
            notes.append(
                f"Sorted by {self.sort}, {'largest' if self.descending else 'smallest'} first."
            )
        for column in self.columns:
            _known(column, frame, table.track)
        frame = frame.reset_index(drop=True)
        return replace(table, frame=frame, notes=[*table.notes, *notes], columns=self.columns)


def _known(column: str, frame: pd.DataFrame, track: str) -> None:
    if column in frame:
        return
    hint = did_you_mean(column, frame.columns) or f"; there are: {', '.join(frame.columns)}"
    raise UsageError(f"track {track!r} has no column {column!r}{hint} (invbench explain COLUMN)")


def _holds(condition: str, frame: pd.DataFrame, track: str) -> list[bool]:
    """Which rows meet a condition. A value that is not there is unequal to everything and meets
    nothing else."""
    match = CONDITION.fullmatch(condition)
    if not match or not match[3]:
        raise UsageError(f"--where {condition!r} is not of the form {SYNTAX}")
    column, sign, wanted = match.groups()
    _known(column, frame, track)
    values = frame[column].tolist()
    if sign in ORDERED:
        bound = _number(wanted)
        if math.isnan(bound) or any(isinstance(v, str) for v in values):
            raise UsageError(
                f"--where {condition!r} compares sizes: give a column of numbers and a number"
            )
        return [not absent(v) and ORDERED[sign](v, bound) for v in values]
    if sign == "~":
        return [not absent(v) and wanted in _word(v) for v in values]
    choices = [choice.strip() for choice in wanted.split(",")]
    met = [not absent(v) and any(_same(v, choice) for choice in choices) for v in values]
    return met if sign == "=" else [not one for one in met]


def _same(value: Any, wanted: str) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(value == _number(wanted))
    return _word(value) == (wanted.lower() if isinstance(value, bool) else wanted)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _sorted(frame: pd.DataFrame, column: str, descending: bool) -> pd.DataFrame:
    """Rows without a value last, whichever way; equal ones in the order that they had."""
    values = frame[column].tolist()
    words = any(isinstance(v, str) for v in values)
    known = [k for k, v in enumerate(values) if not absent(v)]
    known.sort(key=lambda k: str(values[k]) if words else values[k], reverse=descending)
    ordered: Sequence[int] = [*known, *(k for k, v in enumerate(values) if absent(v))]
    return frame.iloc[list(ordered)]
