"""The verb ``merge``: cells measured elsewhere."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import UsageError

if TYPE_CHECKING:
    from invbench.store.cell import Cell

__all__ = ["merge"]


def merge(
    source: Annotated[Path, typer.Argument(help="Results folder of the other machine.")],
    results: Annotated[
        Path, typer.Option("--results", help="Results folder to merge into.")
    ] = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """Take cells from another results folder: new ones are checked and copied, conflicts are shown
    and ours kept. Exit code 1 with conflicts.

    Example: `invbench merge ../colleague/results`
    """
    from invbench.store.merge import merge as merge_cells
    from invbench.tracks.protocols import current

    with progress_bar() as progress:
        bar = progress.add_task("merging", total=None)
        found = merge_cells(source, results, current, lambda cell: progress.advance(bar))
    counts = {name: len(cells) for name, cells in vars(found).items()}
    if as_json:
        conflicts = [
            {"cell": _name(own), "differs": _differing(own, other)}
            for own, other in found.conflicts
        ]
        print_json(counts | {"conflicts": conflicts})
    else:
        out.print(
            f"{counts['taken']} cells taken, {counts['same']} there already, "
            f"{counts['conflicts']} conflicts, "
            f"{counts['refused']} of another protocol, {counts['unreadable']} unreadable"
        )
        for own, other in found.conflicts:
            err.print(
                f"conflict, ours kept: {escape(_name(own))}: {escape(_differing(own, other))}",
                soft_wrap=True,
            )
        for damaged in found.unreadable:
            err.print(
                f"unreadable: {escape(f'{damaged.path}: {damaged.reason}')}",
                soft_wrap=True,
                highlight=False,
            )
    if found.unreadable and len(found.unreadable) == sum(counts.values()):
        raise UsageError(
            f"{source}: nothing there is a cell; name a folder that invbench run or pack wrote"
        )
    if found.conflicts:
        raise typer.Exit(1)


def _name(cell: Cell) -> str:
    return f"{cell.spec.track} {cell.spec.entry} {cell.spec.case} seed {cell.spec.seed}"


def _differing(own: Cell, other: Cell) -> str:
    """The measures that differ, with the largest relative difference of each."""
    names = [
        n
        for n in own.measures.keys() | other.measures.keys()
        if own.measures.get(n) != other.measures.get(n)
    ]
    parts = []
    for name in sorted(names)[:4]:
        pairs = zip(own.numbers(name), other.numbers(name), strict=False)
        apart = [
            abs(a - b) / max(abs(a), abs(b), 1e-300)
            for a, b in pairs
            if math.isfinite(a) and math.isfinite(b)
        ]
        parts.append(f"{name} by {max(apart):.1e}" if apart else name)
    machines = {
        str(c.provenance.get("platform", "?")) + ", torch " + str(c.provenance.get("torch", "?"))
        for c in (own, other)
    }
    return (
        f"{', '.join(parts) or 'status'}{', …' if len(names) > 4 else ''} "
        f"({'; '.join(sorted(machines))})"
    )
