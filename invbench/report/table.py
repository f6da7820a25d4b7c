"""``invbench table``: a track as md, csv, tex, json or html."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from invbench.errors import UsageError
from invbench.report.columns import COLUMNS
from invbench.report.latex import latex
from invbench.report.notes import damage, notes_of, older
from invbench.report.nothing import nothing
from invbench.report.rows import code_digest, current_cells, make_rows
from invbench.store.index import Index
from invbench.store.store import Unreadable
from invbench.tracks import TRACKS
from invbench.tracks.columns import absent, shown

__all__ = ["FORMATS", "Table", "leaderboard", "read_table", "render"]


@dataclass(frozen=True)
class Table:
    """A track's rows, the notes that belong under them, and the files that could not be read.
    ``columns``: those asked for, none when nobody asked."""

    track: str
    frame: pd.DataFrame
    notes: list[str]
    unreadable: list[Unreadable]
    columns: tuple[str, ...] = ()


def leaderboard(track: str, results: str | Path = "results", pooled: bool = False) -> pd.DataFrame:
    """The leaderboard of a track as a DataFrame with the columns of the csv export."""
    return read_table(track, results, pooled).frame


def read_table(track: str, results: str | Path | Index = "results", pooled: bool = False) -> Table:
    """The table of a track. Raises ``UsageError`` when there are no cells, ``HarnessError`` when
    none of those there could be read."""
    if track not in COLUMNS:
        raise UsageError(
            f"track {track!r} is not known; known: {', '.join(COLUMNS)} (invbench list tracks)"
        )
    index = results if isinstance(results, Index) else Index(results)
    slot, of = f"table {track} {pooled}", f"{code_digest()} {index.fingerprint(track)}"
    if (found := index.recall(slot, of)) is None:
        shown_cells, stale = current_cells(index.cells(track))
        if not shown_cells:
            where = f"of track {track!r} in {index.store.root} are stale"
            raise nothing(index, track, f"all {len(stale)} cells {where}" if stale else "")
        rows = make_rows(shown_cells, track, pooled, index)
        found = {"rows": rows, "notes": notes_of(track, shown_cells, stale, rows)}
        index.remember({slot: (of, found)})
    frame = pd.DataFrame(found["rows"]).reindex(columns=COLUMNS[track])
    return Table(
        track,
        frame,
        [*found["notes"], *older(index.migrated), *damage(index.unreadable)],
        index.unreadable,
    )


def render(table: Table, style: str, screen: bool = False) -> str:
    """The table as text; ``screen`` keeps the columns that a person reads first."""
    if style not in FORMATS:
        raise UsageError(f"format {style!r} is not known; choose from {', '.join(FORMATS)}")
    names = list(table.columns) or (
        list(TRACKS[table.track].screen) if screen else list(table.frame.columns)
    )
    frame = table.frame[names]
    return FORMATS[style](frame, table)


def _text(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Every value as text; columns without any value are left out unless they were asked for."""
    frame = frame.astype(object).where(frame.notna(), None)
    kept = [c for c in frame.columns if table.columns or frame.empty or frame[c].notna().any()]
    return pd.DataFrame({c: [shown(v, c) for v in frame[c]] for c in kept})


def _markdown(frame: pd.DataFrame, table: Table) -> str:
    text = _text(frame, table).map(lambda v: v.replace("|", "\\|").replace("<", "&lt;"))
    notes = "\n".join("- " + note.replace("<", "&lt;") for note in table.notes)
    return f"{text.to_markdown(index=False, disable_numparse=True)}\n\n{notes}\n"


def _csv(frame: pd.DataFrame, table: Table) -> str:
    return frame.to_csv(index=False)


def _json(frame: pd.DataFrame, table: Table) -> str:
    def value(v: Any) -> Any:
        if absent(v):
            return None
        if isinstance(v, float) and math.isinf(v):
            return "Infinity" if v > 0 else "-Infinity"
        return v.item() if hasattr(v, "item") else v

    rows = [
        {c: value(v) for c, v in row.items()} for row in frame.astype(object).to_dict("records")
    ]
    document = {"track": table.track, "rows": rows, "notes": table.notes}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _html(frame: pd.DataFrame, table: Table) -> str:
    body = _text(frame, table).to_html(index=False, border=0)  # escapes names
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    title = f"invbench {table.track}"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em .7em;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>\n"
        f"<h1>{title}</h1>\n{body}\n<ul>{notes}</ul></html>\n"
    )


FORMATS: dict[str, Callable[[pd.DataFrame, Table], str]] = {
    "md": _markdown,
    "csv": _csv,
    "tex": latex,
    "json": _json,
    "html": _html,
}
