"""The way of a contributor, as CONTRIBUTING.md tells it: one file, check, run, merge, table."""

from __future__ import annotations

import json

from invbench.store.store import Store
from tests.support.examples import TANH_AFFINE


def test_one_file_becomes_a_row_of_the_leaderboard(invbench, tmp_path):
    file = tmp_path / "theirs" / "my.py"
    file.parent.mkdir()
    file.write_text(TANH_AFFINE)

    code, out, _ = invbench("check", file, "--budget", "smoke", "--json")
    report = json.loads(out)
    assert code == 0 and report["sound"] is True

    own = tmp_path / "theirs" / "results"
    run = (
        "run",
        "--track",
        "coupling",
        "--entry",
        file,
        "--budget",
        "smoke",
        "--workers",
        "1",
        "--results",
        own,
        "--json",
    )
    code, out, error = invbench(*run)
    assert code == 0, error
    assert json.loads(out)["ran"] == {"ok": 3}
    assert json.loads(invbench(*run)[1])["ran"] == {}

    # on the other machine the file is not there
    ours = tmp_path / "ours"
    file.unlink()
    code, out, _ = invbench("merge", own, "--results", ours)
    assert (code, out) == (
        0,
        "3 cells taken, 0 there already, 0 conflicts, 0 of another protocol, 0 unreadable\n",
    )
    assert invbench("merge", own, "--results", ours)[1].startswith("0 cells taken, 3 there already")
    assert [c.key for c in Store(ours).load()[0]] == [c.key for c in Store(own).load()[0]]

    options = (
        "--track",
        "coupling",
        "--format",
        "json",
        "--results",
        ours,
        "--where",
        "entry=tanh-affine",
    )
    (row,) = json.loads(invbench("table", *options)[1])["rows"]
    assert (row["entry"], row["status"], row["sound"]) == ("tanh-affine", "ok:3", True)
    assert 7.3 < row["slope_hi"] < 7.4  # e²
