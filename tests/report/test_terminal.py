"""The short table: it fits a terminal of 100 columns, whole numbers and all."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from invbench.report.table import read_table
from invbench.report.terminal import short_table
from invbench.tracks import TRACKS

RESULTS = Path(__file__).resolve().parents[2] / "results"


def printed(track: str, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(short_table(read_table(track, RESULTS, pooled=True)))
    return console.export_text().splitlines()


@pytest.mark.parametrize("track", list(TRACKS))
def test_the_published_tables_fit_a_hundred_columns(track):
    lines = printed(track)
    assert len(lines) > 5 and max(len(line.rstrip()) for line in lines) <= 100
    assert not any("…" in line for line in lines)


def test_a_narrower_terminal_shows_that_something_is_cut():
    assert any("…" in line for line in printed("sr", 60))


def test_every_short_column_is_a_column_of_its_track():
    for name, track in TRACKS.items():
        columns = set(read_table(name, RESULTS, pooled=True).frame.columns)
        assert set(track.short) <= columns, name


def test_a_rate_stands_with_its_interval_and_a_case_above_its_rows():
    lines = printed("sr")
    above = lines.index("BSD100/clean")
    row = next(line for line in lines[above:] if line.startswith("modified-rq"))
    rate = read_table("sr", RESULTS, pooled=True).frame.set_index(["entry", "case"])
    wanted = rate.loc[("modified-rq", "BSD100/clean")]
    assert f"{wanted.error_pct:.1f} [{wanted.error_lo:.1f}, {wanted.error_hi:.1f}]" in row
