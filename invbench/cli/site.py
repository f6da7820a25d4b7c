"""The verbs ``plot`` and ``site``: the leaderboard as pictures and as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invbench.console import JsonFlag, err, out, print_json
from invbench.errors import UsageError

__all__ = ["plot", "site"]

Results = Annotated[Path, typer.Option("--results", help="Results folder.")]


def plot(
    kind: Annotated[
        str,
        typer.Argument(
            help="sensitivity, pareto, bound, severity, heatmap, eps, survival or fig6."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .svg or .png.")],
    track: Annotated[
        str, typer.Option(help="Track. Default: the first with numbers for the chart.")
    ] = "",
    width: Annotated[
        float,
        typer.Option(help="Width in cm, with letters for it: 8 is a column. Default: wide."),
    ] = 0.0,
    results: Results = Path("results"),
    as_json: JsonFlag = False,
) -> None:
    """A chart of the leaderboard for a paper; the same cells give the same bytes. fig6 decodes
    samples again, from shipped weights, in half a minute.

    Examples: `invbench plot sensitivity -o sensitivity.svg`, `invbench plot survival --track sr
    --width 8 -o survival.png`
    """
    from invbench.report.charts.plot import write_chart
    from invbench.studies.plots import PLOTS

    drawn, unreadable = write_chart(kind, output, track, results, width, PLOTS)
    if as_json:
        print_json({"kind": kind, "track": drawn, "file": str(output)})
    else:
        out.print(
            f"{output}: {kind} of track {drawn}", highlight=False, soft_wrap=True, markup=False
        )
    for damaged in unreadable:
        err.print(
            f"unreadable: {escape(f'{damaged.path}: {damaged.reason}')}",
            soft_wrap=True,
            highlight=False,
        )


def site(
    results: Results = Path("results"),
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Folder of the page, or a file that ends in .html."),
    ] = Path("site"),
    url: Annotated[
        str, typer.Option(help="Where the page will be, https://…: links to it show its card.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """The leaderboard as one page, index.html, that needs no network: an overview, tables, charts,
    designs, and pictures of attacks; beside it card.png, the picture for shared links.

    Examples: `invbench site`, `invbench site --results my-results -o public`
    """
    from invbench.report.site import write_site

    if output.is_file() and output.suffix != ".html":
        raise UsageError(f"{output} is a file; give -o a folder, or a name that ends in .html")
    if url and not url.startswith(("https://", "http://")):
        raise UsageError(f"--url {url}: give the address of the page, https://…")
    built = write_site(results, output, url)
    if as_json:
        print_json(
            {
                "file": str(built.file),
                "card": str(built.card) if built.card else None,
                "bytes": built.size,
                "tracks": built.tracks,
                "problems": built.problems,
            }
        )
    else:
        size = f"{built.size / 1e6:.1f} MB"
        out.print(
            f"{built.file}: {size}, tracks {', '.join(built.tracks)}",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    for problem in built.problems:
        err.print(f"left out: {escape(problem)}", soft_wrap=True, highlight=False)
