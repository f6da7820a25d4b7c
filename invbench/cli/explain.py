"""The verb ``explain``: what a name means, its source, and how it can mislead."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from invbench.console import JsonFlag, print_json
from invbench.errors import UsageError

__all__ = ["explain"]


def explain(
    name: Annotated[
        str, typer.Argument(help="Column, property, attack, design or condition.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Every column of every track, as in docs/tracks.md.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """What a name means: formula, source, and how it can mislead.

    Examples: `invbench explain error_pct`, `invbench explain modified-rq`, `invbench explain
    round-trip-x`, `invbench explain --all`
    """
    from invbench.report import explain as meanings

    if bool(name) == every:
        raise UsageError(
            "name one thing to explain, or give --all, e.g. invbench explain error_pct"
        )
    if every:
        text = meanings.track_pages()
        print_json({"text": text}) if as_json else sys.stdout.write(text)
        return
    explanations = meanings.explain(name)
    if as_json:
        print_json(
            [{"name": one.name, "kind": one.kind, **dict(one.parts)} for one in explanations]
        )
        return
    sys.stdout.write("\n\n".join(one.text() for one in explanations) + "\n")
