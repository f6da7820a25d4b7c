"""From what was measured to a cell on the disk."""

from __future__ import annotations

from pathlib import Path

from invbench.files import write_atomically
from invbench.store.cell import Cell, CellSpec, Measured

__all__ = ["record", "save_case"]


def save_case(results: Path, name: str, files: dict[str, bytes]) -> Path:
    """Write ``results/counterexamples/<name>/``; returns that path."""
    folder = results / "counterexamples" / name
    for file, data in files.items():
        write_atomically(folder / file, data)
    return folder


def record(
    spec: CellSpec, measured: Measured, results: Path, seconds: float = 0.0, origin: str = ":"
) -> Cell:
    """Make a cell of what was measured and write it."""
    from invbench.store.provenance import provenance
    from invbench.store.store import Store

    # before the cell: a cell that is there has its cases
    for name, files in measured.found.items():
        save_case(results, name, files)
    cell = Cell(
        key=spec.key,
        spec=spec,
        status=measured.status,
        reason=measured.reason,
        measures=measured.measures,
        provenance=provenance(spec.device, seconds, origin),
    )
    Store(results).write(cell)
    return cell
