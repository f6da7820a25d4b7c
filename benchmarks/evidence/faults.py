"""What happens to machines during a run, done to real file systems: python
benchmarks/evidence/faults.py [--output results/robustness]

A disk that fills up, a folder that turns read-only, a folder unmounted in the middle (each a small
tmpfs, which needs root on Linux), a clock that runs backwards, two drivers in one folder. Each run
is resumed when its fault is over. faults.md: what was said, the exit code, finished cells lost,
damaged files, cells that differ from an undisturbed run. Exit code 1 when one is not 0, or a fault
went unnoticed that should be said.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from invbench.console import err
from invbench.files import write_atomically
from invbench.runner.scheduler import run_cells
from invbench.store.merge import merge
from invbench.store.provenance import provenance
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.self_test import self_test_specs

CELLS, MILLISECONDS = 80, 50
EARLY = 20  # cells that are there when the fault strikes
# as ``invbench run`` does: what is missing, and an error that is raised on purpose is a line and
# its exit code
DRIVER = """
import sys
sys.path.insert(0, {here!r})
from faults import specs
from pathlib import Path
from invbench.runner.scheduler import run_cells
from invbench.store.store import Store
from invbench.errors import InvbenchError
folder = Path({folder!r})
try:
    run_cells([s for s in specs() if Store(folder).get(s) is None], 2, folder, lambda cell: None)
except InvbenchError as error:
    print(f"invbench: {{error}}", file=sys.stderr)
    sys.exit(error.exit_code)
"""
CLOCK = """
import time
_now, _looks = time.time(), [0]


def _backwards():
    _looks[0] += 1
    return _now - 3600 * _looks[0]


time.time = _backwards
"""


def specs():  # type: ignore[no-untyped-def]
    return self_test_specs(resolve("affine"), CELLS, MILLISECONDS)


def start(folder: Path, path: str = "") -> subprocess.Popen[str]:
    code = DRIVER.format(here=str(Path(__file__).parent), folder=str(folder))
    paths = os.pathsep.join(p for p in (path, os.environ.get("PYTHONPATH", "")) if p)
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment
    )


def finished(folder: Path) -> dict[str, str]:
    """Path below the folder → content of every finished cell."""
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.glob("*/*/*.json")}


def said_by(text: str) -> tuple[object, object]:
    """Status and measures: of a cell that two drivers measured, the time differs."""
    document = json.loads(text)
    return document["status"], document["measures"]


def wait_for(folder: Path, count: int, driver: subprocess.Popen[str]) -> dict[str, str]:
    while driver.poll() is None and len(finished(folder)) < count:
        time.sleep(0.05)
    return finished(folder)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A tmpfs on ``folder``; yields what mounts it anew with other options."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield (
            lambda new: (
                subprocess.run(["mount", "-o", f"remount,{new}", str(folder)], check=True) and None
            )
        )
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@dataclass(frozen=True)
class Struck:
    """What the drivers said and their exit codes while the fault lasted; the cells there before it,
    those of them that are gone or say something else after it, and those that were written
    again."""

    said: str
    codes: list[int]
    before: int
    lost: int
    again: int


def _ended(drivers: list[subprocess.Popen[str]], folder: Path, before: dict[str, str]) -> Struck:
    said = [driver.communicate()[1].strip() for driver in drivers]
    now = finished(folder)
    lost = sum(
        path not in now or said_by(now[path]) != said_by(text) for path, text in before.items()
    )
    again = sum(now.get(path, text) != text for path, text in before.items())
    lines = [line for text in said for line in text.splitlines() if line.startswith("invbench:")]
    return Struck(
        lines[0] if lines else "",
        [driver.returncode for driver in drivers],
        len(before),
        lost,
        again,
    )


def disk_full(place: Path) -> Struck:
    with mounted(place / "disk", "size=128k") as again:
        driver = start(place / "disk" / "results")
        before = wait_for(place / "disk" / "results", EARLY, driver)
        struck = _ended([driver], place / "disk" / "results", before)
        again("size=16m")
        _resume(place / "disk" / "results", place / "results")
    return struck


def read_only(place: Path) -> Struck:
    with mounted(place / "disk", "size=16m") as again:
        driver = start(place / "disk" / "results")
        before = wait_for(place / "disk" / "results", EARLY, driver)
        # a file that a worker is writing at this moment makes the kernel refuse
        for _ in range(200):
            if (
                subprocess.run(
                    ["mount", "-o", "remount,ro", str(place / "disk")], stderr=subprocess.DEVNULL
                ).returncode
                == 0
            ):
                break
            time.sleep(0.01)
        struck = _ended([driver], place / "disk" / "results", before)
        again("rw")
        _resume(place / "disk" / "results", place / "results")
    return struck


def unmounted(place: Path) -> Struck:
    """The folder is there as before, and empty: it is another disk's."""
    shared = place / "shared"
    with mounted(place / "server", "size=16m"):
        shared.mkdir()
        subprocess.run(["mount", "--bind", str(place / "server"), str(shared)], check=True)
        driver = start(shared)
        before = wait_for(shared, EARLY, driver)
        subprocess.run(["umount", "-l", str(shared)], check=True)
        struck = _ended([driver], place / "server", before)
        if any(shared.iterdir()):
            merge(shared, place / "server")  # what was written below the bare mount point
        _resume(place / "server", place / "results")
    return struck


