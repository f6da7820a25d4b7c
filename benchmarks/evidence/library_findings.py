"""What the laws say of released libraries: python benchmarks/evidence/library_findings.py [--budget
smoke] [--output results/libraries]

Needs pip install '.[libraries]' and confirmed.csv of benchmarks/evidence/libraries/confirm.py,
which is run first. Writes findings.csv (every raw verdict: target, law, kind, severity, value,
bound, confirmed), verdicts.md (target × law) and findings.md. A verdict is the judge's word alone;
in the two texts only what a confirmed record covers is said of anybody.
"""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from invbench.adapters import installed, load_library, of_library
from invbench.console import err, progress_bar
from invbench.errors import InvbenchError
from invbench.laws import LAWS, Report, check
from invbench.laws.report import Failure
from invbench.registry import COUPLINGS, LAYERS
from invbench.store.store import write_atomically
from invbench.targets import resolve

COLUMNS = ["target", "law", "kind", "severity", "value", "bound", "confirmed"]
MARKS = {"defect": "D", "limit": "L"}
NOTICE = (
    "Verdicts of the judge that no confirmed record covers are not accusations: they are "
    "left out here, and stand in findings.csv "
    "with `confirmed` = no until a second method has shown them or the judge has been mended."
)


@dataclass(frozen=True)
class Record:
    """A finding that benchmarks/evidence/libraries/confirm.py has confirmed, and the verdicts that
    it covers."""

    library: str
    version: str
    case: str
    what: str
    got: str
    right: str
    severity: str
    kind: str
    command: str
    covers: str

    @property
    def exception(self) -> str:
        """Type and first words of what the case raises; numbers further on differ from case to
        case."""
        name, _, text = self.got.partition(": ")
        return f"{name}: {text[:30]}" if text else name

    def covers_verdict(self, target: str, failure: Failure) -> bool:
        """Whether the record explains a verdict about this target: its law, its kind and, of a
        crash, the exception."""
        law, kind = failure.property, failure.kind
        if target.partition("/")[0] != self.library or (
            kind == "crash" and self.exception not in failure.message
        ):
            return False
        for line in filter(None, self.covers.split(";")):
            targets, kinds, laws = (part.split() for part in line.split("|"))
            if all(
                any(fnmatch(v, p) for p in ps)
                for v, ps in ((target, targets), (kind, kinds), (law, laws))
            ):
                return True
        return False


def read_confirmed(file: Path, versions: dict[str, str]) -> list[Record]:
    """The records of the installed versions: one of another version says nothing of this one."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    records = [Record(**{f: row[f] for f in Record.__dataclass_fields__}) for row in rows]
    return [r for r in records if versions.get(r.library) == r.version]


def covering(records: Iterable[Record], target: str, failure: Failure) -> list[Record]:
    """The records that explain a verdict; none for one that is ill-conditioned, which blames
    nobody's code."""
    return (
        []
        if failure.kind == "ill-conditioned"
        else [r for r in records if r.covers_verdict(target, failure)]
    )


def raw_verdicts(reports: list[Report], records: list[Record]) -> pd.DataFrame:
    """Every verdict of the judge, with whether it is confirmed."""
    rows = []
    for report in reports:
        for f in report.failures:
            found = covering(records, report.target, f)
            cells = (
                report.target,
                f.property,
                f.kind,
                f.severity,
                f.value,
                f.bound,
                "yes" if found else "no",
            )
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return pd.DataFrame(rows, columns=COLUMNS)


def findings(reports: list[Report], records: list[Record], note: str) -> str:
    """One line per confirmed record that the judge has met too."""
    lines = []
    for record in records:
        met = [
            f"{report.target} {f.property}"
            for report in reports
            for f in report.failures
            if f.breaks_soundness and covering([record], report.target, f)
        ]
        if met:
            lines.append(
                f"- **{record.library} {record.version}** ({record.severity}; {record.kind}): "
                f"{record.what} Got {record.got}; "
                f"right {record.right}. `{record.command}`. Verdicts that it explains: "
                f"{', '.join(sorted(set(met)))}."
            )
    body = "\n".join(lines) or "No verdict of the judge is confirmed."
    return (
        f"{body}\n\n{NOTICE} All confirmed findings, with the inputs and the second method: "
        f"confirmed.md.\n\n{note}\n"
    )


def verdicts(reports: list[Report], records: list[Record], note: str) -> str:
    """Target × law, with marks for confirmed verdicts only, and ``sound`` only where the judge
    found nothing."""
    rows, laws = {}, set()
    for report in reports:
        marks: dict[str, str] = {}
        for f in report.failures:
            found = covering(records, report.target, f)
            kinds = sorted({MARKS[r.kind] for r in found})
            if kinds and f.breaks_soundness:
                marks[f.property] = "".join(sorted(set(marks.get(f.property, "")) | set(kinds)))
        laws |= set(marks)
        rows[report.target] = {
            "sound": "yes" if report.sound else "NO" if "D" in "".join(marks.values()) else "",
            **marks,
        }
    columns = ["sound", *(law for law in LAWS if law in laws)]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).fillna("")
    key = (
        "yes: the judge found nothing; NO: a confirmed defect; empty: verdicts that are not "
        "confirmed, or a limit only. D confirmed "
        "defect, L confirmed limit of the design. Laws without a confirmed finding are left out."
    )
    return f"{table.to_markdown()}\n\n{key} {NOTICE}\n\n{note}\n"


def main(
    budget: Annotated[str, typer.Option(help="smoke, default or deep.")] = "smoke",
    output: Annotated[Path, typer.Option(help="Folder of the tables, with confirmed.csv.")] = Path(
        "results/libraries"
    ),
    only: Annotated[
        str, typer.Option(help="Comma-separated libraries; all that are installed by default.")
    ] = "",
) -> None:
    torch.set_num_threads(1)
    versions = installed()
    records = read_confirmed(output / "confirmed.csv", versions)
    if not records:
        err.print(
            f"{output / 'confirmed.csv'} has no record of an installed version: nothing will be "
            f"said of any library"
        )
    for library in only.split(",") if only else versions:
        load_library(library)
    names = [n for registry in (LAYERS, COUPLINGS) for n in registry if of_library(n)]
    reports: list[Report] = []
    refused: list[str] = []
    with progress_bar() as bar:
        task = bar.add_task("checking", total=len(names))
        for name in names:
            bar.update(task, description=name)
            try:
                reports.append(check(resolve(name, ("layer", "coupling")), budget=budget))
            # it could not be put on the stand: nothing is said of it
            except InvbenchError as error:
                refused.append(name)
                err.print(f"{name}: {error}")
            bar.advance(task)
    table = raw_verdicts(reports, records)
    note = (
        f"{time.strftime('%Y-%m-%d')}, `python benchmarks/evidence/library_findings.py "
        f"--budget {budget}`, float32, CPU; "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"{', '.join(f'{n} {v}' for n, v in versions.items())}"
        + (f". Not examined: {', '.join(refused)}" if refused else "")
    )
    write_atomically(output / "findings.csv", table.to_csv(index=False).encode())
    write_atomically(output / "verdicts.md", verdicts(reports, records, note).encode())
    write_atomically(output / "findings.md", findings(reports, records, note).encode())
    confirmed = int((table["confirmed"] == "yes").sum())
    err.print(
        f"{sum(r.sound for r in reports)} of {len(reports)} sound, {confirmed} of {len(table)} "
        f"verdicts confirmed; {output}"
    )


if __name__ == "__main__":
    typer.run(main)
