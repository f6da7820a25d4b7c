"""The columns of every track's exported table: the common ones, then its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from invbench.tracks import TRACKS
from invbench.tracks.columns import COMMON

__all__ = ["COLUMNS"]


class _Columns(Mapping[str, list[str]]):
    """Track → its columns, in the order of the tracks."""

    def __getitem__(self, track: str) -> list[str]:
        return [*COMMON, *TRACKS[track].columns]

    def __contains__(self, track: object) -> bool:
        return track in TRACKS

    def __iter__(self) -> Iterator[str]:
        return iter(TRACKS)

    def __len__(self) -> int:
        return len(TRACKS)


COLUMNS = _Columns()
