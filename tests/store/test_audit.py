"""invbench doctor FOLDER: each kind of damage, planted, is found, named, and left where it is."""

from __future__ import annotations

import json
import os

import pytest

from invbench.errors import UsageError
from invbench.store.audit import DAMAGE, KINDS, audit
from invbench.store.index import Index
from invbench.store.store import Store
from tests.support.mutations.kinds import attack_case
from tests.support.sr_cells import sr


@pytest.fixture
def store(tmp_path) -> Store:
    """Three whole cells, one of them failed with its log, and a whole case."""
    found = Store(tmp_path / "results")
    found.write(sr("a", [0, 1]))
    found.write(sr("b", [0]))
    failed = found.write(sr("c", [], status="timeout"))
    failed.with_suffix(".log").write_text("still at it")
    folder = found.root / "counterexamples" / "one"
    folder.mkdir(parents=True)
    for name, data in attack_case().items():
        (folder / name).write_bytes(data)
    (found.root / "tables").mkdir()
    (found.root / "tables" / "sr.md").write_text("a table is no cell")
    return found


def cell_file(store):
    return store.root / sr("a", [0, 1]).spec.path


def cut_off(store):
    cell_file(store).write_bytes(cell_file(store).read_bytes()[:100])
    return cell_file(store)


def of_the_future(store):
    cell_file(store).write_text(
        cell_file(store).read_text().replace('"schema_version": 2', '"schema_version": 99')
    )
    return cell_file(store)


def edited(store):
    cell_file(store).write_text(cell_file(store).read_text().replace('"seed": 0', '"seed": 1'))
    return cell_file(store)


def renamed(store):
    return cell_file(store).rename(cell_file(store).with_name("0" * 24 + ".json"))


def copied(store):
    """The same cell a second time, under another entry: it would count twice."""
    place = store.root / "sr" / "b" / cell_file(store).name
    place.write_bytes(cell_file(store).read_bytes())
    return place


def linked(store):
    place = store.root / "sr" / "elsewhere"
    place.symlink_to("/etc")
    return place


def case_without_tensors(store):
    (store.root / "counterexamples" / "one" / "tensors.safetensors").unlink()
    return store.root / "counterexamples" / "one"


def case_begun(store):
    (store.root / "counterexamples" / "two").mkdir()
    return store.root / "counterexamples" / "two"


def kept(store):
    path = cut_off(store)
    store.write(sr("a", [0, 1]))
    return path.with_suffix(".json.unreadable")


def leftover(store):
    place = store.root / "sr" / "a" / ".abc.json.x1y2.tmp"
    place.write_text("{")
    return place


def old_log(store):
    place = cell_file(store).with_suffix(".log")
    place.write_text("it failed then")
    return place


PLANTED = {
    cut_off: "damaged",
    of_the_future: "schema",
    edited: "key",
    renamed: "key",
    copied: "folder",
    linked: "outside",
    case_without_tensors: "case",
    case_begun: "case",
    kept: "kept",
    leftover: "leftover",
    old_log: "log",
}


def test_a_sound_folder_is_sound(store, invbench):
    found = audit(store.root)
    assert (found.cells, found.cases, found.problems, found.sound) == (3, 1, [], True)
    assert invbench("doctor", store.root)[0] == 0


def test_every_kind_is_planted():
    assert set(PLANTED.values()) == set(KINDS)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_planted_damage_is_named_and_left(store, invbench, plant):
    path, kind = plant(store), PLANTED[plant]
    before = {
        p: p.is_file() and p.read_bytes() for p in store.root.rglob("*") if not p.is_symlink()
    }
    code, out, _ = invbench("doctor", store.root, "--json")
    (problem,) = json.loads(out)["problems"]
    assert (problem["path"], problem["kind"]) == (path.relative_to(store.root).as_posix(), kind)
    assert code == (1 if kind in DAMAGE else 0)
    text = invbench("doctor", store.root)[1]
    assert problem["path"] in text and KINDS[kind] in text
    assert {
        p: p.is_file() and p.read_bytes() for p in store.root.rglob("*") if not p.is_symlink()
    } == before


def test_a_copied_cell_does_not_count_twice(store):
    copied(store)
    cells, unreadable = store.load()
    assert len(cells) == 3 and "belongs into" in unreadable[0].reason


def test_an_index_that_does_not_say_what_the_files_say_is_built_again(store, invbench, monkeypatch):
    """A file changed within its size and time: tables would go on showing what was there before."""
    monkeypatch.setattr("invbench.store.index.SMALL", 0)
    monkeypatch.setattr("invbench.store.index.FRESH", 0)
    path, times = cell_file(store), cell_file(store).stat()
    assert Index(store.root).counts == {"sr": 3}
    path.write_text(path.read_text().replace("20.0", "21.0"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert psnr_of_a(Index(store.root)) == [20.0, 20.0]
    assert json.loads(invbench("doctor", store.root, "--json")[1])["index_repaired"]
    assert psnr_of_a(Index(store.root)) == [21.0, 21.0]
    assert not json.loads(invbench("doctor", store.root, "--json")[1])["index_repaired"]


def psnr_of_a(index):
    (cell,) = [cell for cell in index.cells("sr") if cell.spec.entry == "a"]
    return cell.numbers("psnr")


def test_what_is_no_folder_is_wrong_usage(tmp_path, invbench):
    with pytest.raises(UsageError, match="no such folder"):
        audit(tmp_path / "nowhere")
    assert invbench("doctor", tmp_path / "nowhere")[0] == 2


def test_a_link_away_hides_nothing_of_an_entry_whose_name_begins_alike(store, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (store.root / "sr" / "a").rename(elsewhere)
    (store.root / "sr" / "a").symlink_to(elsewhere)
    damaged = store.write(sr("a-floor", [0]))
    damaged.write_bytes(damaged.read_bytes()[:100])
    kinds = {problem.path: problem.kind for problem in audit(store.root).problems}
    assert kinds == {"sr/a": "outside", damaged.relative_to(store.root).as_posix(): "damaged"}


def test_a_folder_inside_the_results_is_not_called_whole(store):
    for inside in ("sr", "counterexamples"):
        with pytest.raises(UsageError, match="name one that holds"):
            audit(store.root / inside)
