"""One JSON file per cell: written whole or not at all, read with care, never deleted."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from invbench.errors import HarnessError, first_problem
from invbench.files import LARGEST_TEXT, write_atomically
from invbench.store.cell import FAILED, NON_FINITE, TEXTS, Cell, CellSpec
from invbench.store.schema import OtherSchema, read_cell

__all__ = ["Entry", "Store", "Unreadable"]

MAX_BYTES = LARGEST_TEXT  # the largest cell so far has 18 kB
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
        path = self.root / spec.path
        if not path.is_file():
            return None
        cell = self._read(path)
        return cell if isinstance(cell, Cell) else None

    def load(self) -> tuple[list[Cell], list[Unreadable]]:
        """Every cell, in order of path, and every file that is not one. Whole cells: a large
        leaderboard is read through ``Index``."""
        cells, damaged = [], []
        for entry in self.entries():
            found = self.read(entry.path)
            if isinstance(found, Cell):
                cells.append(found)
            else:
                damaged.append(found)
        return cells, damaged

    def entries(self) -> list[Entry]:
        """The files ``<track>/<entry>/*.json``, in order. Raises ``HarnessError`` when the results
        are no folder or cannot be listed."""
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
        return sorted(found, key=lambda one: one.path.split("/"))

    def read(self, place: str) -> Cell | Unreadable:
        """The cell in the file ``place`` below the results folder, or why it is none."""
        found = self._read(self.root / place)
        if isinstance(found, Cell):
            home = found.spec.path
            if home != place:
                return Unreadable(
                    self.root / place, f"a copy: this cell belongs into {home}", "folder"
                )
        return found

    def _read(self, path: Path) -> Cell | Unreadable:
        try:
            if path.stat().st_size > MAX_BYTES:
                return Unreadable(path, f"larger than {MAX_BYTES} bytes")
            cell = read_cell(path.read_bytes())
        except ValidationError as error:
            return Unreadable(path, first_problem(error))
        except OtherSchema as error:
            return Unreadable(path, str(error), "schema")
        except (OSError, ValueError) as error:
            return Unreadable(path, str(error))
        if cell.key != cell.spec.key or path.stem != cell.key:
            return Unreadable(path, "its content does not match its key", "key")
        if wrong := _nonsense(cell):
            return Unreadable(path, wrong)
        return cell


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
