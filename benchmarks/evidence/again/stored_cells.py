"""The cells below results/, read as JSON: a file each, below results/<track>/<entry>/, or packed in
results/<track>.jsonl, one a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def cells(folder: Path) -> Iterator[tuple[Path, Record]]:
    """(file, cell) of every cell of the track whose folder is results/<track>. One that lies in
    both places counts once, as its own file has it."""
    seen = set()
    for path in sorted(folder.glob("*/*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        seen.add(cell.get("key"))
        yield path, cell
    packed = folder.with_name(f"{folder.name}.jsonl")
    if packed.exists():
        with packed.open(encoding="utf-8") as lines:
            for line in filter(str.strip, lines):
                cell = json.loads(line)
                if cell["key"] not in seen:
                    yield packed, cell


def case_of(spec: Record) -> str:
    """The name of a cell's case, ``BSD100/noise-3#stretch``: stored as such, or as its fields."""
    if "case" in spec:
        return str(spec["case"])
    measure = spec.get("measure") or ""
    if spec.get("attack"):
        base = f"attack-{spec['attack']}"
        base += "" if spec.get("eps") is None else f"-{spec['eps']}"
    elif spec.get("corruption"):
        base = spec["corruption"]
        base += "" if spec.get("severity") is None else f"-{spec['severity']:g}"
    else:
        return str(measure)
    dataset = f"{spec['dataset']}/" if spec.get("dataset") else ""
    if spec.get("precision") == "float16":
        return f"{dataset}{base}#fp16"
    return f"{dataset}{base}" + (f"#{measure}" if measure not in ("", "samples") else "")
