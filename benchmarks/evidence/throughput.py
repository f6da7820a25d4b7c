"""What the engine costs: python benchmarks/evidence/throughput.py [--output results/robustness]

Cells of track self-test that last a given time by the clock, so that what else runs on the machine
shares the cores but not the figures. throughput.md: 10 000 cells that do nothing, one against two
workers, Ray against local; exit code 1 when a target is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from invbench.console import err
from invbench.files import write_atomically
from invbench.runner.engines import EngineConfig, open_engine
from invbench.store.cell import CellSpec
from invbench.store.provenance import provenance
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.self_test import self_test_specs


def timed(where: EngineConfig, specs: Sequence[CellSpec], results: Path) -> tuple[float, float]:
    """(seconds until every lane has measured a first cell, seconds of the others)."""
    with open_engine(where, specs, results) as engine, engine:
        started = time.monotonic()
        lanes = len(engine.lanes)
        for future in [engine.submit(spec) for spec in specs[:lanes]]:
            future.result()
        warm = time.monotonic()
        for future in [engine.submit(spec) for spec in specs[lanes:]]:
            future.result()
        return warm - started, time.monotonic() - warm


def cells(count: int, milliseconds: int) -> list[CellSpec]:
    return self_test_specs(resolve("affine"), count, milliseconds)


def main(
    noops: Annotated[int, typer.Option(help="Cells that do nothing.")] = 10_000,
    seconds: Annotated[int, typer.Option(help="Cells of one second, per comparison.")] = 60,
    output: Annotated[Path, typer.Option(help="Folder of the table.")] = Path("results/robustness"),
) -> None:
    rows: list[dict[str, object]] = []

    def add(
        what: str, value: float, unit: str, target: float | None = None, at_least: bool = False
    ) -> None:
        rows.append({"what": what, "measured": f"{value:.3g} {unit}", "target": "", "kept": ""})
        if target is not None:
            rows[-1]["target"] = f"{'≥' if at_least else '≤'} {target:g} {unit}"
            rows[-1]["kept"] = value >= target if at_least else value <= target
        err.print(rows[-1])

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, rest = timed(EngineConfig(workers=2), cells(noops, 0), folder / "noop")
        add(
            f"{noops} cells that do nothing, two workers, starts included",
            start + rest,
            "s",
            300 * noops / 10_000,
        )
        add("scheduling of one such cell, per worker", 2000 * rest / (noops - 2), "ms", 20)
        started = time.monotonic()
        assert len(Store(folder / "noop").load()[0]) == noops
        add(f"finding {noops} finished cells on resuming", time.monotonic() - started, "s")
        starts, spans = {}, {}
        places = {
            "one": EngineConfig(workers=1),
            "two": EngineConfig(workers=2),
            "ray": EngineConfig("ray", workers=2),
        }
        for label, where in places.items():
            count = seconds + (where.workers or 1)
            starts[label], spans[label] = timed(where, cells(count, 1000), folder / label)
        add(
            f"{seconds} cells of 1 s: throughput of two workers over one",
            spans["one"] / spans["two"],
            "×",
            1.8,
            True,
        )
        add(
            f"{seconds} cells of 1 s: throughput of Ray over local",
            spans["two"] / spans["ray"],
            "×",
            0.9,
            True,
        )
        add("start: until both local workers have measured a cell of 1 s", starts["two"], "s")
        add("start: until both workers on Ray have", starts["ray"], "s")
        sets = {
            n: {c.key[:8]: c.measures for c in Store(folder / n).load()[0]} for n in ("two", "ray")
        }
        assert sets["two"] == sets["ray"]
    table = pd.DataFrame(rows).to_markdown(index=False)
    commit = str(provenance("cpu", 0.0, f"{__file__}:1")["commit"])[:12]
    load = os.getloadavg()[0]
    text = f"""# Throughput

{table}

A cell of 1 s lasts that by the clock, busy or waiting for a core: the ratios are the engine's, not the cores'. They and the scheduling are taken
once every worker has measured a cell; what that takes, mostly imports of torch, stands below them. A cell that does nothing waits for the disk: its
file is synced. Ray is one of its own on this machine; its numbers and the local ones are the same to the bit.

`python benchmarks/evidence/throughput.py`, commit {commit}, {datetime.now(timezone.utc):%Y-%m-%d}, {os.cpu_count()} cores shared with other work, load {load:.1f}
"""
    write_atomically(output / "throughput.md", text.encode())
    print(text)
    sys.exit(1 if any(row["kept"] is False for row in rows) else 0)


if __name__ == "__main__":
    typer.run(main)
