"""An empty results folder, and one of another project: every verb that reads says in one line what
to do next."""

from __future__ import annotations

import pytest

READING = {
    "table": ["table"],
    "table of a track": ["table", "--track", "sr"],
    "site": ["site", "-o", "public"],
    "plot": ["plot", "sensitivity", "--track", "sr", "-o", "a.svg"],
    "plot that decodes": ["plot", "fig6", "-o", "a.svg"],
    "compare": ["compare", "affine", "additive"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "sr.jsonl").write_text('{"run": 3, "loss": 0.1}\n')
    (tmp_path / "theirs" / "metrics.csv").write_text("epoch,loss\n1,0.5\n")
    return tmp_path


@pytest.mark.parametrize("words", READING.values(), ids=READING)
def test_empty_folder_says_which_command_fills_it(invbench, words):
    code, out, error = invbench(*words, "--results", "empty")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "in empty; invbench run " in error and error.endswith("--results empty\n")


@pytest.mark.parametrize("words", READING.values(), ids=READING)
def test_folder_of_another_project_is_named_and_no_run_into_it_proposed(invbench, words):
    code, out, error = invbench(*words, "--results", "theirs")
    assert (code, out, error.count("\n")) == (3, "", 1)
    assert "theirs/sr.jsonl:1: " in error and "--results names another folder" in error
    assert "invbench run" not in error


def test_merge_and_doctor_say_it_too(invbench):
    code, _, error = invbench("merge", "theirs")
    assert code == 2 and "name a folder that invbench run or pack wrote" in error
    code, out, _ = invbench("doctor", "empty")
    assert code == 0 and "no cells in empty; invbench run --results empty\n" in out
