"""The overview that the page opens on: a row per design and cure, a table per model of a track."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from invbench.report.charts import Evidence
from invbench.report.rows import OWN_SIZE, STANDARD_EPS, certified, other_model, rows_of_case
from invbench.report.site.figures import (
    ATTACKED,
    CASES,
    CHANGED,
    CLEAN,
    FIGURES,
    PROOF,
    Figure,
)
from invbench.report.site.origin import json_value, origin
from invbench.report.site.sentence import sentences
from invbench.store.cell import Cell
from invbench.store.record import Record
from invbench.targets import without_options
from invbench.tracks import TRACKS
from invbench.tracks.kinds import CERTIFICATE
from invbench.tracks.track import Row

__all__ = ["joined", "tables"]

Groups = dict[str, list[Record]]


def tables(evidence: Evidence) -> list[dict[str, Any]]:
    """A table for each model that the track has measured, its own flow first: rows of entries, and
    of entries in that flow with options, which are told apart by name."""
    track = TRACKS[evidence.track]
    if track.one_case:
        return []
    models: dict[str, list[Record]] = {}
    names: dict[str, tuple[str, str]] = {}
    for cell in evidence.cells:
        model, options = _model(cell)
        models.setdefault(model, []).append(cell)
        name = f"{cell.spec.entry} {options}".strip()
        names[name] = cell.spec.entry, options
    found = [_table(evidence, model, models[model]) for model in sorted(models)]
    for table in filter(None, found):
        for row in table["rows"]:
            row["entry"], row["options"] = names[row["name"]]
    return [table for table in found if table]


def _model(cell: Record) -> tuple[str, str]:
    """(what a row's case says of the flow without options, the options)."""
    track, flow = TRACKS[cell.spec.track], str(cell.spec.settings.get("flow") or "")
    plain, said = without_options(flow), other_model(cell)
    options = flow[len(plain) :]
    if options:
        size = cell.spec.settings.get("size", OWN_SIZE)
        own = (plain, size) == (track.weights, OWN_SIZE)
        said = said.replace(f" [{flow}]", "" if own else f" [{plain}]")
        said = said.replace(f" [{flow} {size}]", f" [{plain} {size}]")
    return said, options


def _table(evidence: Evidence, model: str, cells: Sequence[Record]) -> dict[str, Any] | None:
    track = TRACKS[evidence.track]
    proofs = [cell for cell in cells if cell.spec.measure == CERTIFICATE]
    dataset = _dataset(cells)
    roles = _roles(evidence, [cell for cell in cells if cell.spec.dataset == dataset])
    if not roles:
        return None
    ranked_by = next(role for role in (CHANGED, CLEAN, ATTACKED) if role in roles)
    rows = {
        role: {
            row["entry"]: row for row in _ranked(evidence.track, f"{dataset}/{CASES[role]}", groups)
        }
        for role, groups in roles.items()
    }
    named = dict.fromkeys(name for of_role in (rows[ranked_by], *rows.values()) for name in of_role)
    own = {name: {role: of[name] for role, of in rows.items() if name in of} for name in named}
    flow = model.strip(" []") or track.weights if track.data else model.strip(" []")
    told = sentences([own[name].get(ranked_by, {}) | {"name": name} for name in named], ranked_by)
    about = f"{dataset} photographs" if dataset == "embedded" else dataset
    return {
        "id": "-".join(filter(None, (evidence.track, flow.replace(" ", "-")))),
        "track": evidence.track,
        "title": ", ".join(filter(None, (f"{track.page.title}", flow, about))),
        "dataset": dataset,
        "ranked": ranked_by,
        "sentences": told,
        "rows": [_row(name, own[name], roles, ranked_by, proofs) for name in named],
    }


def _dataset(cells: Sequence[Record]) -> str:
    """Of most cells."""
    counts = Counter(c.spec.dataset for c in cells if c.spec.measure != CERTIFICATE)
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _roles(evidence: Evidence, cells: Sequence[Record]) -> dict[str, Groups]:
    """role → row's name → its cells: what the flow was trained for, what is changed, what is
    attacked. Attacks with a radius count at 8/255."""
    track = TRACKS[evidence.track]
    usual = [
        cell
        for cell in cells
        if not (cell.spec.precision or cell.spec.measure in (*track.own_rows, CERTIFICATE))
        and cell.spec.eps in (None, STANDARD_EPS)
    ]
    conditions = {cell.spec.condition for cell in usual}
    clean = next((name for name in evidence.page.clean if name in conditions), None)
    found: dict[str, Groups] = {}
    for cell in usual:
        kind = CLEAN if cell.spec.condition == clean else CHANGED
        name = f"{cell.spec.entry} {_model(cell)[1]}".strip()
        role = ATTACKED if cell.spec.attack else kind
        found.setdefault(role, {}).setdefault(name, []).append(cell)
    return {role: found[role] for role in CASES if role in found}


def _ranked(track: str, case: str, groups: Groups) -> list[Row]:
    """Rows of all, ranked among each other; where flows with options were measured on other inputs
    and would cost the others their rank, they stand unranked beside them."""
    alike = {name: _without_options(cells) for name, cells in groups.items()}
    together = rows_of_case(track, case, alike, (), ranked=True)
    plain = {name: alike[name] for name, cells in groups.items() if not _model(cells[0])[1]}
    if len(plain) in (0, len(groups)):
        return together
    alone = rows_of_case(track, case, plain, (), ranked=True)
    if {r["entry"] for r in alone if "tier" in r} <= {r["entry"] for r in together if "tier" in r}:
        return together
    others = {name: cells for name, cells in alike.items() if name not in plain}
    return [*alone, *rows_of_case(track, case, others, (), ranked=False)]


def _without_options(cells: list[Record]) -> list[Record]:
    """The same measurements, said to be of the flow without its options: inputs are matched by the
    settings under which they were measured, and a cure is no such setting."""
    known: dict[int, dict[str, Any]] = {}
    found: list[Record] = []
    for cell in cells:
        settings = cell.spec.settings
        flow = str(settings.get("flow") or "")
        if (plain := without_options(flow)) == flow:
            found.append(cell)
            continue
        spec = cell.spec.model_copy(
            update={"settings": known.setdefault(id(settings), {**settings, "flow": plain})}
        )
        own = {name: getattr(cell, name) for name in ("key", "status", "reason", "measures")}
        found.append(Cell.model_construct(spec=spec, provenance=cell.provenance, **own))
    return found


def _row(
    name: str,
    rows: Mapping[str, Row],
    roles: Mapping[str, Groups],
    ranked_by: str,
    proofs: Sequence[Record],
) -> dict[str, Any]:
    cells = {role: roles[role][name] for role in rows}
    trainings = {(c.spec.entry, c.spec.seed, other_model(c)) for of in cells.values() for c in of}
    cells[PROOF] = [c for c in proofs if (c.spec.entry, c.spec.seed, other_model(c)) in trainings]
    bounds = [b for role in rows if (b := certified(proofs, cells[role])) is not None]
    bounded: Row = {"max_abs_certified": max(bounds)} if bounds else {}
    figures: dict[str, Any] = {}
    for figure in (f for f in FIGURES if not f.track):
        if shown := _figure(figure, {**rows, PROOF: bounded}):
            figures[figure.key] = shown
    used = {figure["o"] for figure in figures.values()} | {ranked_by}
    first = rows.get(ranked_by, {})
    return {
        "name": name,
        "rank": {c: first.get(c) for c in ("rank_lo", "rank_hi", "tier", "rank_of", "status")},
        "figures": figures,
        "o": {role: origin(cells[role]) for role in (*CASES, PROOF) if role in used & cells.keys()},
    }


def _figure(figure: Figure, rows: Mapping[str, Row]) -> dict[str, Any] | None:
    """A number with its interval, the role whose cells it is from, and how many inputs that are."""
    having = [
        (rows[role][figure.column], role)
        for role in figure.roles
        if _has(rows.get(role, {}), figure.column)
    ]
    if not having:
        return None
    value, role = max(having, key=lambda one: one[0]) if figure.largest else having[0]
    shown: dict[str, Any] = {"x": json_value(value), "o": role}
    if figure.column == "error_pct":
        shown |= {end: json_value(rows[role][f"error_{end}"]) for end in ("lo", "hi")}
    return shown | {c: n for c in ("n", "photographs", "seeds") if (n := rows[role].get(c))}


def _has(row: Mapping[str, Any], column: str) -> bool:
    value = row.get(column)
    return isinstance(value, (int, float)) and not math.isnan(value)


def joined(found: list[dict[str, Any]], tracks: Sequence[Mapping[str, Any]]) -> None:
    """Give the rows the numbers that other tracks have of their entries, with the row of that
    track's table that they are from, and each table the list of its columns: those of which some
    row has a number."""
    rows = {track["name"]: _rows_by_name(track) for track in tracks}
    for table in found:
        for row in table["rows"] if TRACKS[table["track"]].data else ():
            for figure in (f for f in FIGURES if f.track and f.key not in row["figures"]):
                case = TRACKS[figure.track].one_case or f"embedded/{CASES[CLEAN]}"
                values = rows.get(figure.track, {}).get((row["entry"], case), {})
                if values.get(figure.column) is not None and not row["options"]:
                    row["figures"][figure.key] = {
                        "x": values[figure.column],
                        "row": [figure.track, f"{row['entry']}|{case}"],
                    }
        table["columns"] = _columns(table)


def _columns(table: Mapping[str, Any]) -> list[dict[str, str]]:
    """What stands over each column of which some row has a number; where several figures are one
    key, the first that a row has is named."""
    columns: dict[str, dict[str, str]] = {}
    for figure in FIGURES:
        shown = [
            row["figures"][figure.key] for row in table["rows"] if figure.key in row["figures"]
        ]
        if shown and any(("row" in one) == bool(figure.track) for one in shown):
            said = {
                name: getattr(figure, name) for name in ("key", "group", "head", "title", "column")
            }
            columns.setdefault(figure.key, said)
    return list(columns.values())


def _rows_by_name(track: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    named = [dict(zip(track["columns"], row["v"], strict=True)) for row in track["rows"]]
    return {(row["entry"], row["case"]): row for row in named}
