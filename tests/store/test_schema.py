"""Cells of every schema version: today's is read for ever, an older one migrated or named, a newer
one named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invbench.report.table import read_table
from invbench.store import schema
from invbench.store.case import Case, case_named
from invbench.store.cell import Cell
from invbench.store.index import Index
from invbench.store.pack import pack
from invbench.store.store import Store, Unreadable

# a measured cell as version 1 was written
FIRST = next((Path(__file__).parents[1] / "support" / "cells").glob("*.json"))


@pytest.fixture
def place(tmp_path) -> Path:
    """Where the stored cell belongs, below the results folder."""
    path = tmp_path / "sr" / "affine" / FIRST.name
    path.parent.mkdir(parents=True)
    path.write_bytes(FIRST.read_bytes())
    return path


@pytest.fixture
def version_four(monkeypatch):
    """As if two versions had come since: one renamed a field, one gave the cell another."""

    class Later(Cell):
        schema_version: int = 4
        note: str

    def third(document):
        return {name.replace("reason", "why"): value for name, value in document.items()}

    def fourth(document):
        return {name.replace("why", "reason"): value for name, value in document.items()} | {
            "note": "none"
        }

    monkeypatch.setattr(schema, "SCHEMA", 4)
    monkeypatch.setattr(schema, "Cell", Later)
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, 2: third, 3: fourth})


def test_a_cell_of_the_first_schema_is_always_readable(place, tmp_path):
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Cell), found
    document = json.loads(FIRST.read_text())
    assert found.key == found.spec.key != document["key"] == FIRST.stem
    assert json.loads(found.model_dump_json())["measures"] == document["measures"]
    assert found.spec.case == document["spec"]["case"] == "embedded/checkerboard-5"
    assert (found.spec.dataset, found.spec.corruption, found.spec.severity) == (
        "embedded",
        "checkerboard",
        5,
    )
    assert Store(tmp_path).get(found.spec) == found


def test_a_table_of_older_cells_says_so_once_and_packing_rewrites_them(place, tmp_path):
    for packed in (False, True):
        if packed:  # the line as somebody else's invbench has packed it
            line = json.dumps(json.loads(FIRST.read_text()))
            place.unlink()
            (tmp_path / "sr.jsonl").write_text(line + "\n")
        table = read_table("sr", tmp_path)
        assert [row["case"] for row in table.frame.to_dict("records")] == [
            "embedded/checkerboard-5"
        ]
        assert [n for n in table.notes if n.startswith("1 cells of an older schema")]
    pack(tmp_path)
    assert '"schema_version":2' in (tmp_path / "sr.jsonl").read_text()
    assert not [n for n in read_table("sr", tmp_path).notes if "older schema" in n]


def test_a_mixed_folder_has_each_cell_once(place, tmp_path):
    (cell,), _ = Store(tmp_path).load()
    Store(tmp_path).write(cell)
    (tmp_path / "sr.jsonl").write_text(json.dumps(json.loads(FIRST.read_text())) + "\n")
    assert [c.key for c in Store(tmp_path).load()[0]] == [cell.key]
    assert [c.key for c in Index(tmp_path).cells("sr")] == [cell.key]


def test_a_cell_of_the_first_schema_that_was_edited_is_no_cell(place, tmp_path):
    place.write_text(FIRST.read_text().replace("checkerboard-5", "checkerboard-4"))
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Unreadable) and found.kind == "key"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("embedded/noise-3#stretch", {"corruption": "noise", "severity": 3, "measure": "stretch"}),
        ("embedded/attack-latent-random", {"attack": "latent-random"}),
        ("embedded/attack-both-8", {"attack": "both", "eps": 8}),
        ("embedded/clean#fp16", {"corruption": "clean", "precision": "float16"}),
        ("embedded/channel-swap-2", {"corruption": "channel-swap", "severity": 2}),
        ("shift-0.8#radius", {"corruption": "shift", "severity": 0.8, "measure": "radius"}),
        ("in", {"corruption": "in"}),
        ("slopes", {"measure": "slopes"}),
    ],
)
def test_a_case_has_fields_and_one_name(name, fields):
    dataset = "embedded" if name.startswith("embedded/") else ""
    assert case_named(name) == Case(dataset=dataset, **fields)
    assert case_named(name).name == name


def test_an_older_cell_is_migrated_step_by_step_in_memory_and_its_file_left(
    place, tmp_path, version_four
):
    (found,), damaged = Store(tmp_path).load()
    assert damaged == []
    assert (found.schema_version, found.note, found.key) == (4, "none", found.spec.key)
    assert found.numbers("max_abs_log10") == [
        float(v) for v in json.loads(FIRST.read_text())["measures"]["max_abs_log10"]
    ]
    assert place.read_bytes() == FIRST.read_bytes()


def test_an_older_cell_that_nothing_migrates_is_named_and_kept(
    place, tmp_path, version_four, monkeypatch
):
    monkeypatch.setattr(schema, "MIGRATIONS", {2: lambda document: document})
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Unreadable)
    assert (found.kind, found.reason.partition(";")[0]) == (
        "schema",
        "written by an older invbench (schema 1, ours is 4)",
    )
    assert place.exists()


@pytest.mark.parametrize(
    "unknown", ["", '"surprise": [], '], ids=["known fields", "unknown fields"]
)
def test_a_newer_cell_is_named_whatever_its_fields(place, tmp_path, unknown):
    place.write_text(
        FIRST.read_text().replace('"schema_version": 1', unknown + '"schema_version": 7')
    )
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Unreadable)
    assert found.kind == "schema" and found.reason.startswith(
        "written by a newer invbench (schema 7"
    )


def test_todays_cells_need_no_migration_and_every_version_before_has_one():
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.SCHEMA))
