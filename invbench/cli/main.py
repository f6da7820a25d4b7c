"""The command line. Exit codes: 0 fine, 1 the subject failed, 2 wrong usage, 3 the harness failed,
130 interrupted."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from invbench.cli.attack import attack
from invbench.cli.certify import certify
from invbench.cli.check import check, list_, replay
from invbench.cli.compare import compare
from invbench.cli.explain import explain
from invbench.cli.guard import guard
from invbench.cli.init import init
from invbench.cli.merge import merge
from invbench.cli.pack import pack
from invbench.cli.reproduce import reproduce
from invbench.cli.run import run
from invbench.cli.site import plot, site
from invbench.cli.table import table
from invbench.cli.train import train
from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import InvbenchError

# newer versions of typer bring a click of their own
ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="invbench: a crash-test laboratory for invertible networks.",
)
Results = Annotated[Path, typer.Option("--results", help="Results folder.")]
INTERRUPTED = 130


def main() -> None:
    """Entry point: every error that is raised on purpose becomes one line and its exit code."""
    try:
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:  # typer turns Ctrl-C into this code
            raise KeyboardInterrupt
        sys.exit(code)
    except ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except InvbenchError as error:
        err.print(f"invbench: {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        err.print(
            "invbench: interrupted; finished work is kept, the same command goes on from there",
            soft_wrap=True,
        )
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("INVBENCH_DEBUG"):
            raise
        err.print(
            f"invbench: internal error: {escape(f'{type(error).__name__}: {error}')} (set "
            f"INVBENCH_DEBUG=1 for the traceback)",
            soft_wrap=True,
        )
        sys.exit(3)


app.command("list")(list_)
app.command()(check)
app.command()(init)
app.command()(run)
app.command()(replay)
app.command()(attack)
app.command()(certify)
app.command()(compare)
app.command()(guard)
app.command()(merge)
app.command()(pack)
app.command()(table)
app.command()(explain)
app.command()(plot)
app.command()(site)
app.command()(reproduce)
app.command()(train)


@app.command()
def doctor(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Results folder to verify, file by file, instead of the machine."),
    ] = None,
    results: Results = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """What works on this machine: devices, data sets found, weights, optional parts, damaged result
    files. With FOLDER: is every cell and case below it whole, what its name says, and where it
    belongs? Reports and never deletes, builds the index of tables anew; exit code 1 for damage.

    Examples: `invbench doctor`, `invbench doctor results/`
    """
    if folder is not None:
        _verify(folder, as_json)
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


def _verify(folder: Path, as_json: bool) -> None:
    from collections import Counter

    from invbench.store.audit import audit
    from invbench.store.index import Index
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
        if repaired:
            out.print("the index in the cache did not say what the files say; it is built again")
    if not found.sound:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
