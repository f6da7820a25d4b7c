"""The verb ``doctor``: what works on this machine, or whether a results folder is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, out, print_json

__all__ = ["doctor"]


def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Results folder to verify, file by file, instead of the machine."),
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    code: Annotated[
        bool,
        typer.Option(
            "--code", help="With FOLDER: also name cells that other code measured than lies here."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """What works on this machine: devices, data sets found, weights, optional parts, damaged result
    files. With FOLDER: is every cell and case below it whole, what its name says, and where it
    belongs? Reports and never deletes, builds the index of tables anew; exit code 1 for damage.

    Examples: `invbench doctor`, `invbench doctor results/`, `invbench doctor results/ --code`
    """
    if folder is not None:
        _verify(folder, code, as_json)
        return
    from invbench.cli.doctor_checks import examine

    findings = examine(results)
    if as_json:
        print_json([{"what": f.what, "ok": f.ok, "detail": f.detail} for f in findings])
    else:
        for f in findings:
            mark = "[green]ok[/]  " if f.ok else "[yellow]--[/]  "
            out.print(mark + escape(f"{f.what}: {f.detail}"), soft_wrap=True, highlight=False)
    if any(f.fatal for f in findings):
        raise typer.Exit(3)


def _verify(folder: Path, code: bool, as_json: bool) -> None:
    from collections import Counter

    from invbench.store.audit import audit
    from invbench.store.index import Index
    from invbench.tracks.protocols import superseded

    outdated = superseded
    if code:  # what measures a cell is imported, torch with it
        from invbench.tracks.versions import outdated

    found, index = audit(folder), Index(folder)
    repaired = index.renew()
    stale = Counter(
        (cell.spec.track, why)
        for track in index.counts
        for cell, why in outdated(index.cells(track))
    )
    if as_json:
        problems = [
            {"path": p.path, "kind": p.kind, "damage": p.damage, "seen": p.seen}
            for p in found.problems
        ]
        print_json(
            {
                "cells": found.cells,
                "cases": found.cases,
                "sound": found.sound,
                "index_repaired": repaired,
                "problems": problems,
                "stale": [
                    {"track": track, "changed": why, "cells": count}
                    for (track, why), count in stale.items()
                ],
            }
        )
    else:
        for problem in found.problems:
            mark = "[yellow]--[/]  " if problem.damage else "      "
            out.print(mark + escape(str(problem)), soft_wrap=True, highlight=False)
        for (track, why), count in stale.most_common():
            line = f"stale: {count} cells of {track}: changed since: {why}"
            out.print(f"      {escape(line)}", soft_wrap=True, highlight=False)
        damaged = sum(problem.damage for problem in found.problems)
        out.print(
            f"{found.cells} cells and {found.cases} cases are whole, {damaged} files are not; "
            f"{sum(stale.values())} cells are stale, which invbench run measures again",
            highlight=False,
        )
        if not (found.cells or found.cases or damaged):
            out.print(
                f"no cells in {folder}; invbench run --results {folder}",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
        if repaired:
            out.print("the index in the cache did not say what the files say; it is built again")
    if not found.sound:
        raise typer.Exit(1)
