"""What the page shows, as data: rows, charts, columns, designs, and where each number is from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from invbench.report.charts import CHARTS, Evidence
from invbench.report.charts.style import svg_part
from invbench.report.column_docs import GROUPS, meanings
from invbench.report.columns import COLUMNS
from invbench.report.nothing import nothing
from invbench.report.rows import code_digest, current_cells, gathered
from invbench.report.site.cases import saved_cases
from invbench.report.site.designs import designs
from invbench.report.site.origin import json_value, origin
from invbench.report.site.overview import joined, tables
from invbench.report.site.pictures import worst_pictures
from invbench.report.site.words import shared
from invbench.store.index import Index
from invbench.tracks import TRACKS
from invbench.tracks.columns import DIGITS

__all__ = ["collect"]

MOST_TRACED = 4000  # rows beyond which single conditions do not say where they are from
MOST_PROBLEMS = 200
LARGEST = 4_750_000  # bytes of the page but for its frame: pictures take what the numbers leave
CODE = ("report/site", "report/charts", "store", "tracks", "attacks")  # beside the report's


def collect(results: Path) -> dict[str, Any]:
    """The page's content; ``data`` and ``pictures`` go into it as JSON, ``charts`` as SVG.

    Raises ``UsageError`` when there are no cells, and ``HarnessError`` when none of those there
    could be read.
    """
    index = Index(results)
    problems = [f"{damaged.path}: {damaged.reason}" for damaged in index.unreadable]
    problems += [
        f"{n} cells of track {track!r}, which this version does not know"
        for track, n in index.counts.items()
        if track not in COLUMNS
    ]
    tracks, charts, overview = [], [], []
    for name in sorted(TRACKS, key=lambda name: TRACKS[name].page.order):
        slot, of = f"site {name}", f"{_code()} {index.fingerprint(name)}"
        if (part := index.recall(slot, of)) is None:
            part = _part(name, index)
            index.remember({slot: (of, part)})
        problems += part["problems"]
        tracks += part["tracks"]
        charts += part["charts"]
        overview += part["overview"]
    if not tracks:
        raise nothing(index)
    joined(overview, tracks)
    cases, bad_cases = saved_cases(results)
    entries = {entry for track in tracks for entry in track["entries"]}
    data = {
        "tracks": tracks,
        "columns": {
            name: _column(name) for name in sorted({c for t in tracks for c in t["columns"]})
        },
        "groups": GROUPS,
        "overview": overview,
        "designs": designs(entries),
        "cases": [said for _, said in cases],
        "words": shared(_origins(tracks, overview)),
    }
    used = len(json.dumps(data, separators=(",", ":"))) + sum(len(c["svg"]) for c in charts)
    pictures, bad_pictures = worst_pictures(cases, LARGEST - used)
    problems += bad_cases + bad_pictures
    if len(problems) > MOST_PROBLEMS:
        problems = [
            *problems[:MOST_PROBLEMS],
            f"and {len(problems) - MOST_PROBLEMS} more (invbench doctor)",
        ]
    return {
        "data": data,
        "pictures": pictures,
        "charts": charts,
        "problems": problems,
        "cells": sum(index.counts.values()),
    }


def _origins(
    tracks: Sequence[dict[str, Any]], overview: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for track in tracks:
        yield from (row["o"] for row in [*track["rows"], *track.get("single", [])] if "o" in row)
    for table in overview:
        yield from (own for row in table["rows"] for own in row["o"].values())


def _part(name: str, index: Index) -> dict[str, list[Any]]:
    """What a track adds to the page."""
    shown, stale = current_cells(index.cells(name))
    problems = [
        f"track {name}: {len(stale)} stale cells, of an older source, weights, settings or protocol"
    ]
    evidence = Evidence(name, shown, index)
    return {
        "problems": problems if stale else [],
        "tracks": [_track(evidence)] if shown else [],
        "charts": _charts(evidence) if shown else [],
        "overview": tables(evidence) if shown else [],
    }


def _code() -> str:
    """Of what makes a part of the page out of cells."""
    from invbench.registry import COUPLINGS

    package = Path(__file__).parents[2]
    return (
        f"{code_digest(*(package / name for name in CODE))} {version('matplotlib')} "
        f"{' '.join(COUPLINGS)}"
    )


def _track(evidence: Evidence) -> dict[str, Any]:
    name, cells = evidence.track, evidence.cells
    values = {
        c for row in (*evidence.pooled, *evidence.single) for c, v in row.items() if v is not None
    }
    columns = [c for c in COLUMNS[name] if c in values]
    notes = [
        f"{len(cells)} cells, protocol {_joined(c.spec.protocol for c in cells)}, dtype "
        f"{_joined(c.spec.dtype for c in cells)}, "
        f"device {_joined(c.spec.device for c in cells)}, torch "
        f"{_joined(c.provenance.get('torch', '?') for c in cells)}.",
        *TRACKS[name].notes,
    ]
    track = {
        "name": name,
        "summary": TRACKS[name].page.title,
        "columns": columns,
        "screen": [c for c in TRACKS[name].screen if c in columns],
        "rows": _rows(evidence, columns, pooled=True),
        "notes": notes,
        "entries": sorted(evidence.entries),
    }
    if not TRACKS[name].one_case:
        track["single"] = _rows(evidence, columns, pooled=False)
    return track


def _joined(values: Any) -> str:
    return ", ".join(sorted({str(v) for v in values}))


def _rows(evidence: Evidence, columns: Sequence[str], pooled: bool) -> list[dict[str, Any]]:
    rows = evidence.pooled if pooled else evidence.single
    groups = gathered(evidence.cells, evidence.track, pooled)
    traced = pooled or len(rows) <= MOST_TRACED
    found = []
    for row in rows:
        own: dict[str, Any] = {"v": [json_value(row.get(column)) for column in columns]}
        if traced:
            own["o"] = origin(groups[row["case"], row["entry"]])
        found.append(own)
    return found


def _column(name: str) -> dict[str, Any]:
    m = meanings()[name]
    said = {
        "title": m.title,
        "group": m.group,
        "text": m.text,
        "formula": m.formula,
        "source": m.source,
    }
    return said | {
        "misleads": m.misleads,
        "better": m.better,
        "tracks": m.tracks,
        "digits": DIGITS.get(name),
    }


def _charts(evidence: Evidence) -> list[dict[str, Any]]:
    found = []
    for kind, chart in CHARTS.items():
        if kind not in evidence.page.charts:
            continue
        drawing = chart.draw(evidence)
        if drawing is not None:
            caption = f"{chart.caption} {drawing.note}".strip()
            name = f"{evidence.track}-{kind}"
            picture = svg_part(drawing, name, f"{chart.title}, track {evidence.track}", caption)
            head, *body = drawing.table
            found.append(
                {
                    "track": evidence.track,
                    "kind": kind,
                    "title": chart.title,
                    "caption": caption,
                    "svg": picture,
                    "head": head,
                    "body": body,
                }
            )
    return found
