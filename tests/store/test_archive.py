"""``invbench pack --archive``: one tar whose bytes follow from the results, with sums of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile

import pytest

from invbench.cli.main import app
from invbench.errors import HarnessError, UsageError
from invbench.report.table import read_table, render
from invbench.store.archive import archive
from invbench.store.pack import pack
from tests.support.sr_cells import sr


@pytest.fixture
def elsewhere(tmp_path_factory):
    """A folder beside the results, which lie in ``tmp_path``."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture
def folder(results):
    """Packed cells, a page beside them, and what does not belong into an archive."""
    root = results(sr("b", [0, 1]), sr("a", [1, 1]))
    pack(root)
    (root / "paper").mkdir()
    (root / "paper" / "page.md").write_text("Σ\n")
    for name in ("half.tmp", "sr.jsonl.unreadable", ".hidden"):
        (root / name).write_text("no result")
    return root


def test_the_same_results_give_the_same_bytes_whatever_the_times_and_places(folder, elsewhere):
    first = archive(folder, elsewhere / "first.tar")
    for number, file in enumerate(sorted(folder.rglob("*"))):
        os.utime(file, (number, 10**9 + number))
    moved = folder.rename(elsewhere / "moved")
    second = archive(moved, elsewhere / "elsewhere" / "second.tar")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()
    (moved / "paper" / "page.md").write_text("σ\n")
    assert archive(moved, elsewhere / "third.tar").sha256 != first.sha256


def test_an_unpacked_archive_has_the_tables_and_its_sums_hold(folder, elsewhere):
    found = archive(folder, elsewhere / "r.tar")
    with tarfile.open(found.path) as tar:
        assert {(m.mtime, m.uid, m.gid, m.mode) for m in tar} == {(0, 0, 0, 0o644)}
        tar.extractall(elsewhere / "out", filter="data")
    out = elsewhere / "out" / "invbench-results"
    assert render(read_table("sr", out), "csv") == render(read_table("sr", folder), "csv")
    manifest = json.loads((out / "MANIFEST.json").read_text())
    assert [f["path"] for f in manifest["files"]] == ["paper/page.md", "sr.jsonl"]
    for file in manifest["files"]:
        data = (out / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest["cells"] == {"sr": 2} and manifest["schema"] == 2
    assert manifest["protocols"] == {"sr": [1]}
    check = ["sha256sum", "--quiet", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=out, check=False).returncode == 0
    (out / "paper" / "page.md").write_text("s\n")
    assert subprocess.run(check, cwd=out, check=False, capture_output=True).returncode == 1


def test_an_archive_holds_neither_itself_nor_the_manifest_of_another(folder, elsewhere):
    inside = archive(folder, folder / "r.tar")
    assert archive(folder, folder / "r.tar").sha256 == inside.sha256
    inside.path.unlink()
    (folder / "MANIFEST.json").write_text("{}")
    assert archive(folder, elsewhere / "r.tar").sha256 == inside.sha256


@pytest.mark.parametrize("name", ["r.tar.gz", "r.zip", "r"])
def test_a_name_of_another_kind_is_refused(folder, elsewhere, name):
    with pytest.raises(UsageError, match=r"name it r\.tar$"):
        archive(folder, elsewhere / name)
    assert not (elsewhere / name).exists()


def test_a_damaged_cell_stops_it_and_is_named(folder, elsewhere):
    with (folder / "sr.jsonl").open("a") as lines:
        lines.write("{\n")
    with pytest.raises(UsageError, match=r"sr\.jsonl:3.*invbench doctor"):
        archive(folder, elsewhere / "r.tar")
    assert not (elsewhere / "r.tar").exists()


def test_a_folder_without_cells_and_a_place_that_cannot_be_written(folder, elsewhere):
    (elsewhere / "empty").mkdir()
    with pytest.raises(UsageError, match="no cells to archive"):
        archive(elsewhere / "empty", elsewhere / "r.tar")
    (elsewhere / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot write"):
        archive(folder, elsewhere / "file" / "r.tar")


def test_the_option_packs_first_and_says_what_it_wrote(results, elsewhere, capsys):
    root, path = results(sr("a", [0, 1])), elsewhere / "r.tar"
    assert not app(
        ["pack", "--results", str(root), "--archive", str(path), "--json"], standalone_mode=False
    )
    said = json.loads(capsys.readouterr().out)
    assert said["taken"] == 1 and said["archive"]["files"] == 1
    assert said["archive"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
