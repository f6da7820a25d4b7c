"""What the overview says in words, made from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["sentences"]

MOST_NAMED = 6
WHERE = {
    "changed": "on changed conditions",
    "clean": "on clean conditions",
    "attacked": "under attack",
}


def sentences(rows: Sequence[Mapping[str, Any]], ranked_by: str) -> list[str]:
    """The first says who wins; the second between which rates; the third of what the ranks speak.

    ``rows``: of one case, each with ``name``, and where it is ranked ``tier``, ``error_pct``,
    ``rank_of`` and in ``about`` whether it is the ``best`` and can be told from it (``from_best``).
    """
    ranked = sorted(
        (row for row in rows if row.get("tier")),
        key=lambda r: (r["error_pct"], not r["about"]["best"], r["name"]),
    )
    where, count = WHERE[ranked_by], f"{len(rows)} entries" if len(rows) > 1 else "1 entry"
    if len(ranked) < 2:
        only = f"{ranked[0]['name']} is ranked alone" if ranked else "none is ranked"
        return [f"Of {count}, {only}: there is nothing to compare {where}."]
    best, *others = ranked
    level = [row["name"] for row in others if not row["about"]["from_best"]]
    of = f"Of {count}" + (f" ({len(ranked)} ranked)" if len(ranked) < len(rows) else "")
    if len(level) == len(others):
        first = f"{of}, none can be told from another {where}."
        if any(row["tier"] > 1 for row in ranked):
            first = f"{of}, {best['name']} fails least {where}, and none can be told from it."
    elif level:
        first = (
            f"{of}, {best['name']} fails least {where}; {len(level)} cannot be told from it: "
            f"{_named(level)}."
        )
    else:
        first = f"{of}, {best['name']} fails least {where}, and every other can be told from it."
    last = ranked[-1]
    rates = f"{best['error_pct']:.1f} to {last['error_pct']:.1f} % of inputs fail"
    if best["error_pct"] == last["error_pct"]:
        second = f"Every ranked entry fails on {best['error_pct']:.1f} % of inputs."
    else:
        second = f"Between the best and the last, {last['name']}, {rates}."
    kinds = {row["rank_of"] for row in ranked}
    if kinds == {"training"}:
        third = "Each was trained once: the ranks speak of these trainings, not of the designs."
    elif "design" in kinds and len(kinds) == 1:
        third = "Each was trained several times: the ranks speak of the designs."
    else:
        third = "Some were trained once, and take their spread from the others."
    return [first, second, third]


def _named(names: Sequence[str]) -> str:
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
    return ", ".join(names)
