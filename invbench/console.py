"""Where the command line prints: results on standard output, progress and errors on standard
error."""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["JsonFlag", "err", "out", "print_json", "progress_bar"]

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.")
]
# m.py:x: is a place, not a picture
out, err = Console(emoji=False), Console(stderr=True, emoji=False)


def progress_bar(left: ProgressColumn | None = None) -> Progress:
    """``left`` says how much time is left; by default from the pace so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        left or TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def print_json(document: object) -> None:
    sys.stdout.write(json.dumps(_finite(document), indent=1, ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:
    """Non-finite floats as the strings that the store uses: JSON has no other way to say them."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
