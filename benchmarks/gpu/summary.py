"""The files of an acceptance: one JSON document, one CSV, one log. They lie flat, beside the cells,
and no reader of cells takes them for one."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from gpu.isolated import BAD, Outcome
from gpu.part import write_json

__all__ = ["NAME", "table", "write_summary"]

NAME = "acceptance"  # .json, .csv, .log
COLOURS = {"passed": "green", "skipped": "yellow"} | dict.fromkeys(BAD, "red")


def write_summary(out: Path, provenance: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """All outcomes so far; written after each part, so that a call that is cut off leaves them."""
    document = {
        "passed": not any(one.status in BAD for one in outcomes),
        "provenance": provenance,
        "parts": [
            {
                "part": one.part.name,
                "what": one.part.what,
                "status": one.status,
                "seconds": round(one.seconds, 2),
                "cpu_seconds": round(one.cpu_seconds, 2),
                "reasons": one.reasons,
            }
            | {k: v for k, v in asdict(one.answer).items() if k in ("said", "rows")}
            for one in outcomes
        ],
    }
    write_json(out / f"{NAME}.json", document)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "status", "seconds", "said", "reasons"))
    for one in outcomes:
        row = one.part.name, one.status, f"{one.seconds:.1f}", one.answer.said
        writer.writerow((*row, "; ".join(one.reasons)))
    (out / f"{NAME}.csv").write_text(text.getvalue())
    logs = (f"=== {one.part.name}: {one.status}\n{one.log}\n" for one in outcomes if one.log)
    (out / f"{NAME}.log").write_text("".join(logs))


def table(outcomes: Sequence[Outcome]) -> Table:
    """A line for each part, with what is wrong."""
    shown = Table("part", "status", "s", "what it says", box=None)
    for one in outcomes:
        said = [one.answer.said or one.part.what, *one.reasons[:6]]
        if len(one.reasons) > 6:
            said.append(f"{len(one.reasons) - 6} more in {NAME}.json")
        colour = COLOURS[one.status]
        status = f"[{colour}]{one.status}[/]"
        shown.add_row(one.part.name, status, f"{one.seconds:.0f}", escape("\n".join(said)))
    return shown
