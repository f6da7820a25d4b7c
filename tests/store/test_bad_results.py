"""Results folders as they come: what cannot be read is named at the end, the rest is shown, and
only when nothing is left the exit code is 3."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from invbench.store.store import MAX_BYTES
from tests.support.specs import spec_named
from tests.support.sr_cells import sr


def edited(change):
    def damage(path):
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return damage


def copied(path):
    other = path.parent.parent / "affine-copy" / path.name
    other.parent.mkdir()
    shutil.copy(path, other)
    path.write_text(path.read_text()[:50])


def deep(path):
    path.write_text('{"provenance": ' + "[" * 100_000)


DAMAGE = {
    "cut off": (lambda path: path.write_text(path.read_text()[:200]), "EOF"),
    "empty": (lambda path: path.write_text(""), "EOF"),
    "no text": (lambda path: path.write_bytes(b"\xff\x00\xfe" * 50), "expected value"),
    "deep": (deep, "far more lists"),
    "copied elsewhere": (copied, "a copy: this cell belongs into sr/bad/"),
    "under another name": (
        lambda path: path.rename(path.with_name("0" * 24 + ".json")),
        "does not match its key",
    ),
    "newer schema": (edited(lambda d: d.update(schema_version=99)), "written by a newer invbench"),
    "unknown field": (edited(lambda d: d.update(from_the_future=1)), "from_the_future"),
    "NaN as an error": (
        edited(lambda d: d["measures"].update(error=["NaN"])),
        "measures.error: NaN",
    ),
    "NaN as a size": (
        edited(lambda d: d["measures"].update(max_abs_log10=["NaN"])),
        "max_abs_log10: NaN",
    ),
    "bare NaN": (
        lambda path: path.write_text(
            path.read_text()
            .replace("20.0", "NaN")
            .replace('"error": [\n   1', '"error": [\n   NaN')
        ),
        "error: nan",
    ),
    "two of one": (edited(lambda d: d["measures"].update(error=[2])), "neither 0 nor 1"),
    "fewer errors than inputs": (
        edited(lambda d: d["measures"].update(error=[])),
        "one each per input",
    ),
    "huge": (lambda path: path.write_text(path.read_text() + " " * MAX_BYTES), "larger than"),
    "endless entry name": (edited(lambda d: d["spec"].update(entry="x" * 10**4)), "at most 200"),
    "a dangling link": (lambda path: (path.unlink(), path.symlink_to("nowhere")), "No such file"),
    "no text in its name": (
        lambda path: path.rename(os.fsdecode(os.fsencode(path.parent) + b"/\xff.json")),
        "no text",
    ),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
}


def spoil(path, name):
    DAMAGE[name][0](path)
    return DAMAGE[name][1]


@pytest.mark.parametrize("name", list(DAMAGE))
def test_it_is_named_at_the_end_and_the_rest_is_shown(results, invbench, name):
    folder = results(sr("good", [0]), bad := sr("bad", [1]))
    said = spoil(folder / bad.spec.path, name)
    for style in ("md", "csv"):
        code, out, error = invbench(
            "table", "--track", "sr", "--format", style, "--results", folder
        )
        assert code == 0, error
        assert "good" in out and said.lower() in error.lower()
        shown = [line for line in out.splitlines() if "Unreadable" not in line]
        assert not any("bad" in line for line in shown)
    assert out == invbench("table", "--track", "sr", "--format", "csv", "--results", folder)[1]


@pytest.mark.parametrize("name", list(DAMAGE))
def test_when_nothing_can_be_read_the_exit_code_is_3(results, invbench, name):
    folder = results(bad := sr("bad", [1]))
    said = spoil(folder / bad.spec.path, name)
    for command in (("table",), ("table", "--track", "sr"), ("site", "-o", folder / "site")):
        code, out, error = invbench(*command, "--results", folder)
        assert (code, out) == (3, ""), command
        assert "could be read" in error and "invbench doctor" in error
    code, out, _ = invbench("doctor", "--results", folder)
    assert said.lower() in out.lower()


def test_a_track_without_readable_cells_does_not_hide_the_others(results, invbench):
    toy = spec_named("toy2d", "a", "in")
    folder = results(
        bad := sr("bad", [1]), sr("a", [0]).model_copy(update={"spec": toy, "key": toy.key})
    )
    spoil(folder / bad.spec.path, "cut off")
    code, out, error = invbench("table", "--results", folder)
    assert code == 0 and "| a " in out
    assert "none of the 1 files of track 'sr'" in error


def test_no_results_at_all_are_wrong_usage(tmp_path, invbench):
    assert invbench("table", "--results", tmp_path / "none")[0] == 2


def test_cells_that_are_all_of_another_protocol_say_so(results, invbench):
    spec = sr("a", [0]).spec.model_copy(update={"protocol": 99})
    folder = results(sr("a", [0]).model_copy(update={"spec": spec, "key": spec.key}))
    code, _, error = invbench("table", "--track", "sr", "--results", folder)
    assert code == 2 and "all 1 cells" in error and "stale" in error


def test_of_very_many_damaged_files_the_first_are_named(results, invbench):
    folder = results(sr("good", [0]))
    for k in range(50):
        (folder / "sr" / "good" / f"{k:024d}.json").write_text("{")
    _, out, error = invbench("table", "--track", "sr", "--results", folder)
    assert (
        error.count("Unreadable:") == 21
        and "30 more files" in error
        and out.count("Unreadable:") == 21
    )


def test_a_read_only_folder_is_shown(results, invbench):
    folder = results(sr("good", [0]))
    places = (folder / "sr" / "good", folder / "sr", folder)
    for path in places:
        path.chmod(0o555)
    code, out, error = invbench("table", "--track", "sr", "--results", folder)
    for path in reversed(places):
        path.chmod(0o755)
    assert (code, error) == (0, "") and "good" in out


def test_reasons_and_names_in_notes_are_no_markup(results, invbench):
    folder = results(sr("good", [0]))
    (folder / "sr" / "good" / "<img src=x>.json").write_text("{")
    for style in ("md", "html"):
        assert (
            "<img"
            not in invbench("table", "--track", "sr", "--format", style, "--results", folder)[1]
        )
