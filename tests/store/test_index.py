"""The index of stored cells: says what the files say, notices every change, and can be lost or
damaged at any time."""

from __future__ import annotations

import math
import os
import sqlite3

import pytest

from invbench.errors import HarnessError
from invbench.report.rows import current_cells, make_rows
from invbench.report.site import write_site
from invbench.report.table import read_table, render
from invbench.store import index as module
from invbench.store.index import Index
from invbench.store.store import Store
from tests.support.site_results import fill
from tests.support.sr_cells import sr

LONG_AGO = 1_600_000_000 * 10**9


@pytest.fixture(autouse=True)
def kept(monkeypatch, cache):
    """However few cells there are, they are remembered."""
    monkeypatch.setattr(module, "SMALL", 0)


@pytest.fixture
def read(monkeypatch):
    """The files that were read since the last call."""
    found: list[str] = []
    original = Store.read

    def noted(self, place):
        found.append(place)
        return original(self, place)

    monkeypatch.setattr(Store, "read", noted)

    def since():
        names, found[:] = sorted(found), []
        return names

    return since


def age(folder):
    """As if the cells had been written long ago."""
    for path in folder.glob("*/*/*.json"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))


@pytest.fixture
def folder(results):
    folder = results(
        sr(
            "a",
            [1, 0],
            names=["x/0", "x/1"],
            log10=math.inf,
            findings=["one"],
            psnr=[math.nan, 21.5],
        ),
        sr("a", [0], "embedded/clean#radius", radius_F2=["Infinity"], note=None),
        sr("b-c", [], status="error"),
        sr("b", [0, 0], seed=2, note="<b>"),
    )
    age(folder)
    return folder


def said(cells):
    return [
        (c.key, c.spec, c.status, c.reason, c.finished, repr(dict(c.provenance))) for c in cells
    ]


def numbers(cells):
    return [
        (
            c.key,
            {
                n: repr(c.numbers(n))
                if n in ("inf", "error", "max_abs_log10", "psnr", "radius_F2")
                else c.measures[n]
                for n in sorted(c.measures)
            },
        )
        for c in cells
    ]


def test_it_says_what_the_files_say(folder):
    whole, _ = Store(folder).load()
    for _ in range(2):  # built, then remembered
        index = Index(folder)
        cells = index.cells("sr")
        assert numbers(cells) == numbers(whole)
        assert [s[:5] for s in said(cells)] == [s[:5] for s in said(whole)]
        assert all(c.provenance["torch"] == "2.13.0" for c in cells)
        assert index.counts == {"sr": 4} and index.unreadable == []
        assert repr(make_rows(cells, "sr", index=index)) == repr(make_rows(whole, "sr"))


def test_only_what_is_new_or_changed_is_read_again(folder, read):
    Index(folder)
    assert len(read()) == 4
    Index(folder)
    assert read() == []
    added = Store(folder).write(sr("new", [1]))
    changed = folder / sr("b", [0, 0], seed=2).spec.path
    changed.write_text(changed.read_text().replace('"ok"', '"oom"'))
    os.utime(changed, ns=(LONG_AGO + 1, LONG_AGO + 1))
    (folder / sr("b-c", [], status="error").spec.path).unlink()
    index = Index(folder)
    assert read() == sorted(str(p.relative_to(folder)) for p in (added, changed))
    assert {c.spec.entry: c.status for c in index.cells("sr") if "#" not in c.spec.case} == {
        "a": "ok",
        "b": "oom",
        "new": "ok",
    }


def test_a_young_file_is_read_again_for_it_may_change_within_a_tick(folder, read):
    Index(folder)
    path = Store(folder).write(sr("new", [1]))
    for _ in range(2):
        read()
        Index(folder)
        assert read() == [str(path.relative_to(folder))]
    before = path.stat()
    path.write_text(
        path.read_text().replace('"ok"', '"oom"').replace('"reason": ""', '"reason":""')
    )
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert {c.status for c in Index(folder).cells("sr") if c.spec.entry == "new"} == {"oom"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"no database at all" * 1000,
        lambda data: data[: len(data) // 2],
        lambda data: data[:4096] + bytes(len(data) - 4096),
        lambda data: data[:100] + bytes(4096) + data[4196:],
        lambda data: data.replace(b"embedded/clean", b"embedded/queer"),
        lambda data: data.replace(b"one", b"two"),
        lambda data: data.replace(b'"x/0"', b'"x/9"'),
    ],
    ids=[
        "empty",
        "text",
        "half",
        "zeroed",
        "hole",
        "another case",
        "another finding",
        "another input",
    ],
)
def test_damage_is_noticed_and_mended_in_silence(folder, cache, damage, capsys):
    expected = numbers(Index(folder).cells("sr"))
    table = render(read_table("sr", folder), "csv")
    (path,) = (cache / "index").glob("*.sqlite")
    path.write_bytes(damage(path.read_bytes()))
    assert numbers(Index(folder).cells("sr")) == expected
    assert render(read_table("sr", folder), "csv") == table
    assert capsys.readouterr() == ("", "")


