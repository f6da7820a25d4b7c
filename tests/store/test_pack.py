"""Packed results: the same cells, sorted lines, nothing lost, and every reader takes both forms."""

from __future__ import annotations

import json

import pytest

from invbench.errors import HarnessError, UsageError
from invbench.report.table import read_table, render
from invbench.store.index import Index
from invbench.store.merge import merge
from invbench.store.pack import pack
from invbench.store.store import Store, Unreadable
from invbench.tracks.protocols import current
from tests.support.specs import spec_named
from tests.support.sr_cells import sr


@pytest.fixture
def folder(results):
    """Six cells of two tracks, two of them failed."""
    toy = sr("a", [0]).model_copy(update={"spec": (spec := spec_named("toy2d", "a", "in"))})
    return results(
        sr("b", [0, 1]),
        sr("a", [1, 1], seed=1),
        sr("a", [1, 0]),
        sr("a", [], "embedded/noise-3", status="error"),
        sr("c", [], status="oom"),
        toy.model_copy(update={"key": spec.key}),
    )


def table(folder, track="sr"):
    return render(read_table(track, folder), "csv")


def keys(folder):
    return {cell.key for cell in Store(folder).load()[0]}


def test_packed_cells_are_the_same_cells_and_give_the_same_table(folder):
    before, (cells, _), tables = keys(folder), Store(folder).load(), table(folder)
    found = pack(folder)
    assert found.files == {"sr.jsonl": 5, "toy2d.jsonl": 1} and found.taken == 6
    assert sorted(p.name for p in folder.iterdir()) == ["sr.jsonl", "toy2d.jsonl"]
    assert keys(folder) == before and Store(folder).load() == (cells, [])
    assert table(folder) == tables
    assert {c.key for c in Index(folder).cells("sr")} == before - {Store(folder).load()[0][-1].key}


def test_packing_again_changes_no_byte_and_lines_are_sorted(folder):
    pack(folder)
    text = (folder / "sr.jsonl").read_bytes()
    pack(folder)
    assert (folder / "sr.jsonl").read_bytes() == text
    specs = [json.loads(line)["spec"] for line in text.splitlines()]
    assert [(s["entry"], s["seed"]) for s in specs if s["corruption"] == "clean"] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
        ("c", 0),
    ]


def test_a_measured_working_cell_counts_in_place_of_a_packed_failed_one(folder):
    pack(folder)
    store = Store(folder)
    store.write(sr("c", [1, 1]))
    assert len(store.load()[0]) == 6
    (found,) = [c for c in Index(folder).cells("sr") if c.spec.entry == "c"]
    assert found.status == "ok" and found.numbers("error") == [1, 1]
    assert store.get(found.spec).status == "ok"
    store.write(sr("b", [], status="error"))  # a failed one does not replace a packed measured one
    assert store.get(sr("b", [0]).spec).status == "ok"
    assert {c.spec.entry: c.status for c in Index(folder).cells("sr")}["b"] == "ok"
    pack(folder)
    assert {c.spec.entry: c.status for c in store.load()[0] if c.spec.seed == 0}["b"] == "ok"


def test_a_damaged_line_is_named_kept_aside_and_the_others_are_read(folder, invbench):
    pack(folder)
    lines = (folder / "sr.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "sr.jsonl").write_bytes(b"".join([*lines[:2], lines[2][:-40] + b"\n", *lines[3:]]))
    cells, (damaged,) = Store(folder).load()
    assert len(cells) == 5 and damaged.path.name == "sr.jsonl:3"
    code, out, _ = invbench("doctor", folder)
    assert code == 1 and "sr.jsonl:3" in out
    assert "sr.jsonl:3" in invbench("table", "--track", "sr", "--results", folder)[2]
    pack(folder)
    assert (folder / "sr.jsonl.unreadable").read_bytes() == lines[2][:-40] + b"\n"
    assert Store(folder).load()[1] == [] and len(keys(folder)) == 5


def test_an_edited_line_is_no_cell(folder):
    pack(folder)
    text = (folder / "sr.jsonl").read_text().replace('"entry":"b"', '"entry":"z"')
    (folder / "sr.jsonl").write_text(text)
    (damaged,) = Store(folder).load()[1]
    assert damaged.kind == "key"


def test_a_file_that_changes_meanwhile_stays(folder):
    """Its cell is measured again while the folder is packed."""
    path = folder / sr("b", [0]).spec.path
    pack(folder, lambda cell: path.write_bytes(path.read_bytes() + b"\n"))
    assert path.is_file()


def test_packed_cells_of_another_machine_are_merged(folder, results, tmp_path):
    pack(folder)
    found = merge(folder, tmp_path / "ours", current)
    assert len(found.taken) == 6 and keys(tmp_path / "ours") == keys(folder)
    assert len(merge(folder, tmp_path / "ours", current).same) == 6


def test_nothing_to_pack_is_said(tmp_path):
    with pytest.raises(UsageError, match="no cells to pack"):
        pack(tmp_path)


def test_a_packed_file_that_cannot_be_read_to_its_end_stays_as_it_is(folder, monkeypatch):
    pack(folder)
    before = (folder / "sr.jsonl").read_bytes()
    whole = Store.read_packed

    def torn(store, name):
        yield from list(whole(store, name))[:2]
        yield Unreadable(store.root / name, "Input/output error")

    monkeypatch.setattr(Store, "read_packed", torn)
    with pytest.raises(HarnessError, match="nothing was packed"):
        pack(folder)
    assert (folder / "sr.jsonl").read_bytes() == before
