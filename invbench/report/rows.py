"""From cells to rows: one row per entry and case, every status in the denominators."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from invbench.bench.cell import FAILED, NON_FINITE, PROTOCOL, Cell
from invbench.measures.statistics import clopper_pearson
from invbench.report.ranks import rank

__all__ = ["current_cells", "grouped", "make_rows"]

Row = dict[str, Any]
POOLED = "ood"
HALF = "fp16"  # behind the # of a case whose cells have a row of their own: in another precision it is another model
ATTACK, STANDARD_EPS = "attack-", 8  # in the name of a case; of the attacks that the pooled row unites, in 1/255


def current_cells(cells: Iterable[Cell]) -> tuple[list[Cell], list[Cell]]:
    """(cells to show, stale ones). Stale: another protocol, or an older source, weights or settings of the same measurement.

    Of one entry, track, case, seed, dtype and device the newest cell counts; cells of another source of the entry than its
    newest in that track are stale as well, so that a row never mixes two versions.
    """
    ordered = sorted(cells, key=lambda c: str(c.provenance.get("finished", "")))
    newest_source = {(c.spec.track, c.spec.entry): c.spec.entry_digest for c in ordered}
    newest = {
        (s.track, s.entry, s.case, s.seed, s.dtype, s.device): cell
        for cell in ordered
        if (s := cell.spec).protocol == PROTOCOL and s.entry_digest == newest_source[s.track, s.entry]
    }
    shown = {cell.key for cell in newest.values()}
    return [c for c in ordered if c.key in shown], [c for c in ordered if c.key not in shown]


def grouped(cells: Sequence[Cell], track: str, pooled: bool = False) -> dict[tuple[str, str], list[Cell]]:
    """(case, entry) → its cells.

    ``pooled`` puts every condition of a data set but ``clean`` into one row, and into another what the attacks (those with a radius at 8/255)
    reach together: an input fails when one of them makes it fail. In low light it joins the severities of each family.
    """
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.spec.track == track and not (
            pooled and cell.spec.settings.get("eps_255", STANDARD_EPS) != STANDARD_EPS
        ):
            groups.setdefault((_case(cell, pooled), cell.spec.entry), []).append(cell)
    if pooled:
        groups = {key: _worst_of(found) if key[0].endswith("/attacked") else found for key, found in groups.items()}
    return groups


def make_rows(cells: Sequence[Cell], track: str, pooled: bool = False) -> list[Row]:
    """Rows of a track in order of case and rank; ``pooled`` as in ``grouped``."""
    groups = grouped(cells, track, pooled)
    rows = [ROW[track](entry, case, members) for (case, entry), members in groups.items()]
    by_case: dict[str, list[int]] = {}
    for k, row in enumerate(rows):
        by_case.setdefault(row["case"], []).append(k)
    members = list(groups.values())
    for places in by_case.values():
        rank([rows[k] for k in places], [members[k] for k in places])
    cases = sorted({row["case"] for row in rows}, key=_case_order)
    return sorted(
        rows,
        key=lambda r: (cases.index(r["case"]), r.get("tier") or math.inf, r.get("error_pct", math.inf), r["entry"]),
    )


def _case(cell: Cell, pooled: bool) -> str:
    case, _, part = cell.spec.case.partition("#")  # behind it: which of the case's cells
    own = f" ({part})" if part == HALF else ""
    if cell.spec.track == "coupling":
        return "corpus"
    if not pooled or case == "in":
        return case + own
    if cell.spec.track == "toy2d":
        return "shift-0.8" if case == "shift-0.8" else f"{POOLED} (other shifts)"
    dataset, _, condition = case.partition("/")
    if cell.spec.track == "lowlight":
        return f"{dataset}/{re.sub(r'-[1-9]$', '', condition)}{own}"
    if condition.startswith(ATTACK):
        return f"{dataset}/attacked"
    return case if condition == "clean" else f"{dataset}/{POOLED}"


def _worst_of(cells: list[Cell]) -> list[Cell]:
    """Cells of several attacks as one per seed: of every input that any of them had, the worst of each measure. A failed cell stays one."""
    united: list[Cell] = []
    by_seed: dict[int, list[Cell]] = {}
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
        spec = group[0].spec.model_copy(update={"case": _case(group[0], pooled=True), "settings": {}})
        united.append(group[0].model_copy(update={"spec": spec, "measures": measures, "status": status}))
    return united


def _case_order(case: str) -> tuple[str, bool, str]:
    dataset, _, condition = case.partition("/")
    return dataset, condition != "clean", condition


def _common(entry: str, case: str, cells: list[Cell]) -> Row:
    statuses = Counter(cell.status for cell in cells)
    measured = [cell for cell in cells if "inf" in cell.measures]
    # a failed cell should have measured as many inputs as its finished siblings did, at least one
    planned = max([len(cell.numbers("inf")) for cell in measured], default=1)
    lost = planned * sum(cell.status in FAILED for cell in cells)
    n = sum(len(cell.numbers("inf")) for cell in measured) + lost
    row: Row = {
        "entry": entry,
        "track": cells[0].spec.track,
        "case": case,
        "n": n,
        "seeds": len({cell.spec.seed for cell in cells}),
        "status": " ".join(f"{status}:{count}" for status, count in sorted(statuses.items())),
        "complete": all(cell.status in ("ok", "diverged") for cell in cells),
    }
    for name in ("inf", "error"):
        # an input whose cell failed gave no sample at all: an error, though nobody saw an Inf
        failures = int(sum(sum(cell.numbers(name)) for cell in measured)) + (lost if name == "error" else 0)
        if n:
            low, high = clopper_pearson(failures, n)
            row |= {f"{name}_pct": 100 * failures / n, f"{name}_lo": 100 * low, f"{name}_hi": 100 * high}
    row["max_abs_log10"] = max((v for cell in measured for v in cell.numbers("max_abs_log10")), default=None)
    return row


def _mean(cells: list[Cell], name: str) -> float | None:
    values = [v for cell in cells for v in (cell.numbers(name) or _single(cell, name))]
    return sum(values) / len(values) if values else None


def _median(cells: list[Cell], name: str) -> float | None:
    """Of all inputs; infinite when half of them or more are censored."""
    values = [v for cell in cells for v in cell.numbers(name)]
    return statistics.median_high(values) if values else None


def _single(cell: Cell, name: str) -> list[float]:
    value = cell.measures.get(name)
    return [float(value)] if isinstance(value, (int, float)) or value in NON_FINITE else []


def _sr_row(entry: str, case: str, cells: list[Cell]) -> Row:
    samples = [cell for cell in cells if "#" not in cell.spec.case]
    row = _common(entry, case, samples or cells)
    for column, name in (("inv_lipschitz_lower", "inv_lipschitz"), ("kappa_lower", "kappa")):
        row[column] = max((v for cell in cells for v in cell.numbers(name)), default=None)
    row["critical_radius"] = _median(cells, "radius_F2")
    return row | {name: _mean(samples, name) for name in ("lr_psnr_min", "lr_psnr_std", "psnr", "ssim")}


def _lowlight_row(entry: str, case: str, cells: list[Cell]) -> Row:
    samples = [cell for cell in cells if not cell.spec.case.endswith("#radius")]
    row = _common(entry, case, samples or cells)
    row["critical_radius"] = _median(cells, "radius_F2")
    return row | {name: _mean(samples, name) for name in ("psnr", "ssim", "psnr_rescaled")}


def _toy_row(entry: str, case: str, cells: list[Cell]) -> Row:
    row = _common(entry, case, cells)
    ratios = [v for cell in cells for v in _single(cell, "variance_ratio")]
    row |= {name: _mean(cells, name) for name in ("nll", "outside_pct")}
    row["critical_radius"] = _median(cells, "radius_error")
    return row | {"variance_ratio": max(ratios, default=None)}


def _coupling_row(entry: str, case: str, cells: list[Cell]) -> Row:
    row = _common(entry, case, cells) | {"n": None}
    for cell in cells:
        row |= {k: v for k, v in cell.measures.items() if isinstance(v, (bool, int, float, str)) or v is None}
    for name, value in row.items():
        if value in ("Infinity", "-Infinity", "NaN"):
            row[name] = float(value)
    return row


ROW = {"sr": _sr_row, "lowlight": _lowlight_row, "toy2d": _toy_row, "coupling": _coupling_row}
