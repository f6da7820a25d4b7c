"""What each column of the leaderboard means and how it can mislead: tooltips of the page,
``invbench explain`` and docs/tracks.md. A track from outside brings the meanings of its own."""

from __future__ import annotations

from invbench.report.column_docs.cures import CURES
from invbench.report.column_docs.designs import DESIGNS
from invbench.report.column_docs.failures import FAILURES
from invbench.report.column_docs.quality import QUALITY
from invbench.report.column_docs.rows import ROWS
from invbench.report.columns import COLUMNS
from invbench.tracks import TRACKS
from invbench.tracks.columns import Meaning

__all__ = ["GROUPS", "meanings", "tracks_of"]

# what is shown side by side, and what never is: a lower bound that was found and an upper bound
# that was proved stay apart
GROUPS = {
    "row": "Entry",
    "failure": "Failures, measured",
    "evidence": "Behind it",
    "magnitude": "Magnitude",
    "lower": "Sensitivity, empirical",
    "upper": "Sensitivity, certified",
    "law": "Soundness and design",
    "quality": "Quality of what does not fail",
    "speed": "Speed",
    "rank": "Rank",
}


def meanings() -> dict[str, Meaning]:
    """The meaning of every column of every track, by name."""
    own = [meaning for track in TRACKS.values() for meaning in track.meanings]
    return {
        meaning.name: meaning for meaning in (*ROWS, *FAILURES, *DESIGNS, *QUALITY, *CURES, *own)
    }


def tracks_of(column: str) -> list[str]:
    """The tracks whose exports have the column."""
    return [track for track, columns in COLUMNS.items() if column in columns]
