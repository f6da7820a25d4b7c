"""A few cells of the tracks sr and lowlight, an attack among them, by ``invbench run``; then into
the folder of the results, by ``merge`` and ``pack``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from gpu.part import Answer, Setting
from invbench.errors import InvbenchError
from invbench.store.cell import FAILED
from invbench.store.merge import merge
from invbench.store.pack import pack
from invbench.store.store import Store
from invbench.tracks.protocols import current

__all__ = ["gather"]

RESERVE = 8.0
OPTIONS = (
    "--entry affine --budget smoke --corruption noise --severity 3 --attack latent --inputs 1"
).split()


def measure(setting: Setting) -> Answer:
    tracks = ("sr",) if setting.small else ("sr", "lowlight")
    chosen = [word for track in tracks for word in ("--track", track)]
    entries = [] if setting.small else ["--entry", "modified-rq"]
    own = Path(setting.work) / "results"
    command = [*chosen, *OPTIONS, *entries, "--device", setting.device, "--results", str(own)]
    failures = []
    try:
        limit = max(1.0, setting.left() - RESERVE)
        done = subprocess.run([sys.executable, "-m", "invbench", "run", *command], timeout=limit)
        if done.returncode:
            failures.append(f"invbench run ended with exit code {done.returncode}")
    except subprocess.TimeoutExpired:
        failures.append(f"invbench run ended after {limit:.0f} s")
    rows = [
        {
            "cell": f"{cell.spec.track} {cell.spec.entry} {cell.spec.case}",
            "status": cell.status,
            "device": cell.provenance.get("device"),
            "seconds": cell.provenance.get("seconds"),
        }
        for cell in Store(own).load()[0]
    ]
    failures += [f"{row['cell']}: {row['status']}" for row in rows if row["status"] in FAILED]
    if not any("attack" in str(row["cell"]) for row in rows):
        failures.append("no cell of an attack")
    try:
        taken = gather(own, Path(setting.out))
    except InvbenchError as error:
        return Answer(f"{len(rows)} cells", [*failures, f"not merged: {error}"], rows)
    return Answer(f"{len(rows)} cells, {taken} of them new in {setting.out}", failures, rows)


def gather(own: Path, out: Path) -> int:
    """Take the cells of ``own`` into ``out``, as lines of TRACK.jsonl; how many were new. A folder
    in which a device machine's results come back takes few files."""
    found: Any = merge(own, out, current)
    if found.taken:
        pack(out)
    return len(found.taken)
