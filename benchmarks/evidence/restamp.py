"""Give stored cells the digests of today's code, after proof that it measures the same numbers:
python benchmarks/evidence/restamp.py --old CHECKOUT

A change of code that moves no number still makes cells stale. Of every track one cell of each kind
(samples, stretch, radius, each attack …) and one of each entry is measured by the code of CHECKOUT
and by today's, one process each, on this machine. Only when all measures are the same JSON to the
byte, the stale cells get today's digests; their provenance says so. The proof is kept in
results/evidence/restamp.json and holds for these two codes: the same command later stamps what has
been measured by the old one meanwhile, without measuring again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from runs import ROOT, made_with, save

from invbench.console import err
from invbench.errors import HarnessError, UsageError
from invbench.files import write_atomically
from invbench.report.rows import current_cells
from invbench.source import ROOMS, syntax_digest
from invbench.store.cell import Cell
from invbench.store.pack import pack
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.versions import completed, outdated

LONGEST = 15.0  # seconds that a drawn cell took when it was measured
TIMED = ("speed", "cost")  # measures of a clock
# what one code measures of the specs on standard input, a JSON document per line
MEASURE = """
import json, sys, torch
torch.set_num_threads(1)
from invbench.store.cell import Cell, CellSpec
from invbench.targets import resolve
from invbench.tracks import TRACKS
from invbench.tracks.versions import completed
for line in sys.stdin:
    spec = CellSpec.model_validate_json(line)
    target = resolve(spec.entry)
    named = completed(spec).at(target=spec.entry, entry_digest=target.digest)
    found = TRACKS[spec.track].measure(named, target)
    cell = Cell(key=named.key, spec=named, status=found.status, measures=found.measures)
    print(json.dumps(json.loads(cell.model_dump_json())["measures"], sort_keys=True), flush=True)
"""


def drawn(cells: list[Cell], seed: int) -> list[Cell]:
    """One cell of each track and kind, and one of each track, entry and flow, the quick ones."""
    rng = random.Random(seed)
    quick = [
        c
        for c in current_cells(cells)[0]
        if c.status in ("ok", "diverged")
        and c.spec.measure not in TIMED
        and not c.spec.precision  # float16 takes minutes where a processor has none
        and float(c.provenance.get("seconds", math.inf)) < LONGEST
    ]
    rng.shuffle(quick)
    chosen: dict[tuple[object, ...], Cell] = {}
    for cell in quick:
        s = cell.spec
        chosen.setdefault((s.track, s.attack, s.measure, s.precision), cell)
    for cell in quick:
        s = cell.spec
        chosen.setdefault((s.track, s.entry, s.settings.get("flow")), cell)
    return list({cell.key: cell for cell in chosen.values()}.values())


def measured(checkout: Path, cells: list[Cell]) -> list[str]:
    """What the code of a checkout measures of these cells."""
    path = f"{checkout}{os.pathsep}{checkout / 'reference_models'}"
    lines = "".join(cell.spec.model_dump_json() + "\n" for cell in cells)
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(lines)
    process.stdin.close()
    found = []
    for cell, line in zip(cells, process.stdout, strict=False):
        found.append(line.strip())
        err.print(f"{checkout.name}: {cell.spec.track} {cell.spec.entry} {cell.spec.case}")
    if process.wait() or len(found) != len(cells):
        raise HarnessError(f"{checkout}: its code did not measure every cell")
    return found


def rooms(checkout: Path) -> str:
    """The digest of all code that measures, in a checkout."""
    found = hashlib.sha256()
    places = [checkout / "invbench" / room for room in ROOMS] + [checkout / "reference_models"]
    for place in places:
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
            found.update(f"{file.relative_to(checkout)} {syntax_digest(file)}\n".encode())
    return found.hexdigest()[:16]


def commit(checkout: Path) -> str:
    asked = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(asked, text=True).strip()


def restamped(cell: Cell, proof: dict[str, Any]) -> Cell:
    """The cell under today's digests."""
    digest = resolve(cell.spec.entry).digest
    spec = completed(cell.spec).at(entry_digest=digest)
    provenance = {**cell.provenance, "restamped": proof["proved_at"]}
    return cell.model_copy(update={"key": spec.key, "spec": spec, "provenance": provenance})


def stamp(results: Path, cells: list[Cell], stale: set[str], proof: dict[str, Any]) -> None:
    """Write the packed files again, the stale cells under today's digests."""
    for path in sorted(results.glob("*.jsonl")):
        of_track = [c for c in cells if c.spec.track == path.stem]
        new = [restamped(c, proof) if c.key in stale else c for c in of_track]
        write_atomically(path, "".join(c.model_dump_json() + "\n" for c in new).encode())
    pack(results)


def main(
    old: Annotated[Path, typer.Option(help="A checkout of the code that measured the cells.")],
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    results: Annotated[Path, typer.Option(help="Results folder, packed.")] = ROOT / "results",
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "results/evidence",
) -> None:
    if not (old / "invbench").is_dir():
        raise UsageError(f"--old {old}: no checkout of invbench; make one with git worktree add")
    cells, _ = Store(results).load()
    stale = {cell.key for cell, why in outdated(cells) if "code" in why}
    kept = output / "restamp.json"
    codes = {"old_code": rooms(old), "new_code": rooms(ROOT)}
    proof = json.loads(kept.read_text()) if kept.exists() else {}
    if proof.items() >= codes.items():
        stamp(results, cells, stale, proof)
        err.print(f"{len(stale)} cells have today's digests, by the proof in {kept}")
        return
    chosen = drawn([cell for cell in cells if cell.key in stale], seed)
    before, after = measured(old, chosen), measured(ROOT, chosen)
    rows = [
        {
            "track": cell.spec.track,
            "entry": cell.spec.entry,
            "case": cell.spec.case,
            "flow": cell.spec.settings.get("flow", ""),
            "numbers": len(a.split(",")),
            "the same to the byte": a == b,
        }
        for cell, a, b in zip(chosen, before, after, strict=True)
    ]
    equal = sum(a == b for a, b in zip(before, after, strict=True))
    proof = {"measured_by": commit(old), "proved_at": commit(ROOT), "cells": len(rows), **codes}
    said = (
        f"{equal} of {len(rows)} cells are the same to the byte by the code of commit "
        f"{proof['measured_by']} and by that of {proof['proved_at']}. "
    )
    if equal == len(rows):
        write_atomically(kept, (json.dumps(proof, indent=1) + "\n").encode())
        stamp(results, cells, stale, proof)
        said += f"{len(stale)} stored cells have the digests of the latter now."
    table = pd.DataFrame(rows)
    save(output / "restamp.csv", table)
    text = f"# The same numbers by changed code\n\n{said}\n\n{table.to_markdown(index=False)}\n\n"
    write_atomically(output / "restamp.md", f"{text}{made_with()}\n".encode())
    err.print(said)
    raise SystemExit(equal < len(rows))


if __name__ == "__main__":
    typer.run(main)
