"""Cells of every schema version: today's is read for ever, an older one migrated or named, a newer
one named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invbench.store import schema
from invbench.store.cell import Cell
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
def version_three(monkeypatch):
    """As if two versions had come since: one renamed a field, one gave the cell another."""

    class Later(Cell):
        schema_version: int = 3
        note: str

    def second(document):
        return {name.replace("reason", "why"): value for name, value in document.items()}

    def third(document):
        return {name.replace("why", "reason"): value for name, value in document.items()} | {
            "note": "none"
        }

    monkeypatch.setattr(schema, "SCHEMA", 3)
    monkeypatch.setattr(schema, "Cell", Later)
    monkeypatch.setattr(schema, "MIGRATIONS", {1: second, 2: third})


def test_a_cell_of_the_first_schema_is_always_readable(place, tmp_path):
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Cell), found
    document = json.loads(FIRST.read_text())
    assert found.key == document["key"] == FIRST.stem
    assert found.measures["inf"] == document["measures"]["inf"]
    assert json.loads(found.model_dump_json())["measures"] == document["measures"]


def test_an_older_cell_is_migrated_step_by_step_in_memory_and_its_file_left(
    place, tmp_path, version_three
):
    (found,), damaged = Store(tmp_path).load()
    assert damaged == []
    assert (found.schema_version, found.note, found.key) == (3, "none", FIRST.stem)
    assert found.numbers("max_abs_log10") == [
        float(v) for v in json.loads(FIRST.read_text())["measures"]["max_abs_log10"]
    ]
    assert place.read_bytes() == FIRST.read_bytes()


def test_an_older_cell_that_nothing_migrates_is_named_and_kept(
    place, tmp_path, version_three, monkeypatch
):
    monkeypatch.setattr(schema, "MIGRATIONS", {2: lambda document: document})
    found = Store(tmp_path).read(place.relative_to(tmp_path).as_posix())
    assert isinstance(found, Unreadable)
    assert (found.kind, found.reason.partition(";")[0]) == (
        "schema",
        "written by an older invbench (schema 1, ours is 3)",
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
