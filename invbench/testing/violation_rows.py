"""Violations as rows: each worker appends to a file of its own, and the controller merges them.

A killed worker loses at most the row in flight; what it left is swept into ``all.jsonl`` at the
next start.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["append", "merge"]

MERGED = "all.jsonl"


def append(folder: Path, record: dict[str, Any]) -> None:
    """One row, in one write."""
    path = folder / "violations" / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def merge(folder: Path) -> list[str]:
    """Move the whole rows of every worker's file into ``all.jsonl``; returns a line for each file
    with a row that was cut off.

    Such a file stays under the name ``*.cut``, with the part that is there.
    """
    problems = []
    for path in sorted((folder / "violations").glob("*.jsonl")):
        if path.name == MERGED:
            continue
        whole, _, rest = path.read_text(encoding="utf-8").rpartition("\n")
        with path.with_name(MERGED).open("a", encoding="utf-8") as file:
            file.write(f"{whole}\n" if whole else "")
        if rest:
            path.with_suffix(".cut").write_text(rest, encoding="utf-8")
            problems.append(
                f"{path}: its last row was cut off; kept as {path.with_suffix('.cut').name}"
            )
        path.unlink()
    return problems
