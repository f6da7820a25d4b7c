"""A track from outside: one file and an entry point, and every verb knows it."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.support.warm_python import run_module

TRACK = '''
"""Track ``halves``: does a coupling give back what it was given at x = 1/2?"""

import torch

from invbench.store.cell import CellSpec, Measured
from invbench.tracks import Track, register
from invbench.tracks.columns import Meaning
from invbench.tracks.row import common, largest
from invbench.tracks.track import Page


def plan(target, options):
    return [
        CellSpec(
            track="halves",
            entry=target.name,
            entry_digest=target.digest,
            corruption="half",
            severity=severity,
            target=target.spec,
        )
        for severity in (1, 2)
    ]


def measure(spec, target):
    coupling = target.make()
    x = torch.full((4, 3), 0.5) * spec.severity
    y, _ = coupling(x, torch.zeros(coupling.n_params, *x.shape))
    back, _ = coupling.inverse(y, torch.zeros(coupling.n_params, *x.shape))
    off = (back - x).abs().amax(1).tolist()
    failed = [int(v > 1e-3) for v in off]
    return Measured({"inf": [0] * 4, "error": failed, "max_abs_log10": [0.0] * 4, "off": off})


def row(entry, case, cells):
    return common(entry, case, cells) | {"off": largest(cells, "off")}


register(
    Track(
        "halves",
        plan,
        measure,
        "a track of a stranger",
        columns=("off",),
        screen=("entry", "case", "n", "error_pct", "off"),
        digits={"off": 7},
        meanings=(Meaning("off", "Off by", "magnitude", "How far x is off.", "", "", ""),),
        row=row,
        notes=("Nothing is trained.",),
        page=Page("halves", charts=("severity",)),
    )
)
'''


@pytest.fixture
def outside(tmp_path):
    """A distribution beside invbench, as pip would install it; runs ``invbench WORDS``."""
    site = tmp_path / "site"
    info = site / "halves-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "halves_track.py").write_text(TRACK)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[invbench.tracks]\nhalves = halves_track\n")
    path = os.pathsep.join([str(site), *filter(None, sys.path)])

    def run(*words):
        environment = {"PYTHONPATH": path, "INVBENCH_CACHE": str(tmp_path / "cache")}
        done = run_module(tmp_path, "invbench", *words, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow(reason="26 s: eight processes, one of which measures and one draws the page")
def test_one_file_and_an_entry_point_make_a_track(outside, tmp_path):
    assert "halves" in outside("list", "tracks")
    done = json.loads(
        outside("run", "--track", "halves", "--entry", "affine", "--entry", "additive", "--json")
    )
    assert done["ran"] == {"ok": 4}
    document = json.loads(outside("table", "--track", "halves", "--format", "json"))
    assert {(r["entry"], r["case"]) for r in document["rows"]} == {
        (entry, case) for entry in ("affine", "additive") for case in ("half-1", "half-2")
    }
    assert all(r["error_pct"] == 0.0 and r["off"] < 1e-3 for r in document["rows"])
    assert "Nothing is trained." in document["notes"]
    assert "How far x is off." in outside("explain", "off")
    outside("pack", "--results", "results")
    assert (tmp_path / "results" / "halves.jsonl").is_file()
    assert json.loads(outside("table", "--track", "halves", "--format", "json")) == document
    outside("site", "--results", "results", "-o", "page")
    assert "halves" in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
