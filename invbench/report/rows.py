"""From cells to rows: one row per entry and case, every status in the denominators."""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from invbench.measures import paired
from invbench.measures import pairwise as pairs
from invbench.measures import statistics as intervals
from invbench.measures.statistics import rate_interval
from invbench.report.inputs import MEASURES, Inputs
from invbench.report.ranks import like_with_like, rank
from invbench.store import record as records
from invbench.store.cell import FAILED, NON_FINITE, Cell, CellSpec, protocol_of
from invbench.store.record import Record

if TYPE_CHECKING:
    from invbench.store.index import Index

__all__ = ["code_digest", "current_cells", "gathered", "make_rows", "other_model", "united"]

Row = dict[str, Any]
R = TypeVar("R", bound=Record)
POOLED = "ood"
OWN_ROW = ("fp16", "mean")  # behind the # of a case whose cells have a row of their own
OWN_FLOW, OWN_SIZE = {"sr": "srflow", "lowlight": "llflow", "unconditional": "glow"}, "mini"
# column -> measure
RADII = {"critical_radius": "radius_F2", "critical_radius_typical": "radius_typical_F2"}
# in the name of a case; of the attacks that the pooled row unites, in 1/255
ATTACK, STANDARD_EPS = "attack-", 8


def current_cells(cells: Iterable[R]) -> tuple[list[R], list[R]]:
    """(cells to show, stale ones). Stale: another protocol, or an older source, weights or settings
    of the same measurement.

    Of one entry, flow, track, case, seed, dtype and device the newest cell counts. Cells of another
    source of the entry than its newest in that track, or of other weights of a seed than its
    newest, are stale as well, so that a row never mixes two versions.
    """
    ordered = sorted(cells, key=_order)
    current = [c for c in ordered if c.spec.protocol == protocol_of(c.spec.track, c.spec.case)]
    source = {(s.track, s.entry): s.entry_digest for s in (c.spec for c in current)}
    current = [c for c in current if c.spec.entry_digest == source[c.spec.track, c.spec.entry]]
    weights = {_model(c.spec): c.spec.weights_digest for c in current if c.spec.weights_digest}
    newest = {
        (s.track, s.entry, s.case, s.seed, s.dtype, s.device, other_model(cell)): cell
        for cell in current
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
        if cell.spec.track == track and not (
            pooled and cell.spec.settings.get("eps_255", STANDARD_EPS) != STANDARD_EPS
        ):
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
    for (case, entry), members in gathered(cells, track, pooled).items():
        by_case.setdefault(case, {})[entry] = members
    rows: list[Row] = []
    found: dict[str, tuple[str, Any]] = {}
    for case in sorted(by_case, key=_case_order):
        slot, of = f"rows {track} {case} {pooled} {ranked}", _of(by_case[case]) if index else ""
        if (of_case := index.recall(slot, of) if index else None) is None:
            of_case = _rows_of(track, case, by_case[case], ranked)
            found[slot] = of, of_case
        rows += of_case
    if index:
        index.remember(found)
    return rows


def _rows_of(track: str, case: str, groups: dict[str, list[Record]], ranked: bool) -> list[Row]:
    kept, said = like_with_like(groups)
    rows = [ROW[track](entry, case, united(case, cells)) for entry, cells in kept.items()]
    for row in rows:
        pooled = sorted(
            {c.spec.case for c in kept[row["entry"]] if "inf" in c.measures or c.status in FAILED}
        )
        row |= {"cases": len(pooled) or None, "about": {"set": pooled}}
        if more := said.get(row["entry"]):
            row["status"] = f"{row['status']} {more}".strip()
            row["complete"] = row["complete"] and not more.startswith("missing")
    inputs = [row.pop("inputs") for row in rows]
    if ranked:
        rank(rows, inputs)
    return sorted(
        rows, key=lambda r: (r.get("tier") or math.inf, r.get("error_pct", math.inf), r["entry"])
    )


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
    case, _, part = cell.spec.case.partition("#")  # behind it: which of the case's cells
    own = (f" ({part})" if part in OWN_ROW else "") + other_model(cell)
    if cell.spec.track == "coupling":
        return f"corpus{own}"
    if not pooled or case == "in":
        return case + own
    if cell.spec.track == "toy2d":
        return ("shift-0.8" if case == "shift-0.8" else f"{POOLED} (other shifts)") + own
    dataset, _, condition = case.partition("/")
    if cell.spec.track == "lowlight":
        return f"{dataset}/{re.sub(r'-[1-9]$', '', condition)}{own}"
    if condition.startswith(ATTACK):
        return f"{dataset}/attacked{own}"
    return f"{dataset}/{'clean' if condition == 'clean' else POOLED}{own}"


def other_model(cell: Record) -> str:
    """What a row's case says of a flow that is not its track's own at size mini, and of a run in
    another dtype than float32 or on another device than the CPU: designs are compared within one of
    each. ``#stretch`` is always in float64."""
    usual = ("float64" if cell.spec.case.endswith("#stretch") else "float32", "cpu")
    run = "".join(
        f" [{v}]"
        for v, own in zip((cell.spec.dtype, cell.spec.device), usual, strict=True)
        if v != own
    )
    flow, size = cell.spec.settings.get("flow"), cell.spec.settings.get("size", OWN_SIZE)
    if flow is None or (flow, size) == (OWN_FLOW.get(cell.spec.track), OWN_SIZE):
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
        spec = group[0].spec.model_copy(
            update={"case": _case(group[0], pooled=True), "settings": {}}
        )
        united.append(
            Cell.model_construct(key=group[0].key, spec=spec, status=status, measures=measures)
        )
    return united


def _case_order(case: str) -> tuple[str, bool, str]:
    dataset, _, condition = case.partition("/")
    return dataset, condition != "clean", condition


def _common(entry: str, case: str, cells: list[Record]) -> Row:
    statuses = Counter(cell.status for cell in cells)
    inputs = Inputs.of(cells)
    row: Row = {
        "entry": entry,
        "track": cells[0].spec.track,
        "case": case,
        "n": sum(len(trial.names) for trial in inputs.trials) + sum(n for _, n in inputs.lost),
        "seeds": len({cell.spec.seed for cell in cells}),
        "status": " ".join(f"{status}:{count}" for status, count in sorted(statuses.items())),
        "complete": all(cell.status in ("ok", "diverged") for cell in cells),
        "inputs": inputs,
    }
    for name in MEASURES if row["n"] else ():
        # an input whose cell failed gave no sample at all: an error, though nobody saw an Inf
        failures, counts = inputs.matrices(name)
        rate, low, high = rate_interval(failures, counts)
        row |= {f"{name}_pct": 100 * rate, f"{name}_lo": 100 * low, f"{name}_hi": 100 * high}
        row["photographs"] = counts.shape[1] if inputs.named else None
    row["max_abs_log10"] = max(
        (v for cell in cells for v in cell.numbers("max_abs_log10")), default=None
    )
    return row


def _mean(cells: list[Record], name: str) -> float | None:
    values = [v for cell in cells for v in (cell.numbers(name) or _single(cell, name))]
    return sum(values) / len(values) if values else None


def _median(cells: list[Record], name: str) -> float | None:
    """Of all inputs; infinite when half of them or more are censored; None where one was not
    searched (NaN)."""
    values = [v for cell in cells for v in cell.numbers(name)]
    return None if not values or any(map(math.isnan, values)) else statistics.median_high(values)


def _single(cell: Record, name: str) -> list[float]:
    value = cell.measures.get(name)
    return [float(value)] if isinstance(value, (int, float)) or value in NON_FINITE else []


def _sr_row(entry: str, case: str, cells: list[Record]) -> Row:
    samples = [cell for cell in cells if "#" not in cell.spec.case]
    row = _common(entry, case, samples or cells)
    for column, name in (("inv_lipschitz_lower", "inv_lipschitz"), ("kappa_lower", "kappa")):
        row[column] = max((v for cell in cells for v in cell.numbers(name)), default=None)
    row |= {column: _median(cells, name) for column, name in RADII.items()}
    return row | {
        name: _mean(samples, name) for name in ("lr_psnr_min", "lr_psnr_std", "psnr", "ssim")
    }


def _lowlight_row(entry: str, case: str, cells: list[Record]) -> Row:
    samples = [cell for cell in cells if not cell.spec.case.endswith("#radius")]
    row = _common(entry, case, samples or cells)
    row |= {column: _median(cells, name) for column, name in RADII.items()}
    return row | {name: _mean(samples, name) for name in ("psnr", "ssim", "psnr_rescaled")}


def _toy_row(entry: str, case: str, cells: list[Record]) -> Row:
    row = _common(entry, case, cells)
    ratios = [v for cell in cells for v in _single(cell, "variance_ratio")]
    row |= {name: _mean(cells, name) for name in ("nll", "outside_pct")}
    row["critical_radius"] = _median(cells, "radius_error")
    return row | {"variance_ratio": max(ratios, default=None)}


def _coupling_row(entry: str, case: str, cells: list[Record]) -> Row:
    row = _common(entry, case, cells) | {"n": None}
    for cell in cells:
        row |= {
            k: v
            for k, v in cell.measures.items()
            if isinstance(v, (bool, int, float, str)) or v is None
        }
    for name, value in row.items():
        if value in ("Infinity", "-Infinity", "NaN"):
            row[name] = float(value)
    return row


def _unconditional_row(entry: str, case: str, cells: list[Record]) -> Row:
    row = _common(entry, case, cells)
    for column, name in (("round_trip", "round_trip"), ("gain_log10", "gain_log10")):
        row[column] = max((v for cell in cells for v in cell.numbers(name)), default=None)
    return row | {"nll": _mean(cells, "nll")}


ROW = {
    "sr": _sr_row,
    "lowlight": _lowlight_row,
    "toy2d": _toy_row,
    "coupling": _coupling_row,
    "unconditional": _unconditional_row,
}
