"""The verb ``table``: the leaderboard as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out
from invbench.errors import HarnessError, InvbenchError, UsageError

if TYPE_CHECKING:
    from invbench.report.table import Table

__all__ = ["table"]


def table(
    track: Annotated[
        str, typer.Option(help="Track. Default, for md, tex and html: every track that has cells.")
    ] = "",
    style: Annotated[
        str,
        typer.Option(
            "--format", help="md, csv, tex, json or html. Default: md, on a terminal a short table."
        ),
    ] = "",
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    every_case: Annotated[
        bool | None,
        typer.Option(
            "--all/--pooled",
            help="A row per condition, or all OOD conditions pooled (md, tex, html).",
        ),
    ] = None,
    every_column: Annotated[
        bool, typer.Option("--wide", help="Every column, not only those that people read first.")
    ] = False,
    columns: Annotated[str, typer.Option(help="These columns, in this order: a,b,c.")] = "",
    where: Annotated[
        list[str],
        typer.Option(
            help=(
                "Only rows with COLUMN=VALUE; also !=, <, <=, >, >= and ~ (contains). "
                "VALUE,VALUE: any. Repeatable: all."
            )
        ),
    ] = [],  # noqa: B006
    sort: Annotated[
        str, typer.Option(help="Sort by this column; rows without a value stand last.")
    ] = "",
    descending: Annotated[bool, typer.Option("--descending", help="Largest first.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Export a track. Exit code 3 when files are there and none of them could be read.

    Examples: `invbench table`, `invbench table --track sr --format csv -o sr.csv`, `invbench table
    --track sr --format tex`, `invbench table --track sr --columns entry,case,error_pct,psnr --where
    entry=affine,additive --where 'n>=12' --sort psnr --descending`
    """
    from invbench.files import write_atomically
    from invbench.report.columns import COLUMNS
    from invbench.report.notes import damage
    from invbench.report.selection import Selection
    from invbench.report.table import FORMATS, render

    brief = not (style or as_json or output or every_column or columns) and out.is_terminal
    style = "json" if as_json else style or "md"
    if style not in FORMATS:
        raise UsageError(f"format {style!r} is not known; choose from {', '.join(FORMATS)}")
    data_format = style in ("csv", "json")
    if not track and data_format:
        raise UsageError(
            f"--format {style} writes one track; say which: --track {'|'.join(COLUMNS)}"
        )
    if descending and not sort:
        raise UsageError("--descending says how to sort; say by what: --sort COLUMN")
    names = tuple(name.strip() for name in columns.split(",")) if columns else ()
    selection = Selection(names, tuple(where), sort, descending)
    pooled = not (every_case if every_case is not None else data_format)
    tables, problems = _tables(track, results, pooled)
    if selection:
        tables = [selection.apply(t) for t in tables]
    if brief:
        from invbench.report.terminal import print_short

        for one in tables:
            print_short(one)
    headings = style == "md" and len(tables) > 1
    text = "\n".join(
        (f"## {t.track}\n\n" if headings else "")
        + render(t, style, screen=not (data_format or every_column))
        for t in tables
    )
    if output is not None:
        write_atomically(output, text.encode("utf-8", "replace"))
    elif not brief:
        sys.stdout.write(text)
    empty = [f"track {t.track}: no row with {' and '.join(where)}" for t in tables if t.frame.empty]
    for line in problems + damage(tables[0].unreadable) + empty:
        err.print(escape(line), soft_wrap=True, highlight=False)


def _tables(track: str, results: Path, pooled: bool) -> tuple[list[Table], list[str]]:
    """The tables, and why another track has none. Raises when there is none at all."""
    from invbench.report.columns import COLUMNS
    from invbench.report.nothing import nothing
    from invbench.report.table import read_table
    from invbench.store.index import Index

    if track:
        return [read_table(track, results, pooled)], []
    index = Index(results)
    tables: list[Table] = []
    failures: list[InvbenchError] = []
    for name in COLUMNS:
        if not index.store.holds(name):
            continue
        try:
            tables.append(read_table(name, index, pooled))
        except InvbenchError as error:
            failures.append(error)
    if not tables:
        # that files could not be read says more than that there are none
        failures.sort(key=lambda error: not isinstance(error, HarnessError))
        raise (failures or [nothing(index)])[0]
    return tables, [str(failure) for failure in failures]