def clock(place: Path) -> Struck:
    (place / "clock").mkdir()
    (place / "clock" / "sitecustomize.py").write_text(CLOCK)
    driver = start(place / "results", str(place / "clock"))
    before = wait_for(place / "results", EARLY, driver)
    struck = _ended([driver], place / "results", before)
    _resume(place / "results", place / "results")
    return struck


def two_drivers(place: Path) -> Struck:
    drivers = [start(place / "results") for _ in range(2)]
    before = wait_for(place / "results", EARLY, drivers[0])
    return _ended(drivers, place / "results", before)


def _resume(folder: Path, to: Path) -> None:
    """The same command again; then the cells to where they outlive the fault's file system."""
    again = start(folder)
    said = again.communicate()[1]
    if again.returncode:
        raise SystemExit(f"resuming failed: {said}")
    if folder != to:
        subprocess.run(["cp", "-r", str(folder), str(to)], check=True)


# name → (what is done, the exit codes of the drivers, part of what is said)
FAULTS: dict[str, tuple[Callable[[Path], Struck], str, list[int], str]] = {
    "disk full": (disk_full, "a file system of 128 kB", [3], "No space left on device"),
    "read-only folder": (
        read_only,
        "mounted read-only in the middle",
        [3],
        "Read-only file system",
    ),
    "folder lost": (
        unmounted,
        "unmounted in the middle, its bare mount point left",
        [3],
        "moved, removed or unmounted",
    ),
    "clock backwards": (clock, "an hour back at each look, in driver and workers", [0], ""),
    "two drivers": (two_drivers, "the same plan, at once, in one folder", [0, 0], ""),
}


def main(
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
) -> None:
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_cells(specs(), 2, folder / "undisturbed", lambda cell: None)
        expected = {
            cell.key: (cell.status, cell.measures)
            for cell in Store(folder / "undisturbed").load()[0]
        }
        for fault, (strike, done, codes, part) in FAULTS.items():
            place = folder / fault.replace(" ", "-")
            place.mkdir()
            struck = strike(place)
            cells, damaged = Store(place / "results").load()
            now = {cell.key: (cell.status, cell.measures) for cell in cells}
            differing = sum(now.get(key) != value for key, value in expected.items())
            rests = len(list((place / "results").rglob("*.tmp")))
            bad = (
                struck.lost
                or damaged
                or differing
                or rests
                or struck.codes != codes
                or part not in struck.said
            )
            wrong += bool(bad)
            rows.append(
                {
                    "fault": fault,
                    "done": done,
                    "exit codes": ", ".join(map(str, struck.codes)),
                    "said": struck.said.replace(str(folder), "…").replace("|", "\\|"),
                    "finished before": struck.before,
                    "of them lost": struck.lost,
                    "of them written again": struck.again,
                    "files damaged": len(damaged),
                    "temporary files left": rests,
                    "cells that differ after resuming": differing,
                }
            )
            err.print(str(rows[-1]), markup=False, highlight=False)
    commit = str(provenance("cpu", 0.0, f"{__file__}:1")["commit"])
    commit = commit[:12] + commit[40:]  # +changes, where there are any
    text = f"""# Faults of machines

Runs of {CELLS} cells with two workers, struck when {EARLY} are finished, and resumed by the same command when the fault is over;
{wrong} are not as they should be. A cell that two drivers measured at the same time is written twice, with the same measures.

{pd.DataFrame(rows).to_markdown(index=False)}

`python benchmarks/evidence/faults.py`, commit {commit}, {datetime.now(timezone.utc):%Y-%m-%d}
"""
    write_atomically(output / "faults.md", text.encode())
    print(text)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    typer.run(main)
