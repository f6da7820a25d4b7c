"""The verb ``reproduce``: every published result, made again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from os.path import normpath
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import UsageError
from invbench.studies.registry import ALL, ARTEFACTS, EVERYTHING, chosen

__all__ = ["reproduce"]


def reproduce(
    names: Annotated[list[str], typer.Argument(help="Names of the list above.")],
    results: Annotated[
        Path, typer.Option("--results", help="Results folder; written below it.")
    ] = Path("results"),
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what a long study has stored.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    wanted = chosen(names)
    if EVERYTHING in names:
        _everything(results, dry_run)
    elif dry_run:
        _say_what(wanted, results)
    else:
        _write(wanted, results, again, as_json)


reproduce.__doc__ = f"""Make published results again: the figures and tables of the paper with our
numbers beside its own, the verdict on its claims, and the studies beyond it.

Most read what is stored, and say what to run where nothing is. Those with a time measure; they keep
what they finish, and the same command goes on from there.

{
    "".join(
        f"- `{one.name}` {one.title}{f'; **measures, {one.takes}**' if one.takes else ''}" + chr(10)
        for one in ARTEFACTS.values()
    )
}
- `{ALL}` All that read what is stored

- `{EVERYTHING}` First every cell of the leaderboard and its tables, then all of these; **ten hours
on two cores from nothing**

Examples: `invbench reproduce fig2`, `invbench reproduce table1 verdict`, `invbench reproduce all
--json`, `invbench reproduce everything --dry-run`
"""


def _write(wanted: list[str], results: Path, again: bool, as_json: bool) -> None:
    from invbench.studies.reproduce import reproduce as write
    from invbench.studies.study import Study

    documents, failed = [], []
    study = Study(results, again=again)
    for name in wanted:
        takes = ARTEFACTS[name].takes
        # a study that measures has a bar of its own
        with nullcontext() if takes else err.status(name) as status:
            study.say = partial(_said, status.update if status else err.print)
            try:
                written = write(name, study)
            except UsageError as error:
                if len(wanted) == 1:
                    raise
                failed.append(name)
                documents.append({"artefact": name, "file": "", "missing": str(error)})
                err.print(f"{name}: {escape(str(error))}", highlight=False, soft_wrap=True)
                continue
        shown = written.text or written.files[0] if written.text or written.files else ""
        documents.append({"artefact": name, "file": str(shown), "missing": written.missing})
        if not as_json:
            if len(wanted) == 1 and written.text:
                sys.stdout.write(written.text.read_text())
            said = f"not measured: {written.missing}" if written.missing else ""
            err.print(
                ": ".join(filter(None, (str(shown or name), said))),
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
    if as_json:
        print_json(documents)
    if failed:
        raise typer.Exit(UsageError.exit_code)


def _said(say: Callable[..., None], line: str) -> None:
    say(escape(line))


def _say_what(wanted: list[str], results: Path) -> None:
    for name in wanted:
        one = ARTEFACTS[name]
        takes = f"; measures, {one.takes}" if one.takes else ""
        folder = normpath(results / one.folder)
        out.print(
            f"{name}: {one.title}; reads {one.reads}; writes below {folder}{takes}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )


def _everything(results: Path, dry_run: bool) -> None:
    """Run every command in a process of its own, as it would be typed; the first that fails ends
    it."""
    from invbench.studies.everything import COMMANDS, OWN

    for command in COMMANDS:
        line, words = command.line(results), command.of(results)
        if dry_run:
            out.print(line, highlight=False, soft_wrap=True, markup=False)
            continue
        if command.script and (results != OWN or not Path(words[0]).is_file()):
            err.print(f"left out, it needs a clone and its results: {line}", soft_wrap=True)
            continue
        err.print(line, highlight=False, soft_wrap=True, markup=False)
        program = [sys.executable, *([] if command.script else ["-m", "invbench"])]
        code = subprocess.run([*program, *words]).returncode
        if code:
            err.print(f"stopped: {line} ended with {code}; the same command goes on", markup=False)
            raise typer.Exit(code)
