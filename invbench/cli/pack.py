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
    archive: Annotated[
        Path | None,
        typer.Option(
            "--archive",
            metavar="FILE.tar",
            help="Then write the whole folder into this tar file, with a manifest: the same "
            "results give the same bytes.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Put the cells of a results folder into one sorted file per track, TRACK.jsonl, as results are
    published. Cells of an older schema are rewritten. Every command reads both forms.

    Examples: `invbench pack`, `invbench pack --results my-results`, `invbench pack --archive
    results-2026.tar`
    """
    from invbench.store.archive import archive as write_archive
    from invbench.store.pack import pack as pack_cells

    with progress_bar() as progress:
        bar = progress.add_task("packing", total=None)
        found = pack_cells(results, lambda cell: progress.advance(bar))
    kept = write_archive(results, archive) if archive else None
    if as_json:
        unreadable = [{"path": str(u.path), "reason": u.reason} for u in found.unreadable]
        said = {"files": found.files, "taken": found.taken, "unreadable": unreadable}
        print_json({**said, "archive": {**vars(kept), "path": str(kept.path)}} if kept else said)
        return
    for name, count in found.files.items():
        out.print(f"{results / name}: {count} cells", highlight=False, markup=False)
    out.print(f"{found.taken} working files are lines now", highlight=False)
    if kept:
        line = f"{kept.path}: {kept.files} files, {kept.cells} cells, sha256 {kept.sha256}"
        out.print(line, soft_wrap=True, highlight=False, markup=False)
    for damaged in found.unreadable:
        line = f"left as it is: {damaged.path}: {damaged.reason}"
        err.print(escape(line), soft_wrap=True, highlight=False)
