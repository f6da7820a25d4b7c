"""The verb ``compare``: two entries of a track on the inputs that both saw."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, out, print_json

__all__ = ["compare"]


def compare(
    a: Annotated[str, typer.Argument(help="Entry, as it is named in the table.")],
    b: Annotated[str, typer.Argument(help="The other entry.")],
    track: Annotated[str, typer.Option(help="Track.")] = "sr",
    results: Annotated[Path, typer.Option("--results", help="Results folder.")] = Path("results"),
    every_case: Annotated[
        bool, typer.Option("--all", help="Every condition alone, not pooled by data set.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Paired differences of two entries, with intervals, in words: over photographs, and over the
    trainings of each. p is the one that decides. Beside it stand McNemar's exact test over inputs,
    for rates of one training each, and Wilcoxon's test over photographs for the rest. All are
    Holm-adjusted over the cases of a measure.

    Examples: `invbench compare affine modified-rq`, `invbench compare affine affine-floor --track
    toy2d --json`
    """
    from invbench.report.compare import compare as compare_entries
    from invbench.report.compare import in_words

    differences = compare_entries(a, b, track, results, pooled=not every_case)
    if as_json:
        print_json(
            {"a": a, "b": b, "track": track, "differences": [asdict(one) for one in differences]}
        )
        return
    case = ""
    for one in differences:
        if one.case != case:
            case = one.case
            out.print(f"[bold]{escape(case)}[/]")
        out.print(f"  {escape(in_words(one, a, b))}", highlight=False, soft_wrap=True)
