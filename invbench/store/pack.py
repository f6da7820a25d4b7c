"""Working cells into one sorted file per track, whose changes can be read line by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from invbench.errors import HarnessError, UsageError
from invbench.files import write_atomically
from invbench.store.cell import Cell
from invbench.store.store import PACKED, Store, Unreadable, packed_name, replaces

__all__ = ["Packed", "order", "pack"]


@dataclass(frozen=True)
class Packed:
    """``files``: file below the results folder → cells in it. ``taken``: working files that are
    lines now; ``unreadable``: files and lines that were left as they are."""

    files: dict[str, int]
    taken: int
    unreadable: list[Unreadable] = field(default_factory=list)


def pack(root: Path, done: Callable[[Cell], None] = lambda cell: None) -> Packed:
    """Make ``<track>.jsonl`` of all cells below ``root``, in today's schema and in ``order``, then
    remove the working files that are in it and have not changed meanwhile.

    Of two cells with one key the one that counts is kept (``replaces``). A line that cannot be read
    goes to ``<track>.jsonl.unreadable``; a file that cannot be read stays. Raises ``UsageError``
    when there are no cells, ``HarnessError`` when a packed file cannot be read to its end.
    """
    store = Store(root)
    cells: dict[str, dict[str, Cell]] = {}
    working, unreadable = [], []
    lines: dict[str, list[int]] = {}
    for entry in store.entries():
        packed = entry.path.endswith(PACKED)
        for found in store.read_packed(entry.path) if packed else [store.read(entry.path)]:
            if isinstance(found, Unreadable):
                unreadable.append(found)
                _, colon, number = found.path.name.rpartition(":")
                if packed and not colon:  # the rest of the file would be lost
                    raise HarnessError(f"{found.path}: {found.reason}; nothing was packed")
                if packed:
                    lines.setdefault(entry.path, []).append(int(number))
                continue
            of_track = cells.setdefault(found.spec.track, {})
            if replaces(found, of_track.get(found.key)):
                of_track[found.key] = found
            if not packed:
                working.append(entry)
            done(found)
    if not cells:
        raise UsageError(f"{root}: no cells to pack; name a results folder (invbench run)")
    for name, numbers in lines.items():
        _keep_aside(root / name, numbers)
    files = {}
    for track, found_cells in sorted(cells.items()):
        text = "".join(c.model_dump_json() + "\n" for c in sorted(found_cells.values(), key=order))
        path = root / packed_name(track)
        if not path.is_file() or path.read_bytes() != text.encode():
            write_atomically(path, text.encode())
        files[path.name] = len(found_cells)
    for entry in working:
        path = root / entry.path
        if (path.stat().st_size, path.stat().st_mtime_ns) == (entry.size, entry.mtime_ns):
            path.unlink()
    for folder in sorted({(root / entry.path).parent for entry in working}):
        for empty in (folder, folder.parent):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
    return Packed(files, len(working), unreadable)


def order(cell: Cell) -> tuple[object, ...]:
    """By entry, then by what is measured; the key settles the rest."""
    s = cell.spec
    case = s.dataset, s.attack, s.eps or 0, s.corruption, s.severity or 0, s.measure, s.precision
    return s.entry, str(s.settings.get("flow", "")), *case, s.seed, s.dtype, s.device, cell.key


def _keep_aside(path: Path, numbers: list[int]) -> None:
    """Add these lines of a packed file to ``*.unreadable`` beside it."""
    aside = path.with_name(path.name + ".unreadable")
    with path.open("rb") as file:
        kept = [line for number, line in enumerate(file, 1) if number in numbers]
    before = aside.read_bytes() if aside.is_file() else b""
    write_atomically(aside, before + b"".join(line for line in kept if line not in before))
