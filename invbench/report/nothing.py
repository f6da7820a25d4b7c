"""Why a results folder has nothing to show, and what to do."""

from __future__ import annotations

from invbench.errors import HarnessError, InvbenchError, UsageError
from invbench.store.cell import slug
from invbench.store.index import Index

__all__ = ["nothing"]


def nothing(index: Index, track: str = "", what: str = "") -> InvbenchError:
    """A ``HarnessError`` where every file (of ``track``) could not be read, as in a folder of
    another project; else a ``UsageError`` that says ``what`` is not there and how to measure it."""
    root = index.store.root
    damaged = [
        d
        for d in index.unreadable
        if not track or d.path.relative_to(root).parts[0].partition(".jsonl")[0] == slug(track)
    ]
    if damaged and not (index.counts.get(track) if track else index.counts):
        first = damaged[0]
        of = f" of track {track!r}" if track else ""
        return HarnessError(
            f"none of the {len(damaged)} files{of} in {root} could be read, e.g. {first.path}: "
            f"{first.reason}; invbench doctor {root} lists them, --results names another folder"
        )
    of = f" of track {track!r}" if track else ""
    measure = f"invbench run --track {track}" if track else "invbench run"
    return UsageError(f"{what or f'no cells{of} in {root}'}; {measure} --results {root}")
