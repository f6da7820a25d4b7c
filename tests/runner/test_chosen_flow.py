"""``run --flow``: another reference flow, size or weights file of a track; and ``train --all``,
which trains what the results are of."""

from __future__ import annotations

import json

import pytest
import torch

from invbench.couplings import Affine
from invbench.report.rows import current_cells, make_rows
from invbench.runner.engines import EngineConfig
from invbench.runner.run import builtin_entries, options_of
from invbench.runner.run import run as run_bench
from invbench.store.cell import Cell
from invbench.store.store import Store
from invbench.targets import resolve
from invbench.training import loop as training
from invbench.training import published as wanted
from invbench.training.published import PUBLISHED, PublishedTraining
from invbench.training.toy2d import recipe as toy_recipe
from invbench.training.train_flow import recipes_of
from invbench.training.weights import load_flow, save_weights, weights_name
from invbench_models.fs_ncsr import fs_ncsr


@pytest.fixture
def file(tmp_path):
    """Weights of an untrained fs_ncsr mini with affine couplings."""
    path = tmp_path / "mine.safetensors"
    save_weights(fs_ncsr(Affine, "mini", 0), {}, path)
    return path


def run(tmp_path, **chosen):
    run_bench(
        ["sr"],
        ["affine"],
        options_of("smoke", corruptions=("noise",), **chosen),
        tmp_path / "results",
        EngineConfig(workers=1),
    )
    return [c for c in Store(tmp_path / "results").load()[0] if "#" not in c.spec.case]


@pytest.mark.slow(reason="23 s: a whole run on photographs; what a run refuses is asked below")
def test_weights_of_the_user_are_measured_in_rows_of_their_own(tmp_path, file, cache):
    theirs = run(tmp_path, flow="fs_ncsr", weights=file)
    assert {c.status for c in theirs} == {"ok"} and {c.spec.settings["flow"] for c in theirs} == {
        "fs_ncsr"
    }
    own = [
        c.model_copy(
            update={
                "spec": c.spec.model_copy(
                    update={"settings": {**c.spec.settings, "flow": "srflow"}}
                )
            }
        )
        for c in theirs
    ]
    shown, stale = current_cells(
        [*theirs, *(Cell(**{**c.model_dump(), "key": c.spec.key}) for c in own)]
    )
    assert not stale
    assert {row["case"] for row in make_rows(shown, "sr")} == {
        "embedded/clean",
        "embedded/noise-3",
        "embedded/clean [fs_ncsr]",
        "embedded/noise-3 [fs_ncsr]",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weights", "x.pth"), "of a flow: name it with --flow"),
        (("--flow", "fs_ncsr", "--track", "lowlight"), "--track sr"),
        (("--flow", "toy2d"), "belongs to one track"),
        (("--flow", "srfow"), "did you mean 'srflow'"),
        (("--flow", "srflow", "--size", "vast"), "sizes: mini, mini-8x, medium, paper"),
        (("--flow", "srflow", "--weights", "x.pth"), "name its coupling with one --entry"),
        (("--flow", "srflow", "--weights", "x.pth", "--entry", "affine"), "x.pth"),
    ],
)
def test_wrong_choices_of_a_flow_are_one_line_and_exit_2(
    invbench, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, out, error = invbench("run", *arguments)
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_weights_that_their_card_says_are_of_another_coupling_are_refused_though_they_would_fit(
    invbench, tmp_path
):
    file = tmp_path / "mine.safetensors"
    save_weights(
        fs_ncsr(Affine, "mini", 0), {"flow": "fs_ncsr", "coupling": "affine", "size": "mini"}, file
    )
    for entry, flow, message in (
        (
            "affine-floor",
            "fs_ncsr",
            "of coupling affine, as the card beside them says, not of coupling affine-floor",
        ),
        ("affine", "srflow", "of flow fs_ncsr, as the card beside them says, not of flow srflow"),
    ):
        code, _, error = invbench(
            "run", "--flow", flow, "--entry", entry, "--weights", file, "--dry-run"
        )
        assert (code, error.count("\n")) == (2, 1)
        assert message in error
    assert load_flow("fs_ncsr", "affine", weights=file).spec.noise_level


def test_weights_of_another_coupling_are_refused_before_anything_runs(invbench, tmp_path, file):
    arguments = (
        "--flow",
        "fs_ncsr",
        "--entry",
        "modified-rq",
        "--weights",
        file,
        "--results",
        tmp_path / "r",
    )
    code, _, error = invbench("run", *arguments)
    assert code == 2 and "are of another model" in error
    assert not (tmp_path / "r").exists()


def test_a_pickle_is_refused(invbench, tmp_path):
    torch.save({"a": Store(tmp_path)}, tmp_path / "x.pth")
    code, _, error = invbench(
        "run", "--flow", "srflow", "--entry", "affine", "--weights", tmp_path / "x.pth"
    )
    assert code == 2 and "x.pth" in error


def test_every_wanted_training_has_a_recipe_and_a_coupling():
    for one in PUBLISHED:
        resolve(one.coupling)
        assert one.size in recipes_of(resolve(one.flow, ("flow",))).RECIPES


def test_train_all_trains_what_is_missing_and_only_that(invbench, cache, monkeypatch):
    monkeypatch.setitem(
        toy_recipe.RECIPES,
        "mini",
        training.TrainingRecipe(data="drawn", iterations=50, batch=16, lr=1e-3),
    )
    monkeypatch.setattr(
        wanted,
        "PUBLISHED",
        (PublishedTraining("toy2d", "affine", 0), PublishedTraining("toy2d", "additive", 1)),
    )
    code, out, _ = invbench("train", "--all", "--json")
    assert code == 0 and [c["coupling"] for c in json.loads(out)] == ["affine", "additive"]
    assert (cache / "weights" / "toy2d" / weights_name("additive", "mini", 1)).is_file()
    assert invbench("train", "--all")[1] == "nothing is missing: all weights are there\n"


def test_variants_whose_weights_ship_are_entries():
    entries = builtin_entries("srflow")
    assert {"affine", "modified-rq"} <= set(entries)
    assert all(name in entries for name in wanted_and_shipped())


def wanted_and_shipped() -> list[str]:
    missing = wanted.missing()
    return [w.coupling for w in PUBLISHED if (w.flow, w.seed) == ("srflow", 0) and w not in missing]
