"""Every number that the README and docs/ take from results/ is the one that stands there; and the
filler that sees to it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (
    "# Title\n\n## Results\n\nOf {n} inputs\n`a` fails on 4.0 %, at most 10^2. The rest: "
    "3.\n\n## Rest\n\nIn 2026.\n"
)
BOOK = """
["README.md"]
sections = ["Results"]
plain = ['10\\^']
[["README.md".passages]]
text = "Of {} inputs `a` fails on {} %, at most 10^{}."
table = "t.csv"
where = { entry = "a" }
numbers = [{ take = "n", as = "d" }, { take = "text", as = ".1f" }, { take = "size", as = ".0f" }]
[["README.md".passages]]
text = "The rest: {}."
cells = "sr"
where = { entry = "a", case = "*/clean" }
numbers = [{ take = "error", of = "sum", as = "d" }]
"""


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    names = ("fill_numbers", "published_numbers")
    yield importlib.import_module(names[0]), importlib.import_module(names[1])
    for name in names:
        del sys.modules[name]


@pytest.fixture
def project(tmp_path):
    """A README, its book and results with one table and one measured twice."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "numbers.toml").write_text(BOOK)
    (tmp_path / "README.md").write_text(TEXT.format(n=40))
    folder = tmp_path / "results" / "sr" / "a"
    folder.mkdir(parents=True)
    (tmp_path / "results" / "t.csv").write_text(
        'entry,n,text,size\na,40,"4.04 % [1, 9]",2.2\nb,9,"0.5 %",inf\n'
    )
    spec = {
        "entry": "a",
        "case": "x/clean",
        "seed": 0,
        "dtype": "float32",
        "device": "cpu",
        "settings": {},
    }
    for protocol, errors in ((1, [1, 1, 1]), (2, [1, 1, 0])):
        cell = {
            "spec": {**spec, "protocol": protocol},
            "provenance": {"finished": str(9 - protocol)},
        }
        cell["measures"] = {"names": ["p/0", "p/1", "q/0"], "error": errors, "inputs": 3}
        (folder / f"{protocol}.json").write_text(json.dumps(cell))
    return tmp_path


def run(scripts, project, check):
    with pytest.raises(SystemExit) as end:
        scripts[0].main(check=check, root=project)
    return end.value.code


def test_every_number_of_the_texts_is_that_of_results(scripts):
    fill_numbers, _ = scripts
    books = fill_numbers.tomllib.loads((ROOT / "docs" / "numbers.toml").read_text(encoding="utf-8"))
    wrong = [
        line
        for name, book in books.items()
        for line in fill_numbers.fill(ROOT / name, book, ROOT / "results")[1]
    ]
    assert not wrong, "\n".join([*wrong, "python docs/fill_numbers.py"])


def test_a_number_that_differs_is_named_and_written_and_the_newest_protocol_counts(
    scripts, project, capsys
):
    assert run(scripts, project, check=True) == 1
    said = capsys.readouterr().out
    assert said.splitlines() == ["README.md, line 6: 3, in results: 2"]
    assert (project / "README.md").read_text() == TEXT.format(n=40)
    assert run(scripts, project, check=False) == 0
    assert (project / "README.md").read_text() == TEXT.format(n=40).replace("rest: 3", "rest: 2")
    assert run(scripts, project, check=True) == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("inputs\n`a` fails", "inputs `a` failed", "0 places read 'Of {} inputs"),
        ("The rest: 3.", "The rest: 3. The rest: 3.", "2 places read 'The rest: {}.'"),
        ("The rest: 3.", "The rest: 3. And 17 more.", "The rest: 3. And 17 more."),
        ("The rest: 3.", "The rest: none.", "0 places read 'The rest: {}.'"),
    ],
)
def test_a_sentence_that_was_rewritten_and_a_number_without_a_source_are_errors(
    scripts, project, capsys, old, new, said
):
    (project / "README.md").write_text(TEXT.format(n=40).replace(old, new))
    assert run(scripts, project, check=False) == 1
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new"),
    [('entry = "a", case', 'entry = "c", case'), ('"size"', '"height"'), ('entry = "a" }', "}")],
)
def test_a_source_without_a_number_is_an_error(scripts, project, capsys, old, new):
    """No such row; no such column; two rows where one is meant."""
    book = project / "docs" / "numbers.toml"
    book.write_text(BOOK.replace(old, new))
    assert run(scripts, project, check=False) == 1
    assert "README.md: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"table": "t.csv", "where": {"entry": "b"}, "take": "size", "as": ".1f"}, "∞"),
        ({"table": "t.csv", "take": "n", "of": "max", "as": "d"}, "40"),
        ({"table": "t.csv", "take": "n", "of": "sum", "over": {"of": "min"}, "as": ".3f"}, "5.444"),
        ({"table": "t.csv", "take": "n", "of": "min", "minus": {"of": "max"}, "as": "d"}, "-31"),
        (
            {
                "table": "t.csv",
                "take": "text",
                "find": r"\[(\d)",
                "where": {"entry": "a"},
                "as": "d",
            },
            "1",
        ),
        ({"table": "t.csv", "where": {"entry": ["a", "b", "c"]}, "of": "count", "as": "d"}, "2"),
        ({"cells": "sr", "take": "photograph", "of": "distinct", "as": "d"}, "2"),
        ({"cells": "sr", "take": "error", "of": "mean", "as": ".1%"}, "66.7"),
        (
            {"table": "t.csv", "where": {"entry": "a"}, "take": "text", "as": "words"},
            "4.04 % [1, 9]",
        ),
        ({"cells": "sr", "where": {"error": 1}, "of": "count", "as": ",d"}, "2"),
    ],
)
def test_sources(scripts, project, source, text):
    assert scripts[1].written(source, project / "results") == text
