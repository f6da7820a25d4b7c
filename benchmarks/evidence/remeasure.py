"""Does today's code measure what is stored? python benchmarks/evidence/remeasure.py [--cells 12]

Draws stored cells of every track, measures them again and compares every measure. Cells of the same
machine and torch differ in nothing, those of another processor in rounding; a change of code that
moves a number shows here.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from runs import ROOT, made_with, save

from invbench.console import err, progress_bar
from invbench.files import write_atomically
from invbench.report.rows import current_cells
from invbench.store.cell import Cell, CellSpec
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks import TRACKS
from invbench.tracks.versions import completed

LONGEST = 15.0  # seconds that a drawn cell took when it was measured
ROUNDING = 1e-4  # σmax of 30 products in float64 moves so far between processors
TIMED = ("speed",)  # measures of a clock


def drawn(results: Path, count: int, seed: int) -> list[Cell]:
    """``count`` current cells of each track, of as many kinds as there are."""
    rng, chosen = random.Random(seed), []
    for track in TRACKS:
        cells = [c for c in Store(results).load()[0] if c.spec.track == track]
        cells = [
            c
            for c in current_cells(cells)[0]
            if c.status in ("ok", "diverged")
            and c.spec.measure not in TIMED
            and float(c.provenance.get("seconds", math.inf)) < LONGEST
        ]
        kinds: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in cells:
            kind = cell.spec.attack, cell.spec.measure, cell.spec.precision
            kinds.setdefault(kind, []).append(cell)
        for own in kinds.values():
            rng.shuffle(own)
        rounds = [own[k] for k in range(count) for own in kinds.values() if k < len(own)]
        chosen += rounds[:count]
    return chosen


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Equal, or numbers that differ by ``tolerance`` at most, relatively."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return all(same(a[key], b[key], tolerance) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return bool(a == b)


def again(spec: CellSpec) -> dict[str, Any]:
    target = resolve(spec.entry)
    named = completed(spec).at(target=spec.entry, entry_digest=target.digest)
    found = TRACKS[spec.track].measure(named, target)
    cell = Cell(key=named.key, spec=named, status=found.status, measures=found.measures)
    measures: dict[str, Any] = json.loads(cell.model_dump_json())["measures"]
    return measures


def main(
    cells: Annotated[int, typer.Option(help="Cells of each track.")] = 12,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    results: Annotated[Path, typer.Option(help="Results folder.")] = ROOT / "results",
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "results/evidence",
) -> None:
    torch.set_num_threads(1)
    rows = []
    with progress_bar() as bar:
        chosen = drawn(results, cells, seed)
        task = bar.add_task("measuring again", total=len(chosen))
        for cell in chosen:
            stored = json.loads(cell.model_dump_json())["measures"]
            now = again(cell.spec)
            other = [n for n in stored | now if not same(stored.get(n), now.get(n), ROUNDING)]
            spec = cell.spec
            rows.append(
                {
                    "track": spec.track,
                    "entry": spec.entry,
                    "case": spec.case,
                    "measures": len(stored),
                    "to the bit": stored == now,
                    "differ": ", ".join(other),
                }
            )
            bar.update(task, advance=1, description=f"{spec.track} {spec.entry} {spec.case}"[:44])
            if other:
                err.print(f"{spec.track} {spec.entry} {spec.case}: {', '.join(other)}")
    equal = sum(not row["differ"] for row in rows)
    exact = sum(row["to the bit"] for row in rows)
    table = pd.DataFrame(rows)
    save(output / "remeasure.csv", table)
    said = (
        f"{equal} of {len(rows)} cells measure what is stored, {exact} of them to the bit, the others "
        f"within {ROUNDING:g} of each number."
    )
    text = f"# Measured again\n\n{said}\n\n{table.to_markdown(index=False)}\n\n{made_with()}\n"
    write_atomically(output / "remeasure.md", text.encode())
    err.print(said)
    raise SystemExit(equal < len(rows))


if __name__ == "__main__":
    typer.run(main)
