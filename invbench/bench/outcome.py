"""From what was measured to a cell on the disk."""

from __future__ import annotations

from pathlib import Path

from invbench.bench.cell import Cell, CellSpec
from invbench.bench.track import Measured

__all__ = ["record"]


def record(spec: CellSpec, measured: Measured, results: Path, seconds: float = 0.0, origin: str = ":") -> Cell:
    """Make a cell of what was measured and write it."""
    from invbench.attacks.case import save_case
    from invbench.bench.provenance import provenance
    from invbench.bench.store import Store

    for name, files in measured.found.items():  # before the cell: a cell that is there has its cases
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
