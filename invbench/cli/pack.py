"""The verb ``pack``: working cells into one file per track."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json, progress_bar

__all__ = ["pack"]


def pack(
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """Put the cells of a results folder into one sorted file per track, TRACK.jsonl, as results are
    published. Cells of an older schema are rewritten. Every command reads both forms.

    Examples: `invbench pack`, `invbench pack --results my-results`
    """
    from invbench.store.pack import pack as pack_cells

    with progress_bar() as progress:
        bar = progress.add_task("packing", total=None)
        found = pack_cells(results, lambda cell: progress.advance(bar))
    if as_json:
        unreadable = [{"path": str(u.path), "reason": u.reason} for u in found.unreadable]
        print_json({"files": found.files, "taken": found.taken, "unreadable": unreadable})
        return
    for name, count in found.files.items():
        out.print(f"{results / name}: {count} cells", highlight=False, markup=False)
    out.print(f"{found.taken} working files are lines now", highlight=False)
    for damaged in found.unreadable:
        line = f"left as it is: {damaged.path}: {damaged.reason}"
        err.print(escape(line), soft_wrap=True, highlight=False)
