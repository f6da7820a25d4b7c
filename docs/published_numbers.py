"""Numbers out of results/, as docs/numbers.toml asks for them: rows of a table or inputs of cells,
filtered, reduced to one, written down.

table        "tables/sr.csv": the rows of that file
cells        "sr": one row per input of every cell of that track, with its entry, case, seed, flow,
             photograph and measures; of cells that differ in protocol and date alone the newest
where        column → value that a row must have; a list: one of them; ``*`` stands for anything
take         the column; of a text the first number, or the one that the pattern ``find`` catches
of           how many rows become one: "only" (there must be one), "max", "min", "sum", "mean",
             "median", "count", "distinct"
over, minus  another source, in which this one's keys hold where it has none of its own
as           a format of Python; the sign of a % is left out. "words": the one text that all the
             rows have
"""

from __future__ import annotations

import csv
import math
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks/evidence/again"))
from stored_cells import case_of, cells

Row = dict[str, Any]
Source = dict[str, Any]
NUMBER = r"[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf|∞|Infinity)"
OWN = ("table", "cells", "where", "take", "find", "of")  # what ``over`` and ``minus`` inherit


class NoNumber(Exception):
    """A source that results/ cannot answer; says which and why."""


def _only(values: Sequence[float]) -> float:
    if len(values) != 1:
        raise NoNumber(f"{len(values)} rows, not one")
    return values[0]


REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "only": _only,
    "max": max,
    "min": min,
    "sum": math.fsum,
    "mean": statistics.fmean,
    # a value that was measured, also when half of them are infinite
    "median": statistics.median_high,
}


@lru_cache
def table_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


@lru_cache
def cell_rows(folder: Path) -> list[Row]:
    """One row per input of every cell below ``folder``."""
    newest: dict[tuple[Any, ...], tuple[tuple[int, str], Row]] = {}
    for _, cell in cells(folder):
        spec = cell["spec"]
        settings = spec["settings"]
        of = (
            spec["entry"],
            case_of(spec),
            spec["seed"],
            settings.get("flow"),
            settings.get("size"),
            spec["dtype"],
            spec["device"],
        )
        age = (spec["protocol"], str(cell["provenance"].get("finished", "")))
        if of not in newest or age > newest[of][0]:
            newest[of] = age, cell
    return [row for _, cell in newest.values() for row in _inputs(cell)]


def _inputs(cell: Row) -> list[Row]:
    spec, measures = cell["spec"], cell["measures"]
    case = case_of(spec)
    known = {"entry": spec["entry"], "case": case, "seed": spec["seed"]} | {
        "flow": spec["settings"].get("flow")
    }
    names = measures.get("names", [])
    lists = {
        name: values
        for name, values in measures.items()
        if isinstance(values, list) and len(values) == len(names)
    }
    return [
        {**known, "photograph": f"{case.partition('/')[0]}/{name.rpartition('/')[0]}"}
        | {measure: values[k] for measure, values in lists.items()}
        for k, name in enumerate(names)
    ]


def _fits(row: Row, where: dict[str, Any]) -> bool:
    for column, wanted in where.items():
        patterns = [
            str(w).replace("[", "[[]") for w in (wanted if isinstance(wanted, list) else [wanted])
        ]
        if not any(fnmatchcase(str(row.get(column)), pattern) for pattern in patterns):
            return False
    return True


def _number(value: Any, find: str) -> float:
    found = re.search(find, str(value))
    if not found:
        raise NoNumber(f"no number in {value!r}")
    text = found.group(found.lastindex or 0)
    return float(text.replace("∞", "inf"))


def value(source: Source, results: Path) -> float:
    """The number that ``source`` names. Raises ``NoNumber``."""
    try:
        found = _reduced(source, results)
        base = {key: source[key] for key in OWN if key in source}
        if "over" in source:
            found /= value({**base, **source["over"]}, results)
        if "minus" in source:
            found -= value({**base, **source["minus"]}, results)
    except (OSError, KeyError, ValueError, statistics.StatisticsError, NoNumber) as error:
        raise NoNumber(f"{error} ({ {k: v for k, v in source.items() if k != 'as'} })") from None
    return found


def _chosen(source: Source, results: Path) -> list[Row]:
    rows = (
        table_rows(results / source["table"])
        if "table" in source
        else cell_rows(results / source["cells"])
    )
    return [row for row in rows if _fits(row, source.get("where", {}))]


def _reduced(source: Source, results: Path) -> float:
    chosen = _chosen(source, results)
    how = source.get("of", "only")
    if how == "count":
        return len(chosen)
    if not chosen:
        raise NoNumber("no row fits")
    if how == "distinct":
        return len({row[source["take"]] for row in chosen})
    return REDUCE[how]([_number(row[source["take"]], source.get("find", NUMBER)) for row in chosen])


def written(source: Source, results: Path) -> str:
    """The number as it stands in a text: ``as`` of it, infinity as ∞, no minus before a zero.
    Raises ``NoNumber``."""
    if source["as"] == "words":
        texts = {row[source["take"]] for row in _chosen(source, results)}
        if len(texts) != 1:
            raise NoNumber(f"not one text but {sorted(texts)} ({source})")
        return str(texts.pop())
    found = value(source, results)
    if math.isinf(found):
        return "∞" if found > 0 else "−∞"
    text = format(round(found) if source["as"].endswith("d") else found, source["as"]).rstrip("%")
    return text if re.search("[1-9]", text) else text.lstrip("-")
