"""Run every case against the installed libraries: python benchmarks/evidence/libraries/confirm.py
[--only nflows]

Writes confirmed.csv and confirmed.md: one row per accusation that shows. One that no longer shows
is named on stderr and left out, and the exit status is 1; a library that is not installed is
skipped.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import io
import os
import platform
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import torch  # noqa: E402
from common import CASES, SEVERITIES, Case, Shown, command  # noqa: E402
from covers import COVERS  # noqa: E402

COLUMNS = (
    "library version layer case what inputs got right second severity kind command covers".split()
)


def load(only: list[str]) -> list[str]:
    """Import the cases of the libraries that are there; the names of those that are not."""
    missing = []
    for file in sorted(HERE.glob("of_*.py")):
        name = file.stem.removeprefix("of_")
        if only and name.partition("_")[0] not in [o.lower() for o in only]:
            continue
        try:
            importlib.import_module(file.stem)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    return missing


def confirmed(case: Case) -> dict[str, str] | str:
    """The row of a case that shows; why there is none otherwise."""
    torch.manual_seed(0)
    try:
        shown: Shown = case.show()
    except Exception as error:  # a library may have changed anything
        return f"cannot be run: {type(error).__name__}: {error}"
    if not shown.wrong:
        return f"does not show: got {shown.got}, right {shown.right}"
    row = {c: getattr(case, c, "") for c in COLUMNS}
    row |= {
        "version": version(case.distribution),
        "case": case.name,
        "got": shown.got,
        "right": shown.right,
    }
    row |= {"command": command(case), "covers": COVERS.get((case.library, case.name), "")}
    return {name: str(value) for name, value in row.items()}


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def markdown(rows: list[dict[str, str]]) -> str:
    """A table per severity, worst first."""
    lines = [
        "# Confirmed findings about released libraries",
        "",
        "Each was shown by the command beside it, which needs the library, torch and mpmath "
        "only, and ends with "
        "status 0 while the finding is there. *Ordinary inputs*: data in the range that the "
        "layer is made for, "
        "conditioner outputs within ±5. *Edge*: conditioner outputs within ±20, the end of a "
        "box, a first batch "
        "of one row, a batch of none. *Limit*: the design or its documentation allows it.",
    ]
    for severity in SEVERITIES:
        part = [r for r in rows if r["severity"] == severity]
        if not part:
            continue
        lines += ["", f"## {severity.capitalize()}", ""]
        lines += [
            "| library | layer | what | inputs | got | right | second method | kind | command |"
        ]
        lines += ["|" + " --- |" * 9]
        for r in part:
            name = f"{r['library']} {r['version']}"
            cells = (
                name,
                *(r[c] for c in ("layer", "what", "inputs", "got", "right", "second", "kind")),
            )
            lines.append(f"| {' | '.join(map(cell, cells))} | `{r['command']}` |")
    today = time.strftime("%Y-%m-%d")
    lines += [
        "",
        f"{today}, CPU, Python {platform.python_version()}, torch {torch.__version__}.",
        "",
    ]
    return "\n".join(lines)


def kept(file: Path, asked: set[str]) -> list[dict[str, str]]:
    """Rows of libraries that are not asked for, of an earlier run."""
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["library"] not in asked]


def write(file: Path, text: str) -> None:
    """At once or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, file)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="comma-separated libraries")
    parser.add_argument("--output", type=Path, default=Path("results/libraries"))
    arguments = parser.parse_args()
    only = [o for o in arguments.only.split(",") if o]
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for missing in load(only):
        print(f"skipped: {missing}", file=sys.stderr)
    if strangers := sorted(
        name for library, name in COVERS if not only and (library, name) not in CASES
    ):
        print(f"covers.py names no case: {', '.join(strangers)}", file=sys.stderr)
    found = {case: confirmed(case) for case in CASES.values()}
    rows = [row for row in found.values() if isinstance(row, dict)]
    gone = [f"{c.library} {c.name} {why}" for c, why in found.items() if isinstance(why, str)]
    table = arguments.output / "confirmed.csv"
    if only:
        rows = sorted(
            kept(table, {c.library for c in found}) + rows, key=lambda r: r["library"].lower()
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(table, text.getvalue())
    write(arguments.output / "confirmed.md", markdown(rows))
    print(f"{len(found) - len(gone)} of {len(found)} show; {table}", file=sys.stderr)
    for line in gone:
        print(line, file=sys.stderr)
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
