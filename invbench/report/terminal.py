"""A table for a terminal of 100 columns: a few numbers of each entry, by what was fed in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table as RichTable

from invbench.console import out
from invbench.report.column_docs import meanings
from invbench.report.table import Table
from invbench.tracks import TRACKS
from invbench.tracks.columns import absent, shown

__all__ = ["print_short", "short_table"]

INTERVALS = {"error_pct": ("error_lo", "error_hi"), "inf_pct": ("inf_lo", "inf_hi")}
LINE = 9  # characters of a line of a heading
NAME = 24  # of an entry, beyond which its options stand on a line of their own


def print_short(table: Table) -> None:
    """Print it under the track's name, with where the rest is."""
    out.print(f"\n[bold]{table.track}[/]", short_table(table), sep="\n", highlight=False)
    out.print(
        f"every column: invbench table --track {table.track} --wide; what one means: "
        f"invbench explain NAME",
        style="dim",
    )


def short_table(table: Table) -> Group:
    """The columns ``Track.short`` of the rows, below the name of the case of each; a rate with its
    interval."""
    frame = table.frame
    names = [c for c in TRACKS[table.track].short if c in frame and frame[c].notna().any()]
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    cells = [[_cell(row, name) for name in names] for row in rows]
    heads = [_heading(name) for name in names]
    widths = [
        max(len(line) for text in (head, *column) for line in text.split("\n"))
        for head, column in zip(heads, zip(*cells, strict=True), strict=True)
    ]
    parts: list[Any] = [_grid(widths, [heads], "bold")]
    drawn: Iterator[list[str]] = iter(cells)
    for case, members in groupby(rows, key=lambda row: row["case"]):
        parts += [f"[bold]{escape(str(case))}[/]"]
        parts += [_grid(widths, [next(drawn) for _ in members])]
    return Group(*parts)


def _grid(widths: list[int], rows: list[list[str]], style: str = "") -> RichTable:
    grid = RichTable(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), style=style)
    for index, width in enumerate(widths):
        justify: Any = "right" if index else "left"
        grid.add_column(width=width, justify=justify, no_wrap=True, vertical="bottom")
    for row in rows:
        grid.add_row(*map(escape, row))
    return grid


def _heading(name: str) -> str:
    title = meanings()[name].title if name in meanings() and name != "entry" else name
    return "\n".join(textwrap.wrap(title, LINE, break_long_words=False))


def _cell(row: dict[str, Any], name: str) -> str:
    text = shown(row[name], name)
    if name == "entry" and len(text) > NAME:
        return text.replace("(", "\n(", 1)
    ends = [row.get(end) for end in INTERVALS.get(name, ())]
    if not text or not ends or any(map(absent, ends)):
        return text
    return f"{text} [{', '.join(shown(end, name) for end in ends)}]"
