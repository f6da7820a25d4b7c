"""Can the laws be trusted? python scripts/law_matrix.py [--seeds 20] [--output results/laws]

matrix.csv and matrix.md: every planted fault of tests/faults × every law, which accuses it. sound.csv and sound.md: every sound subject
that looks suspicious, over so many corpus seeds at the budget smoke and once at default, in float32 and float64: how many runs accused it.
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from invbench.console import err, progress_bar
from invbench.couplings.fused import can_fuse
from invbench.paths import write_atomically
from invbench.properties import LAWS, check
from tests.faults import every_mutant, every_sound


def accused(name: str, **options: object) -> set[str]:
    return {f.property for f in check(name, **options).failures if f.kind != "ill-conditioned"}  # type: ignore[arg-type]


def main(
    seeds: Annotated[int, typer.Option(help="Corpus seeds for the sound subjects.")] = 20,
    output: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("results/laws"),
) -> None:
    torch.set_num_threads(1)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    note = f"{time.strftime('%Y-%m-%d')}, `python scripts/law_matrix.py --seeds {seeds}`, CPU; {versions}"
    mutants, sound = every_mutant(), every_sound()
    with progress_bar() as bar:
        task = bar.add_task("mutants", total=len(mutants) + len(sound) * 2 * (seeds + 1))
        rows: dict[str, dict[str, str]] = {}
        for law, target in mutants:
            found = rows.setdefault(target.name, {})
            if not found:
                found |= dict.fromkeys(accused(target, budget="smoke"), "x")
            if LAWS[law].scope == "deep" and can_fuse() is None and accused(target, budget="deep", properties=[law]):
                found[law] = "x"
            found[law] = "X" if found.get(law) else "SURVIVED"
            bar.advance(task)
        alarms = []
        for target in sound:
            for dtype in ("float32", "float64"):
                runs = [("smoke", seed) for seed in range(seeds)] + [("default", 0)]
                broken = []
                for budget, seed in runs:
                    report = check(target, dtype, budget=budget, first_seed=seed)
                    broken += [f"{budget}, seed {seed}: {f.property}" for f in report.failures if f.breaks_soundness]
                    bar.update(task, advance=1, description=target.name)
                alarms.append(
                    {
                        "subject": target.name,
                        "dtype": dtype,
                        "runs": len(runs),
                        "accused": len(broken),
                        "by": "; ".join(broken),
                    }
                )
    matrix = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=list(LAWS)).fillna("")
    matrix.index.name = "planted fault"
    table = pd.DataFrame(alarms)
    survived = int((matrix == "SURVIVED").to_numpy().sum())
    write_atomically(output / "matrix.csv", matrix.to_csv().encode())
    key = "X: the law that the fault is planted for; x: another law that accuses it too; SURVIVED: it should have."
    write_atomically(output / "matrix.md", f"{matrix.to_markdown()}\n\n{key}\n\n{note}\n".encode())
    write_atomically(output / "sound.csv", table.to_csv(index=False).encode())
    write_atomically(output / "sound.md", f"{table.to_markdown(index=False)}\n\n{note}\n".encode())
    err.print(
        f"{len(rows)} faults, {survived} survived; {table['runs'].sum()} runs of sound subjects, {table['accused'].sum()} accused"
    )
    raise typer.Exit(1 if survived or table["accused"].sum() else 0)


if __name__ == "__main__":
    typer.run(main)
