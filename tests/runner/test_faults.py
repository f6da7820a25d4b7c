"""What happens to machines during a run: the message is clear, and no finished cell is lost. The
whole table: benchmarks/evidence/faults.py."""

from __future__ import annotations

import errno
import os
import threading
import time

import pytest

from invbench.errors import HarnessError
from invbench.runner.results_guard import Anchor
from invbench.runner.scheduler import run_cells
from invbench.store.cell import CellSpec
from invbench.store.merge import merge
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.tracks.protocols import current
from invbench.tracks.self_test import self_test_specs
from tests.support.sr_cells import sr


def specs(count=6):
    return self_test_specs(resolve("affine"), count, 10)


def test_a_results_folder_that_goes_away_ends_the_run_and_nothing_is_lost(tmp_path):
    """Renamed after the third cell; its cells and those written since are all whole, and together
    they go on."""
    results, gone, count = tmp_path / "results", tmp_path / "gone", []

    def done(cell):
        count.append(cell)
        if len(count) == 3:
            results.rename(gone)

    with pytest.raises(
        HarnessError, match=r"was moved, removed or unmounted .* run the same command"
    ):
        run_cells(specs(20), 1, results, done)
    kept, damaged = Store(gone).load()
    assert len(kept) >= 3 and damaged == []
    merge(results, gone, current)  # the cell that was under way when it went
    assert len(Store(gone).load()[0]) == len(kept) + len(Store(results).load()[0])


def test_a_folder_mounted_anew_is_the_same_folder(tmp_path):
    """Another inode, the same cells: as a network folder after a short interruption."""
    anchor = Anchor(tmp_path / "results")
    cell = sr("a", [0])
    Store(tmp_path / "results").write(cell)
    anchor.check(cell.spec)
    (tmp_path / "results").rename(tmp_path / "old")
    Store(tmp_path / "results").write(cell)
    anchor.check(cell.spec)


def test_two_runs_fill_one_folder_together(tmp_path):
    """At once and with the same plan: each cell is written twice, and is whole, and the same."""
    errors: list[BaseException] = []

    def drive():
        try:
            run_cells(specs(), 1, tmp_path / "results", lambda cell: None)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cells, damaged = Store(tmp_path / "results").load()
    assert errors == [] and damaged == []
    assert {c.key for c in cells} == {s.key for s in specs()}
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_run_in_which_a_cell_fails_does_not_lose_what_another_measured(tmp_path):
    """Two runs in one folder: the slower one times out on a cell that the other has finished."""
    store, measured = Store(tmp_path), sr("a", [0, 1])
    store.write(sr("a", [], status="error"))
    store.write(measured)
    store.write(sr("a", [], status="timeout"))
    assert store.load() == ([measured], [])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("call", ["replace", "fsync", "fdopen"])
def test_a_disk_that_refuses_is_said_and_the_old_cell_stays(tmp_path, monkeypatch, call, code):
    store, old = Store(tmp_path), sr("a", [0, 1])
    store.write(old)

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(
        HarnessError, match=f"{os.strerror(code)}; free space or choose another folder"
    ) as caught:
        store.write(sr("a", [1, 1]))
    monkeypatch.undo()
    assert caught.value.exit_code == 3
    assert Store(tmp_path).load() == ([old], [])
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"cannot make .*; choose another folder"):
        run_cells(specs(), 1, tmp_path / "file" / "results", lambda cell: None)


def test_a_clock_that_goes_backwards_changes_no_cell(tmp_path, monkeypatch):
    """Files of the future and a clock that runs back an hour with each look: every cell is found,
    and none is measured again."""
    now = time.time()
    monkeypatch.setattr(time, "time", iter(now - 3600 * k for k in range(10**6)).__next__)
    store = Store(tmp_path)
    for k, name in enumerate("abc"):
        os.utime(store.write(sr(name, [0, 1])), (now + 10**6 * k, now + 10**6 * k))
    assert [c.spec.entry for c in store.load()[0]] == ["a", "b", "c"]
    assert store.get(sr("a", [0, 1]).spec) == sr("a", [0, 1])


EVIL = [
    "../../outside",
    "/etc/x",
    "..",
    ".",
    "a/../../b",
    "..\\..\\x",
    "x\x00y",
    "CON",
    "~",
    "-rf",
    "a" * 200,
    "‮cod.elif",
    "％２ｅ",
]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("field", ["track", "entry", "measure", "dtype", "device"])
def test_no_name_in_a_cell_leads_out_of_the_results_folder(tmp_path, field, name):
    """Written and merged: whatever the cell says, its file lies three steps below the folder and
    nothing lies beside it."""
    spec = CellSpec(
        **({"track": "sr", "entry": "a", "measure": "c", "entry_digest": "d"} | {field: name})
    )
    cell = sr("a", [0]).model_copy(update={"spec": spec, "key": spec.key})
    place = Store(tmp_path / "theirs").write(cell)
    assert len(place.resolve().relative_to((tmp_path / "theirs").resolve()).parts) == 3
    merge(tmp_path / "theirs", tmp_path / "ours", current)
    assert [c.spec for c in Store(tmp_path / "ours").load()[0]] == [spec]
    assert {path.name for path in tmp_path.iterdir()} == {"theirs", "ours"}


def test_a_key_that_is_a_path_is_no_key(tmp_path):
    cell = sr("a", [0])
    place = tmp_path / cell.spec.path
    place.parent.mkdir(parents=True)
    place.write_text(cell.model_dump_json().replace(cell.key, "../../" + cell.key))
    assert Store(tmp_path).load()[0] == []
