"""Cells, store, plan and engine: nothing is lost, nothing is computed twice, nothing vanishes."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

import invbench
from invbench.errors import HarnessError, UsageError
from invbench.files import write_atomically
from invbench.registry import FLOWS
from invbench.runner.measure import measure_cell
from invbench.runner.run import measurable, options_of, plan
from invbench.runner.run import run as run_bench
from invbench.runner.scheduler import run_cells
from invbench.store.cell import Cell, CellSpec, slug
from invbench.store.store import Store, Unreadable
from invbench.tracks.budget import BUDGETS
from invbench.tracks.track import Options
from tests.support.specs import spec_named

SPEC = spec_named("sr", "affine", "embedded/clean", settings={"samples": 10})
OPTIONS = options_of("smoke")

HOSTILE = """
import os
import torch
import invbench

class Base(invbench.Elementwise):
    n_params = 1
    def forward(self, x, params):
        return x + params[0], torch.zeros_like(x)
    def inverse(self, y, params):
        return y - params[0], torch.zeros_like(y)

@invbench.coupling("kills-its-process")
class Kills(Base):
    def forward(self, x, params):
        os._exit(7)

@invbench.coupling("raises")
class Raises(Base):
    def inverse(self, y, params):
        raise RuntimeError("discriminant is negative")

@invbench.coupling("honest")
class Honest(Base):
    pass
