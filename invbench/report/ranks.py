"""Who is ahead: rank intervals and tiers of the entries of one case, from the same inputs."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from invbench.bench.record import Record
from invbench.measures.paired import rank_intervals, tiers

__all__ = ["Unit", "rank", "units"]

Unit = tuple[Hashable, ...]


def units(cells: Sequence[Record], measure: str = "error") -> dict[Unit, float]:
    """(cluster, case, settings, seed, input) → ``measure`` on that input.

    Cluster: the photograph of a crop, for all conditions and seeds; where inputs have no names, the seed of the trained model.
    """
    found: dict[Unit, float] = {}
    known: dict[int, str] = {}  # of settings that cells share as one object
    for cell in cells:
        values = cell.numbers(measure)
        names = cell.measures.get("names")
        if (own := cell.spec.settings) and id(own) not in known:
            known[id(own)] = json.dumps(own, sort_keys=True)
        settings = known.get(id(own), "{}")
        for index, value in enumerate(values):
            name = str(names[index]) if isinstance(names, list) else str(index)
            cluster = name.rpartition("/")[0] or name if isinstance(names, list) else cell.spec.seed
            found[cluster, cell.spec.case, settings, cell.spec.seed, name] = value
    return found


def _of_common_seeds(errors: list[dict[Unit, float]], complete: Sequence[bool]) -> list[dict[Unit, float]]:
    """The units of photographs under flows of the seeds that all complete entries have, if there is one; toys, whose clusters are their
    seeds, stay."""
    seeds = [{unit[3] for unit in own} for own, whole in zip(errors, complete, strict=True) if whole and own]
    common = set.intersection(*seeds) if seeds else set()
    if not common:
        return errors
    return [{u: v for u, v in own.items() if not isinstance(u[0], str) or u[3] in common} for own in errors]


def rank(rows: Sequence[dict[str, Any]], members: Sequence[Sequence[Record]]) -> None:
    """Add ``rank_lo``, ``rank_hi`` and ``tier`` by error rate to the rows of one case; ``members`` are the cells behind each.

    Of flows that were trained with several seeds, those of the seeds that every entry has are compared: one that was trained once is ranked too.
    An entry with failed cells, or without an input that another entry has, is not ranked; what is missing joins its ``status``.
    """
    errors = _of_common_seeds([units(cells) for cells in members], [bool(row["complete"]) for row in rows])
    expected = {unit for row, own in zip(rows, errors, strict=True) if row["complete"] for unit in own}
    ranked: list[int] = []
    for k, (row, own) in enumerate(zip(rows, errors, strict=True)):
        if "error_pct" not in row:
            continue
        if missing := len(expected - own.keys()):
            row["status"] = f"{row['status']} missing:{missing}".strip()
            row["complete"] = False
        if row["complete"]:
            ranked.append(k)
    if not ranked or not expected:
        return
    ordered = sorted(expected, key=repr)
    values = np.array([[errors[k][unit] for k in ranked] for unit in ordered])
    clusters = [unit[0] for unit in ordered]
    low, high = rank_intervals(values, clusters)
    for k, lo, hi, tier in zip(ranked, low, high, tiers(values, clusters), strict=True):
        rows[k] |= {"rank_lo": lo, "rank_hi": hi, "tier": tier}
