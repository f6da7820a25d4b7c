"""The published results: packed, whole, current, and the tables beside them are what they give."""

from __future__ import annotations

from pathlib import Path

import pytest

from invbench.runner.run import options_of, plan
from invbench.store.cell import CellSpec
from invbench.store.store import Store
from invbench.tracks import TRACKS
from invbench.tracks.versions import outdated

RESULTS = Path(__file__).resolve().parents[2] / "results"
DIGESTS = ("entry_digest", "corruption_digest", "attack_digest", "flow_digest", "weights_digest")


@pytest.fixture(scope="module")
def cells():
    found, damaged = Store(RESULTS).load()
    assert damaged == []
    return found


def what(spec: CellSpec) -> str:
    """All of a cell but the versions of code."""
    return spec.model_dump_json(exclude={*DIGESTS, "protocol"})


def test_published_cells_are_lines_in_today_s_schema_and_their_order():
    working = [entry.path for entry in Store(RESULTS).entries() if entry.path.count("/")]
    assert working == []
    for track in TRACKS:
        text = (RESULTS / f"{track}.jsonl").read_text(encoding="utf-8")
        assert text.count("\n") > 20 and '"schema_version":1,' not in text


@pytest.mark.parametrize("style", ["csv", "md", "tex"])
@pytest.mark.parametrize("track", list(TRACKS))
def test_the_exported_tables_are_what_the_cells_give(track, style, invbench):
    """Migrated from schema 1 with every byte of the tables the same."""
    code, out, _ = invbench("table", "--track", track, "--format", style, "--results", RESULTS)
    assert code == 0
    assert out == (RESULTS / "tables" / f"{track}.{style}").read_text(encoding="utf-8")


def test_no_code_has_changed_since_they_were_measured(cells):
    """A change that makes published cells stale is measured again: invbench doctor results/ --code."""
    stale = {(cell.spec.track, why) for cell, why in outdated(cells)}
    assert stale == set()


@pytest.mark.parametrize("track", list(TRACKS))
def test_a_run_plans_nothing_that_is_there(cells, track):
    there = {what(cell.spec): cell.key for cell in cells}
    planned = {what(spec): spec.key for spec in plan([track], [], options_of())}
    both = there.keys() & planned.keys()
    assert both and {w: there[w] for w in both} == {w: planned[w] for w in both}
