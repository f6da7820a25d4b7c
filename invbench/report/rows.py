"""From cells to rows: one row per entry and case, every status in the denominators."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from invbench.measures import paired
from invbench.measures import pairwise as pairs
from invbench.measures import statistics as intervals
from invbench.report.ranks import like_with_like, rank
from invbench.store import record as records
from invbench.store.case import case_named, case_of
from invbench.store.cell import FAILED, Cell, CellSpec
from invbench.store.record import Record
from invbench.tracks import TRACKS
from invbench.tracks.kinds import CERTIFICATE
from invbench.tracks.protocols import current, versions_of
from invbench.tracks.row import common, single
from invbench.tracks.track import Row

if TYPE_CHECKING:
    from invbench.store.index import Index

__all__ = [
    "OWN_SIZE",
    "STANDARD_EPS",
    "certified",
    "code_digest",
    "current_cells",
    "gathered",
    "make_rows",
    "other_model",
    "rows_of_case",
    "united",
]

R = TypeVar("R", bound=Record)
OWN_SIZE = "mini"
STANDARD_EPS = 8  # in 1/255, of the attacks that the pooled row unites


def current_cells(cells: Iterable[R]) -> tuple[list[R], list[R]]:
    """(cells to show, stale ones). Stale: another protocol, or an older source, weights or settings
    of the same measurement.

    Of one entry, flow, track, case, seed, dtype and device the newest cell counts. Cells of another
    source of the entry than its newest in that track, or of other weights of a seed than its
    newest, are stale as well, so that a row never mixes two versions.
    """
    ordered = sorted(cells, key=_order)
    kept = [c for c in ordered if current(c.spec)]
    for index in range(4):  # the entry's code first: what another version of it saw does not count
        newest_code = {}
        for cell in kept:
            what, digest = versions_of(cell.spec)[index]
            newest_code[what] = digest
        kept = [c for c in kept if newest_code[(v := versions_of(c.spec)[index])[0]] == v[1]]
    weights = {_model(c.spec): c.spec.weights_digest for c in kept if c.spec.weights_digest}
    newest = {
        (s.track, s.entry, s.case, s.seed, s.dtype, s.device, other_model(cell)): cell
        for cell in kept
        # none: skipped, or trained in the cell
        if (s := cell.spec).weights_digest in ("", weights.get(_model(s)))
    }
    shown = {cell.key for cell in newest.values()}
    return [c for c in ordered if c.key in shown], [c for c in ordered if c.key not in shown]


def _order(cell: Record) -> tuple[object, ...]:
    """By time, then by what was measured: sums over cells do not depend on how they are stored."""
    s = cell.spec
    return cell.finished, s.track, s.entry, s.case, s.seed, s.dtype, s.device, str(s.settings)


def _model(spec: CellSpec) -> tuple[object, ...]:
    """Which trained model a cell measures."""
    return spec.track, spec.entry, spec.seed, spec.settings.get("flow"), spec.settings.get("size")


def gathered(
    cells: Sequence[R], track: str, pooled: bool = False
) -> dict[tuple[str, str], list[R]]:
    """(case, entry) → its cells.

    ``pooled`` puts every condition of a data set but ``clean`` into one row, and into another what
    the attacks (those with a radius at 8/255) reach together. In low light it joins the severities
    of each family.
    """
    groups: dict[tuple[str, str], list[R]] = {}
    for cell in cells:
        spec = cell.spec
        if spec.track != track or spec.measure == CERTIFICATE:
            continue
        if not pooled or spec.eps in (None, STANDARD_EPS):
            groups.setdefault((_case(cell, pooled), cell.spec.entry), []).append(cell)
    return groups


def united(case: str, cells: Sequence[Record]) -> list[Record]:
    """The attacks of a row of attacks as one: an input fails when one of them makes it fail. Other
    cells as they are."""
    return _worst_of(cells) if "/attacked" in case else list(cells)


def make_rows(
    cells: Sequence[Record],
    track: str,
    pooled: bool = False,
    index: Index | None = None,
    ranked: bool = True,
) -> list[Row]:
    """Rows of a track in order of case and rank; ``pooled`` as in ``gathered``. What ``index``
    remembers of a case is not computed again."""
    by_case: dict[str, dict[str, list[Record]]] = {}
    proofs = [cell for cell in cells if cell.spec.measure == CERTIFICATE]
    for (case, entry), members in gathered(cells, track, pooled).items():
        by_case.setdefault(case, {})[entry] = members
    rows: list[Row] = []
    found: dict[str, tuple[str, Any]] = {}
    for case in sorted(by_case, key=_case_order):
        slot = f"rows {track} {case} {pooled} {ranked}"
        of = _of({**by_case[case], "": proofs}) if index else ""
        if (of_case := index.recall(slot, of) if index else None) is None:
            of_case = rows_of_case(track, case, by_case[case], proofs, ranked)
            found[slot] = of, of_case
        rows += of_case
    if index:
        index.remember(found)
    return rows


def rows_of_case(
    track: str,
    case: str,
    groups: dict[str, list[Record]],
    proofs: Sequence[Record],
    ranked: bool,
) -> list[Row]:
    """A row per entry of ``groups``, ranked among each other on the inputs of the case."""
    kept, said = like_with_like(groups)
    row_of = TRACKS[track].row or common
    rows = [row_of(entry, case, united(case, cells)) for entry, cells in kept.items()]
    for row in rows:
        pooled = sorted(
            {c.spec.case for c in kept[row["entry"]] if "inf" in c.measures or c.status in FAILED}
        )
        row |= {"cases": len(pooled) or None, "about": {"set": pooled}}
        row["max_abs_certified"] = certified(proofs, kept[row["entry"]])
        if more := said.get(row["entry"]):
            row["status"] = f"{row['status']} {more}".strip()
            row["complete"] = row["complete"] and not more.startswith("missing")
    inputs = [row.pop("inputs") for row in rows]
    if ranked:
        rank(rows, inputs)
    return sorted(
        rows, key=lambda r: (r.get("tier") or math.inf, r.get("error_pct", math.inf), r["entry"])
    )


def certified(proofs: Sequence[Record], cells: Sequence[Record]) -> float | None:
    """log10 of the bound on |x| of the flows of a row: the largest over its trainings; None when
    one of them has no certificate."""
    of = {(c.spec.entry, c.spec.seed, other_model(c)): c for c in proofs}
    bounds = []
    for cell in cells:
        proof = of.get((cell.spec.entry, cell.spec.seed, other_model(cell)))
        if proof is None or "max_abs" not in proof.measures:
            return None
        bounds += single(proof, "max_abs")
    return max((math.log10(b) if 0 < b < math.inf else b for b in bounds), default=None)


def _of(groups: dict[str, list[Record]]) -> str:
    """Everything that the rows of a case depend on."""
    return json.dumps(
        [
            code_digest(),
            {entry: [getattr(c, "mark", c.key) for c in cells] for entry, cells in groups.items()},
        ]
    )


@lru_cache
def code_digest(*folders: Path) -> str:
    """Of the code that makes rows out of cells, of numpy, and of the code in ``folders``: what is
    remembered is made again when these change."""
    files = [Path(module.__file__ or "") for module in (records, paired, pairs, intervals)]
    files += [file for folder in (Path(__file__).parent, *folders) for file in folder.glob("*.py")]
    found = hashlib.sha256(np.__version__.encode())
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def _case(cell: Record, pooled: bool) -> str:
    spec = cell.spec
    track = TRACKS[spec.track]
    plain = case_of(spec).model_copy(update={"measure": "", "precision": ""})
    own = f" ({spec.part})" if spec.precision or spec.measure in track.own_rows else ""
    row = track.one_case or (track.pooled(plain) if pooled else plain.name)
    return row + own + other_model(cell)


def other_model(cell: Record) -> str:
    """What a row's case says of a flow that is not its track's own at size mini, and of a run in
    another dtype than usual or on another device than the CPU: designs are compared within one of
    each."""
    spec, track = cell.spec, TRACKS.get(cell.spec.track)
    dtype = track.dtypes.get(spec.measure, "float32") if track else "float32"
    run = "".join(
        f" [{v}]"
        for v, own in zip((spec.dtype, spec.device), (dtype, "cpu"), strict=True)
        if v != own
    )
    flow, size = spec.settings.get("flow"), spec.settings.get("size", OWN_SIZE)
    if flow is None or (track and (flow, size) == (track.weights, OWN_SIZE)):
        return run
    return (f" [{flow}]" if size == OWN_SIZE else f" [{flow} {size}]") + run


def _worst_of(cells: Sequence[Record]) -> list[Record]:
    """Cells of several attacks as one per seed: of every input that any of them had, the worst of
    each measure. A failed cell stays one."""
    united: list[Record] = []
    by_seed: dict[int, list[Record]] = {}
    for cell in cells:
        if {"names", "inf", "error", "max_abs_log10"} <= cell.measures.keys():
            by_seed.setdefault(cell.spec.seed, []).append(cell)
        else:
            united.append(cell)
    for group in by_seed.values():
        measures: dict[str, Any] = {}
        for measure in ("inf", "error", "max_abs_log10"):
            worst: dict[str, float] = {}
            for cell in group:
                names = cell.measures["names"]
                assert isinstance(names, list)
                for name, value in zip(map(str, names), cell.numbers(measure), strict=True):
                    worst[name] = max(value, worst.get(name, -math.inf))
            measures |= {"names": list(worst), measure: list(worst.values())}
        status = "diverged" if any(measures["inf"]) else "ok"
        # one name for all entries, whichever attack came first: their inputs are compared by it
        named = case_named(_case(group[0], pooled=True).partition(" ")[0])
        spec = group[0].spec.model_copy(update={**named.model_dump(), "settings": {}})
        united.append(
            Cell.model_construct(key=group[0].key, spec=spec, status=status, measures=measures)
        )
    return united


def _case_order(case: str) -> tuple[str, bool, str]:
    dataset, _, condition = case.partition("/")
    return dataset, condition != "clean", condition
