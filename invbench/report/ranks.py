"""Who is ahead: rank intervals and tiers of the entries of one case, from the same inputs."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from invbench.measures.pairwise import pairwise
from invbench.store.record import Record
from invbench.tracks.inputs import Inputs, union

__all__ = ["RANK_OF", "Unit", "like_with_like", "rank", "units"]

# what the rank of a row speaks of: several trainings; one, and the spread that others of the case
# show; one, and nothing is known of others
RANK_OF = ("design", "training, spread of others", "training")

Unit = tuple[Hashable, ...]


def units(cells: Sequence[Record], measure: str = "error") -> dict[Unit, float]:
    """(cluster, case, settings, seed, input) → ``measure`` on that input.

    Cluster: the photograph of a crop, for all conditions and seeds; where inputs have no names, the
    seed of the trained model.
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


def like_with_like(
    groups: Mapping[str, Sequence[Record]],
) -> tuple[dict[str, list[Record]], dict[str, str]]:
    """(entry → the cells that its row is made of, entry → what joins its status) of one case.

    Every input of every condition or attack that any entry without a failed cell has seen is the
    case's set. A training that lacks some of it is left out where another of the entry has all
    (``partial:TRAININGS``); an entry of which none has all keeps them and is not ranked
    (``missing:INPUTS``).
    """
    inputs = {entry: Inputs.of(cells) for entry, cells in groups.items()}
    expected = union(own.seen() for own in inputs.values() if not own.lost)
    kept, said = {}, {}
    for entry, cells in groups.items():
        kept[entry] = list(cells)
        count, short = inputs[entry].lacks(expected)
        if count:
            said[entry] = f"missing:{count}"
        elif short and not inputs[entry].lost:
            said[entry] = f"partial:{len(short)}"
            kept[entry] = [cell for cell in cells if cell.spec.seed not in short]
    return kept, said


def rank(rows: Sequence[dict[str, Any]], inputs: Sequence[Inputs]) -> None:
    """Add ``rank_lo``, ``rank_hi``, ``tier`` by error rate, and ``tier_given`` of the trainings
    that were measured, to the complete rows of one case.

    ``about`` gets what the case can tell, for the notes, whether a row has the least rate
    (``best``, the first of several) and whether it can be told from that one (``from_best``).
    """
    ranked = [k for k, row in enumerate(rows) if row["complete"] and "error_pct" in row]
    if not ranked:
        return
    found, sizes = zip(*(inputs[k].matrices("error") for k in ranked), strict=True)
    given = pairwise(found, sizes[0][0], given=True)
    overall = pairwise(found, sizes[0][0])
    best = int(overall.means.argmin())
    columns = (overall.rank_lo, overall.rank_hi, overall.tier, given.tier)
    for k, lo, hi, tier, tier_given in zip(ranked, *columns, strict=True):
        rows[k] |= {"rank_lo": lo, "rank_hi": hi, "tier": tier, "tier_given": tier_given}
        rows[k]["rank_of"] = RANK_OF[0 if rows[k]["seeds"] > 1 else 1 if overall.freedom else 2]
        place = ranked.index(k)
        rows[k]["about"] |= {"best": place == best, "from_best": bool(overall.apart[best, place])}
        rows[k]["about"] |= {"compared": len(ranked), "p_least": overall.p_least} | {
            name: None if math.isnan(one.difference) else 100 * one.difference
            for name, one in (("apart", overall), ("apart_given", given))
        }
