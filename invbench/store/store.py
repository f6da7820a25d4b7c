"""The cells of a results folder: working ones are one JSON file each, published ones lines of one
file per track. Written whole or not at all, read with care, never deleted."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from invbench.errors import HarnessError, first_problem
from invbench.files import LARGEST_TEXT, write_atomically
from invbench.store.cell import FAILED, NON_FINITE, SCHEMA, TEXTS, Cell, CellSpec, place, slug
from invbench.store.record import Record
from invbench.store.schema import OtherKey, OtherSchema, read_cell

__all__ = ["PACKED", "Entry", "Store", "Unreadable", "packed_name", "replaces"]

MAX_BYTES = LARGEST_TEXT  # the largest cell so far has 18 kB
PACKED = ".jsonl"
OTHER = ("counterexamples",)  # folders below the results that hold no cells


@dataclass(frozen=True)
class Unreadable:
    """A file that is no cell, and why. ``kind``: damaged, schema (of another version), key (not
    what its name says), or folder (not where it belongs)."""

    path: Path
    reason: str
    kind: str = "damaged"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that may hold a cell, as the folder lists it. ``path``: below the results folder;
    ``size`` −1 when that cannot be told."""

    path: str
    size: int
    mtime_ns: int


class Store:
    """The cells below a results folder, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.migrated = 0  # cells of an older schema that were read so far
        self._packed: dict[str, tuple[tuple[int, int], dict[str, Cell]]] = {}
        self._known: dict[Path, dict[str, Cell | None]] = {}

    def holds(self, track: str) -> bool:
        """Whether there may be cells of a track."""
        return (self.root / slug(track)).is_dir() or (self.root / packed_name(track)).is_file()

    def write(self, cell: Cell) -> Path:
        """Write a cell under its key. A damaged file of that name is kept beside it as
        ``*.unreadable``; a failed cell does not replace one that another run has measured
        meanwhile."""
        path = self.root / cell.spec.path
        before = self._read(path) if path.exists() else None
        if isinstance(before, Cell) and cell.status in FAILED and before.status not in FAILED:
            return path
        if isinstance(before, Unreadable):
            path.replace(path.with_suffix(".json.unreadable"))
        write_atomically(path, (cell.model_dump_json(indent=1) + "\n").encode())
        return path

    def get(self, spec: CellSpec) -> Cell | None:
        """The finished cell of ``spec``, or None when there is none or its file is damaged."""
        own = self._read(self.root / spec.path) if (self.root / spec.path).is_file() else None
        if isinstance(own, Cell) and own.status not in FAILED:
            return own
        kept = self._kept(spec).get(spec.key)
        return kept or (own if isinstance(own, Cell) else None)

    def _kept(self, spec: CellSpec) -> dict[str, Cell]:
        """Of this entry the cells that are not files of their own name: packed ones of the track,
        read once while the file does not change, and files of an older schema."""
        name = packed_name(spec.track)
        file = self.root / name
        if file.is_file():
            state = file.stat().st_size, file.stat().st_mtime_ns
            if self._packed.get(name, (None,))[0] != state:
                cells = {c.key: c for c in self.read_packed(name) if isinstance(c, Cell)}
                self._packed[name] = state, cells
        found = dict(self._packed[name][1]) if name in self._packed else {}
        folder = (self.root / spec.path).parent
        for one in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            if one.name not in self._known.setdefault(folder, {}):
                cell = self._read(one)
                old = cell if isinstance(cell, Cell) and cell.key != one.stem else None
                self._known[folder][one.name] = old
        return found | {c.key: c for c in self._known.get(folder, {}).values() if c}

    def load(self) -> tuple[list[Cell], list[Unreadable]]:
        """Every cell once, in order of place, and every file or line that is none. Whole cells: a
        large leaderboard is read through ``Index``."""
        cells: dict[str, Cell] = {}
        damaged = []
        for entry in self.entries():
            packed = entry.path.endswith(PACKED)
            for found in self.read_packed(entry.path) if packed else [self.read(entry.path)]:
                if isinstance(found, Unreadable):
                    damaged.append(found)
                elif replaces(found, cells.get(found.key)):
                    cells[found.key] = found
        return sorted(cells.values(), key=lambda c: c.spec.path.split("/")), damaged

    def entries(self) -> list[Entry]:
        """The files ``<track>.jsonl``, then ``<track>/<entry>/*.json``, in order. Raises
        ``HarnessError`` when the results are no folder or cannot be listed."""
        if self.root.exists() and not self.root.is_dir():
            raise HarnessError(f"{self.root} is not a folder; give --results a folder")
        if not self.root.exists():
            return []
        found = [
            _entry(f"{track.name}/{entry.name}/{file.name}", file)
            for track in _listed(self.root)
            if track.name not in OTHER and track.is_dir()
            for entry in _listed(track)
            if entry.is_dir()
            for file in _listed(entry)
            if file.name.endswith(".json")
        ]
        packed = [
            _entry(file.name, file)
            for file in _listed(self.root)
            if file.name.endswith(PACKED) and file.is_file()
        ]
        return sorted(packed, key=lambda one: one.path) + sorted(
            found, key=lambda one: one.path.split("/")
        )

    def read(self, place: str) -> Cell | Unreadable:
        """The cell in the file ``place`` below the results folder, or why it is none."""
        return self._read(self.root / place, place)

    def read_packed(self, name: str) -> Iterator[Cell | Unreadable]:
        """The cells of a file of lines, one by one; the place of a damaged one is FILE:LINE."""
        path, number = self.root / name, 0
        try:
            with path.open("rb") as file:
                while line := file.readline(MAX_BYTES + 1):
                    number += 1
                    where = path.with_name(f"{name}:{number}")
                    if len(line) > MAX_BYTES:
                        yield Unreadable(where, f"longer than {MAX_BYTES} bytes")
                        while line and not line.endswith(b"\n"):
                            line = file.readline(MAX_BYTES)
                    elif line.strip():
                        yield self._parsed(line, where, None, packed_name)
        except OSError as error:
            yield Unreadable(path, str(error))

    def _read(self, path: Path, at: str = "") -> Cell | Unreadable:
        try:
            if path.stat().st_size > MAX_BYTES:
                return Unreadable(path, f"larger than {MAX_BYTES} bytes")
            return self._parsed(path.read_bytes(), path, path.stem, at)
        except OSError as error:
            return Unreadable(path, str(error))

    def _parsed(
        self, data: bytes, path: Path, stem: str | None, at: str | Callable[[str], str]
    ) -> Cell | Unreadable:
        """The cell in ``data``. ``stem``: the name of its file, which is its key; ``at``: the place
        where it lies, or what makes one of its track; empty when that does not matter."""
        try:
            cell, key, version = read_cell(data)
        except ValidationError as error:
            return Unreadable(path, first_problem(error))
        except OtherSchema as error:
            return Unreadable(path, str(error), "schema")
        except OtherKey as error:
            return Unreadable(path, str(error), "key")
        except ValueError as error:
            return Unreadable(path, str(error))
        self.migrated += version != SCHEMA
        if stem not in (None, key):
            return Unreadable(path, str(OtherKey()), "key")
        if wrong := _nonsense(cell):
            return Unreadable(path, wrong)
        if callable(at):
            home, here = at(cell.spec.track), path.name.rpartition(":")[0]
        else:
            home, here = place(cell.spec.track, cell.spec.entry, key), at
        if here and home != here:
            return Unreadable(path, f"a copy: this cell belongs into {home}", "folder")
        return cell


def packed_name(track: str) -> str:
    """The file of a track's published cells, below the results folder."""
    return slug(track) + PACKED


def replaces(cell: Record, other: Record | None) -> bool:
    """Whether ``cell`` counts in place of ``other``, which has the same key and was read before it:
    a failed cell gives way to a measured one, else the one that finished last counts."""
    if other is None or (other.status in FAILED) != (cell.status in FAILED):
        return other is None or other.status in FAILED
    return cell.finished >= other.finished


COUNTED = ("inf", "error")  # per input, 0 or 1
WHOLE = (*COUNTED, "max_abs_log10", "names")  # lists without gaps
PER_INPUT = (*WHOLE, "lr_psnr_min", "lr_psnr_std", "psnr", "ssim")


def _nonsense(cell: Cell) -> str:
    """What no measurement can have said, or nothing. Other measures may be NaN: not known."""
    whole = cell.spec.seed, cell.spec.batch_size, cell.spec.protocol
    if any(abs(number) >= 2**63 for number in whole):
        return "spec: a whole number of more than 64 bits"
    for name, value in cell.measures.items():
        numbers = value if isinstance(value, list) and name not in TEXTS else []
        if words := [v for v in numbers if isinstance(v, str) and v not in NON_FINITE]:
            return f"measures.{name}: {words[0][:40]!r} in a list of numbers"
        if name in WHOLE and (not isinstance(value, list) or None in value):
            return f"measures.{name}: a value for each input is needed"
    lists = {
        name: value for name in PER_INPUT if isinstance(value := cell.measures.get(name), list)
    }
    if "inf" in lists and len({len(value) for value in lists.values()}) > 1:
        return (
            f"measures: "
            f"{', '.join(f'{len(value)} {name}' for name, value in lists.items())}: one each "
            f"per input"
        )
    for name in COUNTED:
        if bad := [v for v in lists.get(name, []) if v not in (0, 1)]:
            return f"measures.{name}: {bad[0]}, which is neither 0 nor 1"
    for value in cell.numbers("max_abs_log10"):
        if math.isnan(value):
            return "measures.max_abs_log10: NaN; a size is a number or Infinity"
    return ""


def _listed(folder: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, but for hidden names. Raises ``HarnessError`` when it may not be
    listed."""
    try:
        with os.scandir(folder) as entries:
            yield from [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise HarnessError(
            f"cannot list {os.fspath(folder)}: {error.strerror}; make it readable"
        ) from error


def _entry(path: str, file: os.DirEntry[str]) -> Entry:
    try:
        status = file.stat()
    except OSError:  # a link into nowhere: reading it will say so
        return Entry(path, -1, -1)
    return Entry(path, status.st_size, status.st_mtime_ns)