"""


def cell(spec: CellSpec = SPEC, **fields) -> Cell:
    return Cell(key=spec.key, spec=spec, **({"status": "ok"} | fields))


def test_non_finite_numbers_survive_and_the_file_is_strict_json(tmp_path):
    store = Store(tmp_path)
    path = store.write(cell(measures={"a": math.inf, "b": [-math.inf, math.nan, 1.5]}))

    def refuse(constant):
        raise AssertionError(constant)

    json.loads(path.read_text(), parse_constant=refuse)
    back = store.get(SPEC)
    assert back is not None
    assert float(back.measures["a"]) == math.inf
    low, nan, number = back.numbers("b")
    assert low == -math.inf
    assert math.isnan(nan)
    assert number == 1.5


@pytest.mark.parametrize(
    "change",
    [
        {"entry_digest": "other"},
        {"weights_digest": "w"},
        {"dataset": "BSD100"},
        {"corruption": "noise"},
        {"severity": 1},
        {"attack": "latent"},
        {"eps": 8},
        {"measure": "stretch"},
        {"precision": "float16"},
        {"corruption_digest": "other"},
        {"attack_digest": "other"},
        {"flow_digest": "other"},
        {"seed": 1},
        {"dtype": "float64"},
        {"device": "cuda"},
        {"batch_size": 2},
        {"protocol": 99},
        {"settings": {"samples": 11}},
    ],
)
def test_key_depends_on_everything_that_moves_a_number(change):
    assert SPEC.model_copy(update=change).key != SPEC.key


def test_key_does_not_depend_on_where_the_target_lies():
    assert SPEC.model_copy(update={"target": "/somewhere/my.py", "exclusive": True}).key == SPEC.key


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "<img src=x>", "a/b", "", ".", "x" * 300, "名前"]
)
def test_names_from_outside_stay_inside_the_folder(tmp_path, name):
    folder = slug(name)
    assert folder not in ("", ".", "..")
    assert (tmp_path / folder).resolve().parent == tmp_path.resolve()
    assert slug(name) != slug(name + "!")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"affine"', '"modified-rq"'),
        lambda text: "[" * 100_000,
        lambda text: text.replace('"ok"', '"great"'),
    ],
    ids=["half", "empty", "other entry", "deep", "unknown status"],
)
def test_damaged_file_is_reported_kept_and_measured_again(tmp_path, damage):
    store = Store(tmp_path)
    path = store.write(cell())
    path.write_text(damage(path.read_text()))
    cells, (found,) = store.load()
    assert cells == []
    assert isinstance(found, Unreadable)
    assert found.path == path
    assert store.get(SPEC) is None
    store.write(cell())
    assert store.get(SPEC) == cell()
    assert path.with_suffix(".json.unreadable").exists()


def test_a_cell_from_the_future_is_named_and_kept(tmp_path):
    path = Store(tmp_path).write(cell(schema_version=99))
    cells, damaged = Store(tmp_path).load()
    assert cells == [] and "written by a newer invbench (schema 99" in damaged[0].reason
    assert path.exists()


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "cell.json"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match="No space left on device; free space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_results_that_are_a_file_are_refused(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(HarnessError, match="not a folder"):
        Store(tmp_path / "results").load()


def test_plan_pairs_designs_on_the_same_cases_and_seeds():
    specs = plan(["sr", "toy2d", "coupling"], ["affine", "modified-rq"], OPTIONS)
    of = {
        name: {(s.track, s.case, s.seed) for s in specs if s.entry == name}
        for name in ("affine", "modified-rq")
    }
    assert of["affine"] == of["modified-rq"]
    cases = {"embedded/clean", "embedded/noise-3", "embedded/binarise-3"}
    searches = {"embedded/attack-latent", "embedded/clean#radius", "embedded/clean#stretch"}
    assert {s.case for s in specs if s.track == "sr"} == cases | searches | {"certificate"}
    more = plan(["sr"], ["affine"], replace(OPTIONS, budget=BUDGETS["default"]))
    assert "embedded/noise-3#stretch" in {s.case for s in more}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"corruptions": ("noise",)}, {"clean", "noise-3"}),
        ({"attacks": ("latent", "condition")}, {"clean", "attack-latent", "attack-condition-8"}),
        (
            {"corruptions": ("noise",), "attacks": ("image",)},
            {"clean", "noise-3", "attack-image-8"},
        ),
    ],
)
def test_what_is_named_leaves_out_the_other_kind(chosen, expected):
    specs = plan(["sr"], ["affine"], replace(OPTIONS, **chosen))
    assert {s.case.partition("/")[2] for s in specs if s.dataset and not s.measure} == expected


def test_attacks_with_a_radius_have_a_ladder_at_default():
    specs = plan(
        ["sr"],
        ["affine"],
        Options(BUDGETS["default"], attacks=("condition", "both", "image"), inputs=3),
    )
    found = {s.case.partition("-")[2]: s.settings for s in specs if "attack" in s.case}
    assert list(found) == [f"condition-{eps}" for eps in (2, 4, 8, 16)] + ["both-8", "image-8"]
    assert {(s["limit"], s["attack_steps"]) for s in found.values()} == {(3, 40)}


def test_the_critical_radius_can_be_asked_for_alone():
    specs = plan(["sr"], ["affine"], Options(BUDGETS["default"], attacks=("radius",)))
    assert [s.case for s in specs] == [
        "embedded/clean",
        "embedded/clean#stretch",
        "embedded/clean#radius",
        "certificate",
    ]
    assert [s.protocol for s in specs] == [1, 1, 2, 1]
    assert [s.settings.get("photographs") for s in specs] == [12, None, 12, None]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tracks": ["nope"]}, "track 'nope'"),
        ({"entries": ["afine"]}, "did you mean 'affine'"),
        ({"budget": "vast"}, "budget 'vast'"),
        ({"seeds": 0}, "seeds must be 1 or more"),
        ({"tracks": ["sr"], "datasets": ["nope"]}, "--data nope: data set 'nope' is not known"),
        ({"tracks": ["sr"], "corruptions": ["nois"]}, "did you mean 'noise'"),
        ({"dtype": "int8"}, "dtype 'int8'"),
        ({"severities": [6]}, "severities are 1 to 5"),
        ({"attacks": ["latnt"]}, "did you mean 'latent'"),
        ({"inputs": 0}, "inputs must be 1 or more"),
        ({"eps": [-1]}, "from 0 to 255"),
    ],
)
def test_wrong_usage_is_refused_before_anything_runs(tmp_path, arguments, text):
    with pytest.raises(UsageError, match=text):
        run_bench(**({"results": tmp_path / "results"} | arguments))
    assert not (tmp_path / "results").exists()


def test_missing_data_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        UsageError, match=r"--data BSD100: INVBENCH_DATA = .*nowhere: no such folder"
    ):
        run_bench(["sr"], datasets=["BSD100"], results=tmp_path)


def test_a_damaged_image_is_the_error_of_its_own_cell(monkeypatch, tmp_path):
    folder = tmp_path / "BSD100" / "HR"
    folder.mkdir(parents=True)
    (folder / "a.png").write_text("no image")
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    (spec,) = [
        s
        for s in plan(["sr"], ["affine"], options_of("smoke", datasets=("BSD100",)))
        if s.case == "BSD100/clean"
    ]
    found = measure_cell(spec, tmp_path / "results")
    assert found.status == "error"
    assert "a.png: not a readable image" in found.reason


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> tuple[Path, Path]:
    """A file of entries, and results in which each has been run on the slopes of the coupling
    track."""
    folder = tmp_path_factory.mktemp("hostile")
    file = folder / "entries.py"
    file.write_text(HOSTILE)
    cached, os.environ["INVBENCH_CACHE"] = os.environ.get("INVBENCH_CACHE"), str(folder / "cache")
    done: list[Cell] = []
    specs = [
        s
        for s in plan(["coupling"], [f"{file}:{name}" for name in ENTRIES], OPTIONS)
        if s.case == "slopes"
    ]
    run_cells(specs, 2, folder / "results", done.append)
    if cached is None:
        del os.environ["INVBENCH_CACHE"]
    assert len(done) == len(specs) == 3
    return file, folder / "results"


ENTRIES = ("kills-its-process", "raises", "honest")


def test_an_entry_that_kills_its_process_damages_its_own_row_only(hostile):
    cells, damaged = Store(hostile[1]).load()
    status = {c.spec.entry: (c.status, c.reason) for c in cells}
    assert damaged == []
    assert status["honest"] == ("ok", "")
    assert status["kills-its-process"][0] == "error"
    assert "worker process died" in status["kills-its-process"][1]
    assert status["raises"][0] == "error"
    assert "discriminant is negative" in status["raises"][1]
    assert "entries.py" in status["raises"][1]


def test_measured_cells_have_their_provenance(hostile):
    cells, _ = Store(hostile[1]).load()
    (honest,) = [c for c in cells if c.spec.entry == "honest"]
    assert honest.provenance["threads"] == 1
    assert honest.provenance["invbench"] == invbench.__version__
    assert honest.provenance["origin"].startswith("entries.py:")
    assert honest.measures["slope_lo"] == honest.measures["slope_hi"] == 1
    assert honest.measures["tail_slopes_equal"] is True
    assert honest.measures["displacement"] == pytest.approx(0, abs=1e-9)


def test_what_is_there_is_not_measured_again(hostile, monkeypatch):
    file, results = hostile
    specs = [s for s in plan(["coupling"], [f"{file}:honest"], OPTIONS) if s.case == "slopes"]
    monkeypatch.setattr("invbench.runner.run.plan", lambda *_: specs)
    monkeypatch.setattr("invbench.runner.run.open_engine", lambda *_: pytest.fail("ran"))
    outcome = run_bench(["coupling"], budget="smoke", results=results)
    assert (outcome.planned, outcome.finished, outcome.ran) == (1, 1, {})


def test_an_entry_without_weights_is_skipped_with_the_command_that_trains_it(tmp_path, cache):
    from invbench.targets import resolve
    from invbench.tracks import TRACKS

    file = tmp_path / "e.py"
    file.write_text(
        HOSTILE.replace("honest", "untrained")
        .replace("raises", "r2")
        .replace("kills-its-process", "k2")
    )
    target = resolve(f"{file}:untrained")
    spec = TRACKS["sr"].plan(target, OPTIONS)[0]
    measured = TRACKS["sr"].measure(spec, target)
    assert measured.status == "skipped"
    assert f"invbench train srflow --coupling {file}:untrained" in measured.reason


def test_without_the_reference_models_the_toy_has_the_same_designs_and_the_others_say_so():
    with_them = {spec.entry for spec in plan(["toy2d"], [], OPTIONS)}
    every = measurable()
    with FLOWS.restored():
        for name in ("srflow", "fs_ncsr", "llflow", "glow"):
            FLOWS.forget(name)
        assert measurable() == ["coupling", "toy2d"] != every
        assert {spec.entry for spec in plan(measurable(), [], OPTIONS)} >= with_them
        assert {spec.entry for spec in plan(["toy2d"], [], OPTIONS)} == with_them
        with pytest.raises(UsageError, match="pip install invbench-reference-models"):
            plan(["sr"], [], OPTIONS)
