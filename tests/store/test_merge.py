"""Cells from another machine: nothing is lost, nothing replaced in silence, nothing imported."""

from __future__ import annotations

import json

import pytest

from invbench.errors import UsageError
from invbench.store.merge import merge
from invbench.store.store import Store
from invbench.tracks.protocols import current
from tests.support.sr_cells import sr


@pytest.fixture
def folders(tmp_path):
    ours, theirs = Store(tmp_path / "ours"), Store(tmp_path / "theirs")
    ours.write(sr("a", [0, 1], psnr=[20.0, 20.0]))
    ours.write(sr("b", [], status="error"))
    return ours, theirs


def test_new_cells_are_taken_and_a_failed_one_gives_way(folders):
    ours, theirs = folders
    for cell in (
        sr("a", [0, 1], psnr=[20.0, 20.0], at="2026-02-02"),
        sr("b", [0]),
        sr("c", [0]),
        sr("d", [], status="oom"),
    ):
        theirs.write(cell)
    found = merge(theirs.root, ours.root, current)
    assert [c.spec.entry for c in found.taken] == ["b", "c", "d"]
    assert [c.spec.entry for c in found.same] == ["a"]
    assert {c.spec.entry: c.status for c in ours.load()[0]} == {
        "a": "ok",
        "b": "ok",
        "c": "ok",
        "d": "oom",
    }
    again = merge(theirs.root, ours.root, current)
    assert (len(again.taken), len(again.same)) == (0, 4)


def test_a_failed_cell_never_replaces_a_measured_one(folders):
    ours, theirs = folders
    theirs.write(sr("a", [], status="timeout"))
    assert merge(theirs.root, ours.root, current).taken == []
    assert ours.load()[0][0].status == "ok"


def test_disagreement_is_shown_and_ours_kept(folders, invbench):
    ours, theirs = folders
    theirs.write(sr("a", [0, 1], psnr=[20.0, 21.0]))
    code, out, error = invbench("merge", theirs.root, "--results", ours.root)
    assert code == 1 and "1 conflicts" in out
    assert "conflict, ours kept: sr a embedded/clean seed 0: psnr by 4.8e-02" in error
    assert ours.load()[0][0].measures["psnr"] == [20.0, 20.0]


def test_damaged_renamed_newer_and_older_cells_are_named_and_left(folders, invbench):
    ours, theirs = folders
    whole, renamed, newer, old = (
        theirs.write(sr(name, [0])) for name in ("whole", "renamed", "newer", "old")
    )
    renamed.rename(renamed.with_name("0" * 24 + ".json"))
    newer.write_text(
        newer.read_text().replace('"schema_version"', '"from_the_future": 1, "schema_version"')
    )
    document = json.loads(old.read_text())
    spec = sr("old", [0]).spec.model_copy(update={"protocol": 0})
    old.unlink()
    theirs.write(sr("old", [0]).model_copy(update={"spec": spec, "key": spec.key}))
    assert document["spec"]["protocol"] != 0
    (whole.parent / ("1" * 24 + ".json")).write_text("{")
    code, out, error = invbench("merge", theirs.root, "--results", ours.root)
    assert code == 0
    assert (
        out == "1 cells taken, 0 there already, 0 conflicts, 1 of another protocol, 3 unreadable\n"
    )
    assert error.count("unreadable:") == 3


def test_wrong_folders_are_refused(folders, tmp_path):
    ours, _ = folders
    (tmp_path / "empty").mkdir()
    for source, text in (
        (tmp_path / "nope", "no such folder"),
        (tmp_path / "empty", "no cells"),
        (ours.root, "itself"),
    ):
        with pytest.raises(UsageError, match=text):
            merge(source, ours.root, current)
