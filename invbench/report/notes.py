"""What belongs under a table: protocol, precision, conventions, and what is not shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from invbench.report.evidence_notes import pooled_sets, what_can_be_told
from invbench.store.record import Record
from invbench.store.store import Unreadable
from invbench.tracks import TRACKS

__all__ = ["damage", "notes_of", "older"]

MOST_NAMED = 20  # unreadable files; invbench doctor names all


def notes_of(
    track: str,
    shown: Sequence[Record],
    stale: Sequence[Record],
    rows: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Notes under the table of a track, ``rows`` of which say what they pool and what their data
    can tell."""
    specs = [cell.spec for cell in shown]
    settings = {
        tuple(sorted(s.settings.items()))
        for s in specs
        if not TRACKS[s.track].one_case and not (s.measure or s.precision)
    }
    notes = [
        f"Protocol {_said(s.protocol for s in specs)}; dtype {_said(s.dtype for s in specs)}; "
        f"device {_said(s.device for s in specs)}; "
        f"torch {_said(c.provenance.get('torch', '?') for c in shown)}; {len(shown)} cells, "
        f"seeds {_seeds({s.seed for s in specs})}.",
        *TRACKS[track].notes,
        *pooled_sets(rows),
        *what_can_be_told(rows),
        "An empty column is one that this version does not measure.",
    ]
    if len(settings) > 1:
        notes.append("Rows were measured at different budgets: compare n before comparing rates.")
    if stale:
        entries = Counter(cell.spec.entry for cell in stale)
        named = ", ".join(f"{name} {count}" for name, count in entries.most_common(MOST_NAMED))
        notes.append(
            f"{len(stale)} stale cells (older source, weights, settings or protocol) are not "
            f"shown: "
            f"{named}{', …' if len(entries) > MOST_NAMED else ''}."
        )
    return notes


def older(count: int) -> list[str]:
    """That cells of an older schema were read."""
    said = f"{count} cells of an older schema were read as today's; invbench pack rewrites them."
    return [said] if count else []


def damage(unreadable: Sequence[Unreadable]) -> list[str]:
    """Unreadable files and why, the first of many."""
    lines = [f"Unreadable: {damaged.path}: {damaged.reason}" for damaged in unreadable[:MOST_NAMED]]
    if len(unreadable) > MOST_NAMED:
        lines.append(f"Unreadable: {len(unreadable) - MOST_NAMED} more files (invbench doctor)")
    return lines


def _said(values: Iterable[object]) -> str:
    return ", ".join(sorted({str(v) for v in values}))


def _seeds(seeds: set[int]) -> str:
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered[:10])) + (", …" if len(ordered) > 10 else "")
