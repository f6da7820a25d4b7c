"""How fast couplings are: python benchmarks/couplings.py [--elements 1048576] [--repeats 7]
[--output results/benchmarks]

Everything is timed in one process on one thread, contestants taking turns, after one untimed call
each; medians. Two tables, md and csv: nanoseconds per element of the coupling alone, and the mini
super-resolution flow, train and decode step, relative to eager ``affine``.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from contestants import calls, ours, outside
from flow_steps import flow_rows

from invbench.console import err, progress_bar
from invbench.files import write_atomically
from invbench.registry import COUPLINGS

SLOW = 3.0  # seconds: an eager call that takes longer is timed once


def medians(tasks: list[tuple[str, Callable[[], None]]], repeats: int) -> list[float]:
    """Median seconds of every task; in each round every task runs once."""
    times: list[list[float]] = [[] for _ in tasks]
    with progress_bar() as progress:
        bar = progress.add_task("timing", total=len(tasks) * (repeats + 1))
        for turn in range(repeats + 1):
            for index, (name, call) in enumerate(tasks):
                progress.update(bar, advance=1, description=name)
                if times[index] and times[index][0] > SLOW:
                    continue
                started = time.perf_counter()
                call()
                elapsed = time.perf_counter() - started
                # the first round warms up and compiles; a slow eager call is not repeated
                if turn > 0 or (elapsed > SLOW and "eager" in name):
                    times[index].append(elapsed)
    return [statistics.median(found) for found in times]


def coupling_table(names: list[str], elements: int, repeats: int) -> pd.DataFrame:
    contestants, missing = outside()
    for line in missing:
        err.print(line)
    contestants = ours(names) + contestants
    labelled = [
        (c, part, call)
        for c in contestants
        for part, call in calls(c, elements).items()
        if part in c.parts
    ]
    seconds = medians(
        [(f"{c.library} {c.coupling} {c.mode} {part}", call) for c, part, call in labelled], repeats
    )
    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for (c, part, _), value in zip(labelled, seconds, strict=True):
        rows.setdefault((c.library, c.coupling, c.mode), {})[f"{part}_ns"] = value / elements * 1e9
    table = pd.DataFrame.from_dict(rows, orient="index")
    base = table.loc[("invbench", "affine", "eager")]
    for column in list(table.columns):
        table[column.replace("_ns", "_rel")] = table[column] / base[column]
    table.index = pd.MultiIndex.from_tuples(table.index, names=["library", "coupling", "mode"])
    return table.reset_index()


def provenance(repeats: int) -> str:
    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} absent"

    cpu = next(
        (
            r.split(":")[1].strip()
            for r in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in r
        ),
        "",
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    packages = ", ".join(
        of(p) for p in ("torch", "nflows", "normflows", "zuko", "pyro-ppl", "FrEIA")
    )
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit}, {cpu} ({platform.machine()}), 1 "
        f"thread, float32, "
        f"medians of {repeats} turns; Python {platform.python_version()}, {packages}"
    )


def write(table: pd.DataFrame, name: str, note: str, output: Path) -> None:
    text = table.to_markdown(index=False, floatfmt=".2f") + f"\n\n{note}\n"
    sys.stdout.write(f"\n## {name}\n\n{text}")
    write_atomically(output / f"{name}.md", text.encode())
    write_atomically(
        output / f"{name}.csv", table.to_csv(index=False, float_format="%.4g").encode()
    )


def main(
    elements: Annotated[int, typer.Option(help="Elements per call.")] = 2**20,
    repeats: Annotated[int, typer.Option(help="Timed turns.")] = 7,
    designs: Annotated[str, typer.Option(help="Comma-separated couplings; all by default.")] = "",
    couplings: Annotated[bool, typer.Option(help="Time the couplings alone.")] = True,
    flow: Annotated[bool, typer.Option(help="Time the super-resolution flow.")] = True,
    output: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path(
        "results/benchmarks"
    ),
) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    names = designs.split(",") if designs else list(COUPLINGS)
    note = provenance(repeats)
    if couplings:
        columns = (
            "`_rel`: relative to eager `affine` of invbench in the same run. train: forward, "
            "backward to x and parameters. "
            f"{elements} elements."
        )
        write(coupling_table(names, elements, repeats), "couplings", f"{columns}\n\n{note}", output)
    if flow:
        table = flow_rows(names, repeats, medians)
        columns = (
            "Mini SRFlow (2 levels of 4 steps); train: one Adam step on 8 patches of 64×64; "
            "decode: 5 samples of 64×64; saved_mib: what autograd "
            "keeps between forward and backward, exact. `_rel`: relative to eager `affine`."
        )
        write(table, "flow", f"{columns}\n\n{note}", output)


if __name__ == "__main__":
    typer.run(main)
