"""Cells from another machine: checked as data, taken where they are new, shown where they
disagree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from invbench.errors import UsageError
from invbench.store.cell import Cell, CellSpec
from invbench.store.store import Store, Unreadable

__all__ = ["Merged", "merge"]


@dataclass
class Merged:
    """``taken`` new cells; ``same`` as ours already; ``conflicts``: both measured, with other
    numbers: ours is kept; ``refused``: another protocol; ``unreadable``: damaged, of a newer
    schema, or not what its name says."""

    taken: list[Cell] = field(default_factory=list)
    same: list[Cell] = field(default_factory=list)
    conflicts: list[tuple[Cell, Cell]] = field(default_factory=list)
    refused: list[Cell] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def merge(
    source: Path,
    results: Path,
    current: Callable[[CellSpec], bool],
    done: Callable[[Cell], None] = lambda cell: None,
) -> Merged:
    """Take the cells of ``source`` into ``results``. No code of an entry is imported: a cell is
    numbers and the names of what they are of. ``current``: whether a cell is of today's protocol.

    A failed cell gives way to a measured one; between two measured ones that differ, ours stays and
    both are shown. Raises ``UsageError`` when ``source`` is no folder or holds no cell.
    """
    if not source.is_dir():
        raise UsageError(f"{source}: no such folder; name the results folder of the other machine")
    if source.resolve() == results.resolve():
        raise UsageError(f"{source} is the results folder itself; name that of the other machine")
    theirs, unreadable = Store(source).load()
    if not theirs and not unreadable:
        raise UsageError(
            f"{source}: no cells there; name one that holds TRACK.jsonl or TRACK/ENTRY/*.json"
        )
    store, found = Store(results), Merged(unreadable=unreadable)
    for cell in theirs:
        own = store.get(cell.spec)
        if not current(cell.spec):
            found.refused.append(cell)
        elif own is None or (_failed(own) and not _failed(cell)):
            store.write(cell)
            found.taken.append(cell)
        elif own.measures == cell.measures and own.status == cell.status or _failed(cell):
            found.same.append(cell)
        else:
            found.conflicts.append((own, cell))
        done(cell)
    return found


def _failed(cell: Cell) -> bool:
    return cell.status not in ("ok", "diverged")
