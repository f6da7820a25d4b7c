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
from invbench.cli_table import table
from invbench.console import JsonFlag, err, out, print_json, progress_bar
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
app.command()(table)
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
def doctor(results: Results = Path("results"), as_json: JsonFlag = False) -> None:
    """What works on this machine: devices, data sets found, weights, optional parts, damaged result files.

    Example: `invbench doctor`
    """
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


if __name__ == "__main__":
    main()
