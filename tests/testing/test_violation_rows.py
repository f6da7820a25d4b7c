"""Violations as rows: a file per worker, merged by the controller."""

from __future__ import annotations

import json
import os

from invbench.testing.violation_rows import append, merge


def test_rows_of_workers_are_merged_and_a_cut_one_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    append(tmp_path, {"a": 1})
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    append(tmp_path, {"a": 2})
    with (tmp_path / "violations" / "gw1.jsonl").open("a") as file:
        file.write('{"a": 3')
    problems = merge(tmp_path)
    rows = [
        json.loads(line)
        for line in (tmp_path / "violations" / "all.jsonl").read_text().splitlines()
    ]
    assert rows == [{"a": 1}, {"a": 2}]
    assert len(problems) == 1 and "cut off" in problems[0]
    assert sorted(os.listdir(tmp_path / "violations")) == ["all.jsonl", "gw1.cut"]
    assert merge(tmp_path) == []
    assert (tmp_path / "violations" / "gw1.cut").read_text() == '{"a": 3'
