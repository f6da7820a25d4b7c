"""Is anything lost when processes die? python benchmarks/evidence/kills.py [--kills 100] [--output
results/robustness]

Runs of 300 cells are disturbed by SIGKILL of the driver or of a worker at random times and resumed
until they are done; before each kill the finished cells are noted. kills.md: finished cells lost,
files damaged, cells that differ from an undisturbed run. Exit code 1 when any of these is not 0.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import psutil
import typer

from invbench.console import err
from invbench.files import write_atomically
from invbench.runner.scheduler import run_cells
from invbench.store.provenance import provenance
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.self_test import self_test_specs

ENTRIES, SEEDS, MILLISECONDS = ("affine", "additive", "rq"), 100, 40
DRIVER = """
import sys
sys.path.insert(0, {here!r})
from kills import specs
from pathlib import Path
from invbench.runner.scheduler import run_cells
from invbench.store.store import Store
folder = Path({folder!r})
missing = [s for s in specs() if (c := Store(folder).get(s)) is None or c.status != "ok"]
run_cells(missing, 2, folder, lambda cell: None)
"""


def specs(milliseconds: int = MILLISECONDS, seeds: int = SEEDS):  # type: ignore[no-untyped-def]
    return [
        spec for name in ENTRIES for spec in self_test_specs(resolve(name), seeds, milliseconds)
    ]


def finished(folder: Path) -> dict[str, str]:
    """Path → content of every finished cell."""
    return {str(p): p.read_text() for p in folder.glob("*/*/*.json")}


def start(folder: Path) -> subprocess.Popen[bytes]:
    code = DRIVER.format(here=str(Path(__file__).parent), folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)


def disturb(folder: Path, kills: int, rng: random.Random) -> tuple[int, int, int]:
    """One run to its end, resumed after each kill; returns (kills of drivers, of workers, finished
    cells lost)."""
    drivers = workers = lost = 0
    total = len(specs())
    while True:
        driver = start(folder)
        while driver.poll() is None:
            time.sleep(rng.uniform(0.5, 5.5))
            noted = finished(folder)
            if drivers + workers >= kills or driver.poll() is not None:
                continue
            if rng.random() < 0.5:
                children = [p for p in psutil.Process(driver.pid).children() if p.is_running()]
                if not children:  # workers have not started yet
                    continue
                rng.choice(children).send_signal(signal.SIGKILL)
                workers += 1
            else:
                driver.kill()
                driver.wait()
                drivers += 1
            now = finished(folder)
            lost += sum(path not in now for path in noted)
        # a cell whose worker was killed twice is recorded as failed and tried again, as --retry
        # error does
        cells = Store(folder).load()[0]
        if (
            driver.returncode == 0
            and len(cells) == total
            and all(cell.status == "ok" for cell in cells)
        ):
            return drivers, workers, lost
        if driver.returncode not in (0, -signal.SIGKILL):
            raise SystemExit(f"the driver ended with {driver.returncode}")


def main(
    kills: Annotated[int, typer.Option(help="Kills in all.")] = 100,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
) -> None:
    rng, made, rounds = random.Random(0), [0, 0, 0], 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_cells(specs(), 2, folder / "undisturbed", lambda cell: None)
        expected = {
            cell.key: (cell.status, cell.measures)
            for cell in Store(folder / "undisturbed").load()[0]
        }
        damaged = differing = 0
        kinds: list[str] = []
        while made[0] + made[1] < kills:
            rounds += 1
            place = folder / f"round{rounds}"
            found = disturb(place, kills - made[0] - made[1], rng)
            made = [a + b for a, b in zip(made, found, strict=True)]
            cells, unreadable = Store(place).load()
            damaged += len(unreadable)
            now = {cell.key: (cell.status, cell.measures) for cell in cells}
            wrong = [key for key, value in expected.items() if now.get(key) != value]
            differing += len(wrong)
            kinds += [str(now.get(key, ("missing",))[0]) for key in wrong]
            err.print(f"round {rounds}: {made[0]} drivers and {made[1]} workers killed so far")
    commit = str(provenance("cpu", 0.0, f"{__file__}:1")["commit"])[:12]
    text = f"""# Kills

{made[0]} drivers and {made[1]} workers killed by SIGKILL at random times in {rounds} runs of {len(expected)} cells, each resumed until done.

| finished cells lost | files damaged | cells that differ from the undisturbed run |
|:--|:--|:--|
| {made[2]} | {damaged} | {differing} |

{f"Those cells: {', '.join(kinds)}." if kinds else "A cell whose worker was killed twice counted as failed and was measured again on resuming."}

`python benchmarks/evidence/kills.py --kills {kills}`, commit {commit}, {datetime.now(timezone.utc):%Y-%m-%d}, a shared machine of two cores
"""
    write_atomically(output / "kills.md", text.encode())
    print(text)
    sys.exit(1 if made[2] or damaged or differing else 0)


if __name__ == "__main__":
    typer.run(main)
