"""Can the laws be trusted? python benchmarks/evidence/law_matrix.py [--seeds 20] [--workers 2]
[--output results/laws]

matrix.csv and matrix.md: every planted fault of tests/support/faults × every law, which accuses it.
sound.csv and sound.md: every sound subject that looks suspicious, over so many corpus seeds at the
budget smoke and once at default, in float32 and float64: how many runs accused it.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks" / "evidence")]
from runs import Row, in_parallel  # noqa: E402

from invbench.console import err  # noqa: E402
from invbench.couplings.compiled import compiler_missing  # noqa: E402
from invbench.files import write_atomically  # noqa: E402
from invbench.laws import LAWS, check  # noqa: E402
from invbench.targets import Target  # noqa: E402
from tests.support.faults import every_mutant, every_sound  # noqa: E402


def accused(target: Target, **options: object) -> set[str]:
    return {f.property for f in check(target, **options).failures if f.kind != "ill-conditioned"}  # type: ignore[arg-type]


def of_mutant(index: int) -> Row:
    """The laws that accuse one planted fault; the law that it is planted for first."""
    law, target = every_mutant()[index]
    found = accused(target, budget="smoke")
    if LAWS[law].scope == "deep" and compiler_missing() is None:
        found |= accused(target, budget="deep", properties=[law])
    return {"law": law, "name": target.name, "found": sorted(found)}


def of_sound(job: tuple[int, str, str, int]) -> Row:
    """One run of a sound subject."""
    index, dtype, budget, seed = job
    target = every_sound()[index]
    report = check(target, dtype, budget=budget, first_seed=seed)
    broken = [f"{budget}, seed {seed}: {f.property}" for f in report.failures if f.breaks_soundness]
    return {"subject": target.name, "dtype": dtype, "broken": broken}


def main(
    seeds: Annotated[int, typer.Option(help="Corpus seeds for the sound subjects.")] = 20,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    output: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("results/laws"),
) -> None:
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    note = (
        f"{time.strftime('%Y-%m-%d')}, `python benchmarks/evidence/law_matrix.py --seeds "
        f"{seeds}`, CPU; {versions}"
    )
    rows: dict[str, dict[str, str]] = {}
    for row in in_parallel(of_mutant, list(range(len(every_mutant()))), workers):
        marks = rows.setdefault(row["name"], {})
        marks |= dict.fromkeys((law for law in row["found"] if law not in marks), "x")
        marks[row["law"]] = "X" if row["law"] in row["found"] else "SURVIVED"
    runs = [("smoke", seed) for seed in range(seeds)] + [("default", 0)]
    jobs = [
        (k, dtype, *run)
        for k in range(len(every_sound()))
        for dtype in ("float32", "float64")
        for run in runs
    ]
    broken: dict[tuple[str, str], list[str]] = {
        (target.name, dtype): [] for target in every_sound() for dtype in ("float32", "float64")
    }
    for row in in_parallel(of_sound, jobs, workers):
        broken[row["subject"], row["dtype"]] += row["broken"]
    alarms = [
        {
            "subject": name,
            "dtype": dtype,
            "runs": len(runs),
            "accused": len(found),
            "by": "; ".join(sorted(found)),
        }
        for (name, dtype), found in broken.items()
    ]
    matrix = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(LAWS)).fillna("")
    matrix.index.name = "planted fault"
    table = pd.DataFrame(alarms)
    survived = int((matrix == "SURVIVED").to_numpy().sum())
    write_atomically(output / "matrix.csv", matrix.to_csv().encode())
    key = (
        "X: the law that the fault is planted for; x: another law that accuses it too; "
        "SURVIVED: it should have."
    )
    write_atomically(output / "matrix.md", f"{matrix.to_markdown()}\n\n{key}\n\n{note}\n".encode())
    write_atomically(output / "sound.csv", table.to_csv(index=False).encode())
    write_atomically(output / "sound.md", f"{table.to_markdown(index=False)}\n\n{note}\n".encode())
    err.print(
        f"{len(rows)} faults, {survived} survived; {table['runs'].sum()} runs of sound "
        f"subjects, {table['accused'].sum()} accused"
    )
    raise typer.Exit(1 if survived or table["accused"].sum() else 0)


if __name__ == "__main__":
    typer.run(main)
