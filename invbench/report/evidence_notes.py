"""Notes that the rows of a table make themselves: what a pooled row pools, and what the data of a
case can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from invbench.measures.paired import LEVEL

__all__ = ["pooled_sets", "what_can_be_told"]

Row = Mapping[str, Any]
MOST = 20  # lines of a kind


def pooled_sets(rows: Sequence[Row]) -> list[str]:
    """A line for each set that a row pools, with the rows that do; a row that pools fewer than
    another of its case is named."""
    by_set: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for row in rows:
        parts = tuple(row.get("about", {}).get("set", ()))
        if len(parts) > 1:
            names = tuple(part.partition("/")[2] or part for part in parts)
            by_set.setdefault(names, {}).setdefault(row["case"], []).append(row["entry"])
    most = {
        case: max(len(s) for s, cases in by_set.items() if case in cases)
        for c in by_set.values()
        for case in c
    }
    lines = []
    for parts, cases in by_set.items():
        where = [
            case if len(parts) == most[case] else f"{case} of {', '.join(entries)}"
            for case, entries in cases.items()
        ]
        lines.append(f"{'; '.join(where)}: pools {len(parts)} cases: {_families(parts)}.")
    return _first(lines, "sets of pooled rows")


def _families(parts: Iterable[str]) -> str:
    """``jpeg 1–5, zero``: severities of a family together."""
    severities: dict[str, list[int]] = {}
    for part in parts:
        match = re.fullmatch(r"(.*)-(\d)((?:#.*)?)", part)
        name = match[1] + match[3] if match and not part.startswith("attack-") else part
        severities.setdefault(name, []).extend([int(match[2])] if match and name != part else [])
    return ", ".join(f"{name} {_run(found)}".strip() for name, found in severities.items())


def _run(numbers: Sequence[int]) -> str:
    found = sorted(numbers)
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]}–{found[-1]}"
    return " ".join(map(str, found))


def what_can_be_told(rows: Sequence[Row]) -> list[str]:
    """A line for each kind of case: how many entries on how many photographs, the least p that this
    can give, and the difference that is seen."""
    cases: dict[str, Row] = {}
    for row in rows:
        if row.get("about", {}).get("compared", 0) > 1:
            cases.setdefault(row["case"], row)
    kinds: dict[tuple[Any, ...], list[str]] = {}
    for case, row in cases.items():
        about = row["about"]
        if about["p_least"] >= LEVEL:
            kinds.setdefault((about["compared"], row["photographs"], about["p_least"]), []).append(
                case
            )
        else:
            kinds.setdefault((case, about["compared"], row["photographs"]), []).append(case)
    lines = [_said(names, cases[names[0]]) for names in kinds.values()]
    return _first(lines, "cases")


def _said(names: Sequence[str], row: Row) -> str:
    about = row["about"]
    of = f"{row['photographs']} photographs" if row["photographs"] else f"{row['seeds']} seeds"
    where = f"{', '.join(names[:3])}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"
    start = (
        f"{where}: {about['compared']} entries on {of}; smallest p after correction "
        f"{about['p_least']:.2g}"
    )
    if about["p_least"] >= LEVEL:
        return f"{start}: the test cannot tell entries apart, whatever they do."
    if about["apart"] is None:
        return f"{start}."
    overall, given = (
        "" if about[name] is None else f"{about[name]:.0f} points"
        for name in ("apart", "apart_given")
    )
    # None: given these trainings no pair differs in any input, so that there is nothing to tell
    more = "" if given in ("", overall) else f", given these trainings by {given}"
    return f"{start}; half of the pairs are told apart when they differ by {overall}{more}."


def _first(lines: Sequence[str], what: str) -> list[str]:
    if len(lines) <= MOST:
        return list(lines)
    return [*lines[:MOST], f"And {len(lines) - MOST} more {what}."]
