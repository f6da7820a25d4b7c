"""The second implementation's reader of cells: single and packed files, cases as names and as
fields."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "evidence" / "again"
if not FOLDER.is_dir():
    pytest.skip("benchmarks lie beside the tests in a checkout", allow_module_level=True)


@pytest.fixture
def again(monkeypatch):
    """name → module of that folder, forgotten at the end."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield __import__
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"dataset": "embedded", "corruption": "clean"}, "embedded/clean"),
        ({"dataset": "embedded", "corruption": "noise", "severity": 3}, "embedded/noise-3"),
        (
            {"dataset": "embedded", "corruption": "noise", "severity": 3, "measure": "stretch"},
            "embedded/noise-3#stretch",
        ),
        ({"dataset": "LOL", "corruption": "clean", "precision": "float16"}, "LOL/clean#fp16"),
        ({"dataset": "BSD100", "attack": "condition", "eps": 8}, "BSD100/attack-condition-8"),
        ({"dataset": "BSD100", "attack": "latent", "eps": None}, "BSD100/attack-latent"),
        ({"dataset": "", "corruption": "shift", "severity": 0.8}, "shift-0.8"),
        ({"dataset": "", "corruption": "in", "measure": "radius"}, "in#radius"),
        ({"dataset": "", "corruption": "", "attack": "", "measure": "slopes"}, "slopes"),
    ],
)
def test_a_case_is_named_from_its_fields_as_it_was_stored(again, fields, name):
    case_of = again("stored_cells").case_of
    absent = {"severity": None, "attack": "", "eps": None, "measure": "samples", "precision": ""}
    assert case_of(absent | fields) == case_of({"case": name}) == name


def made_cell(key, value):
    spec = {"entry": "a", "dataset": "x", "corruption": "clean", "measure": "samples", "seed": 0}
    spec |= {"settings": {"flow": "srflow"}, "protocol": 1, "dtype": "float32", "device": "cpu"}
    measures = {"names": ["p/0"], "error": [value]}
    return {
        "key": key,
        "spec": spec,
        "provenance": {"finished": str(value)},
        "measures": measures,
    }


@pytest.fixture
def folder(tmp_path):
    """One cell in both places, one packed alone, one in its own file alone."""
    (tmp_path / "sr" / "a").mkdir(parents=True)
    for key, value in (("k1", 1), ("k3", 3)):
        (tmp_path / "sr" / "a" / f"{key}.json").write_text(json.dumps(made_cell(key, value)))
    packed = [made_cell("k1", 7), made_cell("k2", 2)]
    (tmp_path / "sr.jsonl").write_text("\n".join(map(json.dumps, packed)) + "\n\n")
    return tmp_path


def test_a_cell_in_both_places_counts_once_as_its_own_file_has_it(again, folder):
    found = list(again("stored_cells").cells(folder / "sr"))
    assert {cell["key"]: cell["measures"]["error"] for _, cell in found} == {
        "k1": [1],
        "k2": [2],
        "k3": [3],
    }
    assert [path.name for path, _ in found] == ["k1.json", "k3.json", "sr.jsonl"]


def test_packed_cells_alone_are_read_and_none_at_all_are_none(again, folder):
    for path in (folder / "sr/a").glob("*.json"):
        path.unlink()
    cells = again("stored_cells").cells
    assert [cell["key"] for _, cell in cells(folder / "sr")] == ["k1", "k2"]
    assert not list(cells(folder / "toy2d"))


def test_the_newest_of_all_places_is_published(again, folder, monkeypatch):
    told = again("published")
    monkeypatch.setattr(told, "RESULTS", folder)
    assert told.cell("sr", "a", "x/clean")["measures"]["error"] == [3]
    (folder / "sr/a/k3.json").unlink()
    assert told.cell("sr", "a", "x/clean")["path"].endswith("sr.jsonl")


def test_the_numbers_of_the_docs_come_from_either_place(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER.parents[2] / "docs"))
    numbers = __import__("published_numbers")
    source = {"cells": "sr", "take": "error", "where": {"case": "x/clean"}, "as": "d"}
    assert numbers.written(source, folder) == "3"
    (folder / "sr/a/k3.json").unlink()
    numbers.cell_rows.cache_clear()
    assert numbers.written(source, folder) == "2"
    del sys.modules["published_numbers"]