def test_deleted_it_is_built_again(folder, cache, read):
    Index(folder)
    for path in (cache / "index").glob("*"):
        path.unlink()
    read()
    assert Index(folder).counts == {"sr": 4}
    assert len(read()) == 4


def test_without_a_cache_it_works(folder, cache):
    cache.write_text("a file, where the folder of the cache should be")
    for _ in range(2):
        assert Index(folder).counts == {"sr": 4}


def test_a_database_that_another_process_holds_is_left_alone(folder, cache, monkeypatch):
    Index(folder)
    (path,) = (cache / "index").glob("*.sqlite")
    Store(folder).write(sr("new", [1]))
    original = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda place, timeout: original(place, timeout=0))
    with original(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert Index(folder).counts == {"sr": 5}
    assert path.exists()
    with original(path) as other:
        assert other.execute("SELECT COUNT(*) FROM heads").fetchone() == (4,)


def test_nothing_is_written_among_the_results(folder):
    before = sorted(folder.rglob("*"))
    read_table("sr", folder)
    assert [
        p for p in sorted(folder.rglob("*")) if p not in before and "cache" not in p.parts
    ] == []


def test_a_remembered_table_follows_the_cells(folder):
    assert set(read_table("sr", folder).frame["entry"]) == {"a", "b", "b-c"}
    Store(folder).write(sr("new", [1]))
    assert set(read_table("sr", folder).frame["entry"]) == {"a", "b", "b-c", "new"}
    (folder / sr("new", [1]).spec.path).unlink()
    assert set(read_table("sr", folder).frame["entry"]) == {"a", "b", "b-c"}


def test_a_table_of_unchanged_cells_is_not_computed_again(folder, monkeypatch):
    first = render(read_table("sr", folder), "csv")
    monkeypatch.setattr("invbench.report.rows.rows_of_case", lambda *_: pytest.fail("computed"))
    assert render(read_table("sr", folder), "csv") == first


def test_one_cell_more_computes_its_own_case_only(results, monkeypatch):
    folder = results(*(sr(e, [0, 1], f"embedded/noise-{s}") for e in "ab" for s in range(1, 6)))
    read_table("sr", folder)
    Store(folder).write(sr("c", [0, 0], "embedded/noise-3"))
    from invbench.report import rows

    computed, original = [], rows.rows_of_case
    monkeypatch.setattr(
        rows,
        "rows_of_case",
        lambda track, case, *rest: computed.append(case) or original(track, case, *rest),
    )
    table = read_table("sr", folder)
    assert computed == ["embedded/noise-3"]
    whole, _ = Store(folder).load()
    assert (
        table.frame.to_dict("list").keys()
        and len(table.frame) == len(make_rows(current_cells(whole)[0], "sr")) == 11
    )


def test_a_file_that_vanishes_while_it_is_read_is_named(folder, cache):
    index = Index(folder)
    (cell,) = [c for c in index.cells("sr") if c.spec.entry == "b"]
    index._db.execute("DELETE FROM bodies")
    (folder / cell.spec.path).unlink()
    with pytest.raises(HarnessError, match="run the command again"):
        cell.numbers("error")


def test_a_remembered_page_has_the_same_bytes_and_follows_the_cells(tmp_path, monkeypatch):
    folder = fill(tmp_path / "results")
    age(folder)
    first = write_site(folder, tmp_path / "site").file.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("invbench.report.site.data._part", lambda *_: pytest.fail("drawn again"))
        assert write_site(folder, tmp_path / "site").file.read_bytes() == first
    monkeypatch.setattr(module, "SMALL", 10**6)
    assert write_site(folder, tmp_path / "site").file.read_bytes() == first
    monkeypatch.setattr(module, "SMALL", 0)
    Store(folder).write(sr("new", [1]))
    assert b'"new"' in write_site(folder, tmp_path / "site").file.read_bytes()


def test_what_is_remembered_of_something_else_is_not_used(folder):
    index = Index(folder)
    index.remember({"slot": ("one", [math.inf, None])})
    assert index.recall("slot", "one") == [math.inf, None]
    assert index.recall("slot", "two") is None and index.recall("other", "one") is None
    index.remember({"slot": ("two", 2)})
    assert index.recall("slot", "one") is None and index.recall("slot", "two") == 2
