"""Is the judge right? python benchmarks/evidence/corpus.py [--budget default] [--dtypes
float32,float64]

Every sound layer and every reported fault of tests/support/corpus, each fault beside its repair.
corpus.csv: a row per case and dtype. corpus.md: sound layers accused, by kind; faults caught, by
class; what was missed, what was accused wrongly; seconds by kind. A fault is caught when it is
accused in one of the dtypes: one of float64 alone shows in float64 alone. Exit code 1 when anything
sound is accused. ``--resume`` keeps the rows that corpus.csv has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from runs import Row, in_parallel, judged, known, made_with, save

from invbench.console import err
from invbench.files import write_atomically
from tests.support.corpus import FAULTS, SOUND, target

COLUMNS = ["name", "kind", "expected", "dtype", "sound", "seconds", "laws", "report", "undecided"]
Job = tuple[str, str, str, str, str, str]  # name, kind, expected, report, dtype, budget


def cases() -> list[tuple[str, str, str, str]]:
    """(name, kind, expected, report) of every case."""
    found = [(name, kind, "sound", "") for name, kind in SOUND.items()]
    for fault in FAULTS.values():
        found.append((fault.fixed, f"repaired: {fault.kind}", "sound", fault.report))
        found.append((fault.faulty, fault.kind, "faulty", fault.report))
    return found


def work(job: Job) -> Row:
    name, kind, expected, report, dtype, budget = job
    row = {"name": name, "kind": kind, "expected": expected, "dtype": dtype, "report": report}
    return row | judged(target(name), dtype, budget=budget)


def table_of_kinds(sound: pd.DataFrame) -> pd.DataFrame:
    accused = sound.assign(accused=sound["sound"] != "True")
    by_case = accused.groupby(["kind", "name"], sort=False)["accused"].any().reset_index()
    return (
        by_case.groupby("kind", sort=False)
        .agg(n=("name", "size"), accused=("accused", "sum"))
        .reset_index()
    )


def table_of_faults(faulty: pd.DataFrame) -> pd.DataFrame:
    caught = faulty.assign(caught=faulty["sound"] == "False")
    wide = caught.pivot_table(
        index=["kind", "name"], columns="dtype", values="caught", aggfunc="any"
    )
    wide = wide.fillna(False).astype(bool)
    dtypes = list(wide.columns)
    wide.insert(0, "caught", wide.any(axis=1))
    wide.insert(0, "n", 1)
    return (
        wide.groupby("kind")
        .sum()
        .astype(int)
        .reset_index()
        .rename(columns={d: f"in {d}" for d in dtypes})
    )


def table_of_seconds(rows: pd.DataFrame) -> pd.DataFrame:
    seconds = rows.assign(seconds=rows["seconds"].astype(float))
    found = seconds.groupby("kind")["seconds"].agg(["size", "median", "max"]).reset_index()
    return found.rename(columns={"size": "runs", "median": "median s", "max": "max s"}).round(1)


def with_total(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [table, pd.DataFrame([{"kind": "**all**"} | table.drop(columns="kind").sum().to_dict()])]
    )


def listed(rows: pd.DataFrame, empty: str) -> str:
    if rows.empty:
        return empty
    lines = [
        f"- {r['name']} ({r['dtype']}; {r['kind']}): {r['laws'] or 'not accused'}"
        for _, r in rows.iterrows()
    ]
    return "\n".join(lines)


def page(rows: pd.DataFrame, note: str) -> tuple[str, int]:
    """(the page, how many sound cases are accused)."""
    sound, faulty = rows[rows["expected"] == "sound"], rows[rows["expected"] == "faulty"]
    wrongly = sound[sound["sound"] != "True"]
    caught = set(faulty[faulty["sound"] == "False"]["name"])
    missed = faulty[~faulty["name"].isin(caught)]
    parts = [
        f"# The corpus\n\n{sound['name'].nunique()} sound layers of {sound['kind'].nunique()} "
        f"kinds, "
        f"{wrongly['name'].nunique()} accused; {faulty['name'].nunique()} faults, "
        f"{len(caught)} caught."
    ]
    if not sound.empty:
        parts.append(
            f"## Sound layers\n\n{with_total(table_of_kinds(sound)).to_markdown(index=False)}"
        )
        parts.append(f"## Accused wrongly\n\n{listed(wrongly, 'None.')}")
    if not faulty.empty:
        parts.append(f"## Faults\n\n{with_total(table_of_faults(faulty)).to_markdown(index=False)}")
        parts.append(f"## Missed\n\n{listed(missed, 'None.')}")
    parts.append(f"## Seconds\n\n{table_of_seconds(rows).to_markdown(index=False)}")
    return "\n\n".join([*parts, note]) + "\n", wrongly["name"].nunique()


def main(
    budget: Annotated[str, typer.Option(help="smoke, default or deep.")] = "default",
    dtypes: Annotated[str, typer.Option(help="With commas.")] = "float32,float64",
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    only: Annotated[str, typer.Option(help="A regular expression of names.")] = "",
    output: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("results/laws"),
    resume: Annotated[bool, typer.Option("--resume", help="Keep the rows that are there.")] = False,
) -> None:
    rows = known(output / "corpus.csv", COLUMNS) if resume else pd.DataFrame(columns=COLUMNS)
    there = set(zip(rows["name"], rows["dtype"], strict=True))
    jobs = [
        (*case, dtype, budget)
        for case in cases()
        for dtype in dtypes.split(",")
        if re.search(only, case[0]) and (case[0], dtype) not in there
    ]
    for row in in_parallel(work, jobs, workers):
        rows = pd.concat(
            [rows, pd.DataFrame([row], columns=COLUMNS).astype(str)], ignore_index=True
        )
        save(output / "corpus.csv", rows)
    order = {name: i for i, (name, *_) in enumerate(cases())}
    rows = rows.sort_values(
        ["name", "dtype"], key=lambda c: c.map(order) if c.name == "name" else c
    )
    save(output / "corpus.csv", rows)
    text, accused = page(rows, made_with())
    write_atomically(output / "corpus.md", text.encode())
    err.print(text.split("\n\n")[1])
    raise typer.Exit(1 if accused else 0)


if __name__ == "__main__":
    typer.run(main)
