"""The verb ``reproduce``: the paper's figures and tables with our numbers, and the verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, print_json

__all__ = ["reproduce"]


def reproduce(
    names: Annotated[
        list[str],
        typer.Argument(
            help=(
                "fig2 … fig8, table1, table2, theory, prop1, trainings, ablations, verdict, or all."
            )
        ),
    ],
    results: Annotated[
        Path, typer.Option("--results", help="Results folder; files go into its folder paper.")
    ] = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """A figure or table of the paper with our numbers beside its own, or the verdict on its claims.

    Reads stored cells. Where there are none, it says what to run.

    Examples: `invbench reproduce fig2`, `invbench reproduce table1 verdict`, `invbench reproduce
    all --json`
    """
    from invbench.studies.hong2023.artefact import chosen
    from invbench.studies.hong2023.artefact import reproduce as write
    from invbench.studies.hong2023.study import Study

    wanted, documents = chosen(names), []
    with err.status("reading …") as status:
        study = Study(results, lambda line: status.update(escape(line)))
        for name in wanted:
            status.update(name)
            written = write(name, study)
            documents.append(
                {"artefact": name, "file": str(written.text), "missing": written.missing}
            )
            if not as_json:
                if len(wanted) == 1:
                    sys.stdout.write(written.text.read_text())
                err.print(
                    f"{written.text}{': not measured' if written.missing else ''}",
                    highlight=False,
                    soft_wrap=True,
                    markup=False,
                )
    if as_json:
        print_json(documents)
