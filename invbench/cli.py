"""The command line. Exit codes: 0 fine, 1 the subject failed, 2 wrong usage, 3 the harness failed, 130 interrupted."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from invbench.cli_attack import attack
from invbench.cli_check import check, list_, replay
from invbench.cli_compare import compare
from invbench.cli_explain import explain
from invbench.cli_merge import merge
from invbench.cli_reproduce import reproduce
from invbench.cli_run import run
from invbench.cli_site import plot, site
from invbench.console import JsonFlag, err, out, print_json, progress_bar
from invbench.errors import InvbenchError, UsageError

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
        err.print("invbench: interrupted; finished work is kept, the same command goes on from there", soft_wrap=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("INVBENCH_DEBUG"):
            raise
        err.print(
            f"invbench: internal error: {escape(f'{type(error).__name__}: {error}')} (set INVBENCH_DEBUG=1 for the traceback)",
            soft_wrap=True,
        )
        sys.exit(3)


app.command("list")(list_)
app.command()(check)
app.command()(run)
app.command()(replay)
app.command()(attack)
app.command()(compare)
app.command()(merge)
app.command()(explain)
app.command()(plot)
app.command()(site)
app.command()(reproduce)


@app.command()
def train(
    flow: Annotated[str, typer.Argument(help="Reference flow: srflow or llflow.")],
    coupling: Annotated[str, typer.Option(help="Coupling target.")],
    size: Annotated[str, typer.Option(help="mini.")] = "mini",
    seed: Annotated[int, typer.Option(help="Seed of weights and data order.")] = 0,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder of the weights. Default: the user's cache.")
    ] = None,
    compiled: Annotated[
        bool | None,
        typer.Option("--compiled/--eager", help="Couplings as compiled kernels. Default: in long trainings."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train a reference flow with this coupling; interrupted, the same command goes on.

    Example: `INVBENCH_DATA=data invbench train srflow --coupling my.py --size mini`
    """
    import math

    from invbench.reference_models.train import train_reference

    with progress_bar() as progress:
        bar = progress.add_task("starting", total=None)

        def report(log: Any, total: int) -> None:
            bits = log.nll[-1] / math.log(2) + 8
            skipped = f", {log.non_finite_steps} non-finite steps" if log.non_finite_steps else ""
            progress.update(bar, completed=log.step, total=total, description=f"{bits:.3f} bits per dimension{skipped}")
            if not err.is_terminal and log.step % 250 == 0:
                err.print(f"step {log.step} of {total}, {bits:.3f} bits per dimension{skipped}, {log.seconds:.0f} s")

        path = train_reference(flow, coupling, size, seed, out_dir, report, compiled, err.print)
    if as_json:
        print_json({"weights": str(path)} | json.loads(path.with_suffix(".json").read_text()))
    else:
        out.print(f"weights: {path}", highlight=False, soft_wrap=True)


@app.command()
def table(
    track: Annotated[str, typer.Option(help="Track. Default, for md: every track that has cells.")] = "",
    style: Annotated[str, typer.Option("--format", help="md, csv, tex, json or html.")] = "md",
    results: Results = Path("results"),
    every_case: Annotated[
        bool | None,
        typer.Option("--all/--pooled", help="A row per condition, or all OOD conditions pooled (md, tex, html)."),
    ] = None,
    every_column: Annotated[
        bool, typer.Option("--wide", help="Every column, not only those that people read first.")
    ] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file.")] = None,
) -> None:
    """Export a track.

    Examples: `invbench table`, `invbench table --track sr --format csv -o sr.csv`, `invbench table --track sr --format tex`
    """
    from invbench.paths import write_atomically
    from invbench.report.columns import COLUMNS
    from invbench.report.table import FORMATS, read_table, render

    if style not in FORMATS:
        raise UsageError(f"format {style!r} is not known; choose from {', '.join(FORMATS)}")
    data_format = style in ("csv", "json")
    if not track and data_format:
        raise UsageError(f"--format {style} writes one track; say which: --track {'|'.join(COLUMNS)}")
    names = [track] if track else [name for name in COLUMNS if (results / name).is_dir()]
    pooled = not (every_case if every_case is not None else data_format)
    tables = [read_table(name, results, pooled) for name in names]
    if not tables:
        raise UsageError(f"no results in {results}; invbench run --results {results}")
    headings = style == "md" and len(tables) > 1
    text = "\n".join(
        (f"## {t.track}\n\n" if headings else "") + render(t, style, screen=not (data_format or every_column))
        for t in tables
    )
    if output is not None:
        write_atomically(output, text.encode())
    else:
        sys.stdout.write(text)
    for damaged in {d.path: d for t in tables for d in t.unreadable}.values():
        err.print(f"unreadable: {escape(f'{damaged.path}: {damaged.reason}')}", soft_wrap=True, highlight=False)


@app.command()
def doctor(
    folder: Annotated[
        Path | None, typer.Argument(help="Results folder to verify, file by file, instead of the machine.")
    ] = None,
    results: Results = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """What works on this machine: devices, data sets found, weights, optional parts, damaged result files. With FOLDER: is every cell and case below
    it whole, what its name says, and where it belongs? Reports and never deletes; exit code 1 when something is damaged.

    Examples: `invbench doctor`, `invbench doctor results/`
    """
    if folder is not None:
        _verify(folder, as_json)
        return
    from invbench.doctor import examine

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
    from invbench.bench.audit import audit

    found = audit(folder)
    if as_json:
        problems = [{"path": p.path, "kind": p.kind, "damage": p.damage, "seen": p.seen} for p in found.problems]
        print_json({"cells": found.cells, "cases": found.cases, "sound": found.sound, "problems": problems})
    else:
        for problem in found.problems:
            mark = "[yellow]--[/]  " if problem.damage else "      "
            out.print(mark + escape(str(problem)), soft_wrap=True, highlight=False)
        damaged = sum(problem.damage for problem in found.problems)
        out.print(f"{found.cells} cells and {found.cases} cases are whole, {damaged} files are not", highlight=False)
    if not found.sound:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
