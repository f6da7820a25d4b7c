"""One JSON file per cell: written whole or not at all, read with care, never deleted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from invbench.bench.cell import FAILED, Cell, CellSpec
from invbench.bench.schema import OtherSchema, read_cell
from invbench.errors import HarnessError, first_problem
from invbench.paths import LARGEST_TEXT, write_atomically

__all__ = ["Store", "Unreadable"]

MAX_BYTES = LARGEST_TEXT  # the largest cell so far has 18 kB
OTHER = ("counterexamples",)  # folders below the results that hold no cells


@dataclass(frozen=True)
class Unreadable:
    """A file that is no cell, and why. ``kind``: damaged, schema (of another version), key (not what its name says), folder (not its place)."""

    path: Path
    reason: str
    kind: str = "damaged"


class Store:
    """The cells below a results folder, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, cell: Cell) -> Path:
        """Write a cell under its key. A damaged file of that name is kept beside it as ``*.unreadable``; a failed cell does not replace one that
        another run has measured meanwhile."""
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
        """Every cell, in order of path, and every file that is not one."""
        if self.root.exists() and not self.root.is_dir():
            raise HarnessError(f"{self.root} is not a folder; give --results a folder")
        cells, damaged = [], []
        for path in sorted(self.root.glob("*/*/*.json")):
            if path.relative_to(self.root).parts[0] in OTHER:
                continue
            found = self.read(path.relative_to(self.root).as_posix())
            if isinstance(found, Cell):
                cells.append(found)
            else:
                damaged.append(found)
        return cells, damaged

    def read(self, place: str) -> Cell | Unreadable:
        """The cell in the file ``place`` below the results folder, or why it is none."""
        found = self._read(self.root / place)
        if isinstance(found, Cell) and found.spec.path != place:
            return Unreadable(self.root / place, f"a copy: this cell belongs into {found.spec.path}", "folder")
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
        return cell
