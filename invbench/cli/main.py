"""The command line. Exit codes: 0 fine, 1 the subject failed, 2 wrong usage, 3 the harness failed,
130 interrupted."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from invbench.console import err, out
from invbench.errors import InvbenchError, did_you_mean
from invbench.extras import missing

__all__ = ["VERBS", "app", "main"]

# newer versions of typer bring a click of their own
ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
INTERRUPTED = 130

# verb -> its function, in a file of this folder that is imported when the verb is asked for
VERBS = {
    "list": "check:list_",
    "check": "check:check",
    "init": "init:init",
    "run": "run:run",
    "replay": "check:replay",
    "attack": "attack:attack",
    "certify": "certify:certify",
    "compare": "compare:compare",
    "guard": "guard:guard",
    "merge": "merge:merge",
    "pack": "pack:pack",
    "table": "table:table",
    "explain": "explain:explain",
    "plot": "site:plot",
    "site": "site:site",
    "reproduce": "reproduce:reproduce",
    "train": "train:train",
    "doctor": "doctor:doctor",
}
FIRST = """[bold]invbench[/]: a crash-test laboratory for invertible networks

  invbench check affine    is a coupling a correct inverse? or yours: my.py
  invbench run             measure every design on the photographs that are here
  invbench table           read the leaderboard, as a page: invbench site
  invbench list            what there is, and what one is: invbench explain NAME
  invbench doctor          what works on this machine

Every verb: invbench --help"""


class Verbs(TyperGroup):
    """The verbs; one is built when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            hint = did_you_mean(cmd_name, VERBS) or "; every verb: invbench --help"
            ctx.fail(f"no such verb: {cmd_name!r}{hint}")
        module, _, function = VERBS[cmd_name].partition(":")
        one = typer.Typer(rich_markup_mode="markdown", add_completion=False)
        one.command(cmd_name)(getattr(importlib.import_module(f"invbench.cli.{module}"), function))
        return typer.main.get_command(one)


app = typer.Typer(
    cls=Verbs, rich_markup_mode="markdown", pretty_exceptions_enable=False, name="invbench"
)


@app.callback(invoke_without_command=True)
def first(ctx: typer.Context) -> None:
    """invbench: a crash-test laboratory for invertible networks."""
    if ctx.invoked_subcommand is None:
        out.print(FIRST, highlight=False)


def _one_line(error: Any) -> str:
    """What is wrong with the words that were typed, and where the right ones stand."""
    said = " ".join(error.format_message().split()).rstrip(".")
    verb = error.ctx.info_name if getattr(error, "ctx", None) and error.ctx.parent else ""
    help_ = f"invbench {verb} --help" if verb else "invbench --help"
    told = said.endswith("?") or help_ in said  # of a misspelt verb
    return f"{verb}: {said}; {help_}" if verb else said if told else f"{said}; {help_}"


def main() -> None:
    """Entry point: every error that is raised on purpose becomes one line and its exit code."""
    # threads that wait by spinning make a command 30 times slower where other work has the cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported
    try:
        code = app(standalone_mode=False) or 0
        if code == INTERRUPTED:  # typer turns Ctrl-C into this code
            raise KeyboardInterrupt
        sys.exit(code)
    except ClickException as error:
        err.print(f"invbench: {escape(_one_line(error))}", soft_wrap=True, highlight=False)
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
        if isinstance(error, ModuleNotFoundError) and (lacking := missing(error)):
            err.print(f"invbench: {escape(str(lacking))}", soft_wrap=True, highlight=False)
            sys.exit(lacking.exit_code)
        if os.environ.get("INVBENCH_DEBUG"):
            raise
        err.print(
            f"invbench: internal error: {escape(f'{type(error).__name__}: {error}')} (set "
            f"INVBENCH_DEBUG=1 for the traceback)",
            soft_wrap=True,
        )
        sys.exit(3)


if __name__ == "__main__":
    main()
