"""``invbench plot``: a chart as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from invbench.errors import UsageError, did_you_mean
from invbench.files import write_atomically
from invbench.report.charts import CHARTS, Chart, Evidence, png, svg, tracks_of
from invbench.report.charts.style import on_paper
from invbench.report.nothing import nothing
from invbench.report.rows import current_cells
from invbench.store.index import Index
from invbench.store.store import Unreadable

__all__ = ["write_chart"]

NARROWEST, WIDEST = 6, 40  # cm
FORMATS = {".svg": svg, ".png": png}


def write_chart(
    kind: str,
    output: Path,
    track: str,
    results: Path,
    width: float = 0.0,
    charts: Mapping[str, Chart] = CHARTS,
) -> tuple[str, list[Unreadable]]:
    """Draw ``kind`` of ``track``, or of the first track that has something to show, ``width`` cm
    wide; returns the track and the files that could not be read.

    Raises ``UsageError`` for an unknown kind, track, width or suffix, and when no cell has what the
    chart shows.
    """
    if kind not in charts:
        hint = did_you_mean(kind, charts)
        raise UsageError(f"chart {kind!r} is not known{hint} (there are: {', '.join(charts)})")
    chart = charts[kind]
    tracks = list(chart.tracks) or tracks_of(kind)
    if track and track not in tracks:
        raise UsageError(
            f"chart {kind!r} is not for track {track!r}; it is for: {', '.join(tracks)}"
        )
    if output.suffix.lower() not in FORMATS:
        raise UsageError(f"{output}: the name must end in {' or '.join(FORMATS)}")
    if width and not NARROWEST <= width <= WIDEST:
        raise UsageError(f"--width {width:g}: give {NARROWEST} to {WIDEST} cm")
    index = Index(results)
    for name in [track] if track else tracks:
        shown, _ = current_cells(index.cells(name))
        with on_paper(width):
            drawing = chart.draw(Evidence(name, shown, index)) if shown else None
        if drawing is not None:
            write_atomically(output, FORMATS[output.suffix.lower()](drawing))
            return name, index.unreadable
    raise nothing(index, track or tracks[0], f"no cells for chart {kind!r} in {results}")
