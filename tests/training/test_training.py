"""Training to the bit, checkpoints, and weights files: what is read back, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import invbench_models
from invbench.couplings import Affine
from invbench.errors import UsageError
from invbench.targets import resolve
from invbench.training import loop as training
from invbench.training.loop import TrainingRecipe, train
from invbench.training.toy2d import recipe as toy_recipe
from invbench.training.train_flow import train_flow
from invbench.training.weights import (
    LARGEST_SINGLE,
    find_weights,
    load_flow,
    load_weights,
    save_weights,
)
from invbench_models.srflow import srflow

RECIPE = TrainingRecipe(data="drawn", iterations=200, batch=8, lr=1e-2, extra={"a": [1, 2]})
FILES = sorted(
    file
    for folder in invbench_models.__path__
    for file in Path(folder).glob("*/weights/*.safetensors")
)
# WEIGHTS.CURE.safetensors is the file of a cure, beside its weights, whose names have no dot
CURES = [file for file in FILES if "." in file.stem]
SHIPPED = [file for file in FILES if file not in CURES]


class Interrupted(Exception):
    pass


class Batches:
    """step → (x, y), a function of the step alone; x is multiplied by ``spoil`` at the steps in
    ``bad``."""

    def __init__(self, bad=(), spoil=math.nan):
        self.asked, self.bad, self.spoil = [], bad, spoil

    def __call__(self, step):
        self.asked.append(step)
        generator = torch.Generator().manual_seed(step)
        y = torch.randn(8, 2, generator=generator)
        x = 0.3 * y + 0.1 * torch.randn(8, 2, generator=generator)
        return (x * self.spoil if step in self.bad else x), y


def interrupt_at(step):
    def progress(log):
        if log.step == step:
            raise Interrupted

    return progress


def same_state(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture
def checkpoint(tmp_path, monkeypatch, tiny_flow):
    """A checkpoint of step 50, left by a run of seed 0 that was interrupted at step 100."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(Interrupted):
        train(tiny_flow(), Batches(), RECIPE, path, interrupt_at(100))
    return path


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(checkpoint, tiny_flow):
    # seed 1: nothing may come from the fresh flow
    whole, resumed, batches = tiny_flow(), tiny_flow(seed=1), Batches()
    expected = train(whole, Batches(), RECIPE)
    log = train(resumed, batches, RECIPE, checkpoint)
    assert batches.asked == list(range(50, 200))
    assert same_state(resumed, whole)
    assert replace(log, seconds=0) == replace(expected, seconds=0)
    assert log.step == 200
    assert len(log.nll) == 4
    assert not resumed.training


def test_an_interruption_may_happen_twice(checkpoint, tiny_flow):
    whole, resumed = tiny_flow(), tiny_flow(seed=1)
    train(whole, Batches(), RECIPE)
    with pytest.raises(Interrupted):
        train(tiny_flow(seed=2), Batches(), RECIPE, checkpoint, interrupt_at(150))
    batches = Batches()
    train(resumed, batches, RECIPE, checkpoint)
    assert batches.asked[0] == 100
    assert same_state(resumed, whole)


def test_training_lowers_the_loss_and_its_log_is_the_mean_loss_per_dimension(tiny_flow):
    flow, losses = tiny_flow(), []
    log = train(flow, Batches(), RECIPE, progress=lambda log: losses.append(log.nll[-1]))
    assert log.nll == losses
    assert log.nll[-1] < log.nll[0] - 0.5
    x, y = Batches()(999)
    assert -flow.log_prob(x, y).mean().item() / 2 == pytest.approx(log.nll[-1], abs=0.5)


def test_the_first_batch_initialises_the_actnorms(tiny_flow):
    flow, batches = tiny_flow(), Batches()
    train(flow, batches, replace(RECIPE, iterations=1))
    assert batches.asked == [0, 0]
    assert all(bool(flow.layers[f"step{k}_actnorm"].initialised) for k in (1, 2))


# 1e18: the loss is finite, the gradient's norm is not
@pytest.mark.parametrize("spoil", [math.nan, math.inf, 1e18])
def test_non_finite_steps_are_counted_and_left_out_of_the_log(tiny_flow, spoil):
    flow = tiny_flow()
    log = train(flow, Batches({3, 7, 60}, spoil), replace(RECIPE, iterations=100))
    assert log.non_finite_steps == 3
    assert all(abs(value) < 10 for value in log.nll)
    assert all(parameter.isfinite().all() for parameter in flow.parameters())


@pytest.mark.parametrize("spoil", [math.nan, 1e18])
def test_a_non_finite_step_changes_no_parameter(tiny_flow, spoil):
    flow, states = tiny_flow(), []
    train(
        flow,
        Batches(range(50, 100), spoil),
        replace(RECIPE, iterations=100),
        progress=lambda log: states.append({k: v.clone() for k, v in flow.state_dict().items()}),
    )
    after_50, after_100 = states
    assert all(torch.equal(after_100[k], after_50[k]) for k in after_50)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"hello"],
    ids=["cut", "empty", "text"],
)
def test_a_damaged_checkpoint_is_refused_by_name(checkpoint, tiny_flow, damage):
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(
        UsageError, match=r"checkpoint .*checkpoint\.pt is unreadable .*; move it away"
    ):
        train(tiny_flow(), Batches(), RECIPE, checkpoint)


@pytest.mark.parametrize(
    "change",
    [{"iterations": 300}, {"lr": 1e-3}, {"data": "other"}, {"extra": {"a": [1, 3]}}],
    ids=str,
)
def test_a_checkpoint_of_another_recipe_is_refused(checkpoint, tiny_flow, change):
    with pytest.raises(UsageError, match=r"checkpoint .* belongs to another recipe; move it away"):
        train(tiny_flow(), Batches(), replace(RECIPE, **change), checkpoint)


@pytest.fixture
def saved(tmp_path, tiny_flow):
    """A flow with weights of seed 3 and the file that holds them."""
    flow, path = tiny_flow(seed=3), tmp_path / "folder" / "w.safetensors"
    save_weights(flow, {"coupling": "affine", "µ": [1, None]}, path)
    return flow, path


def test_weights_and_card_are_written_beside_each_other_and_read_back(saved, tiny_flow):
    flow, path = saved
    loaded = load_weights(tiny_flow(seed=4).train(), path)
    assert same_state(loaded, flow)
    assert not loaded.training
    assert json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) == {
        "coupling": "affine",
        "µ": [1, None],
        "stored": "float32",
    }
    assert sorted(file.name for file in path.parent.iterdir()) == ["w.json", "w.safetensors"]


def test_large_weights_are_stored_in_half_precision_unless_that_overflows(
    tmp_path, tiny_flow, monkeypatch
):
    monkeypatch.setitem(LARGEST_SINGLE, "mini", 1000)
    flow, path = tiny_flow(seed=3), tmp_path / "w.safetensors"

    def stored(size: str = "mini") -> str:
        save_weights(flow, {"size": size}, path)
        return json.loads(path.with_suffix(".json").read_text())["stored"]

    assert [stored("paper"), stored("mini-8x"), stored()] == ["float32", "float16", "float16"]
    loaded = load_weights(tiny_flow(seed=4), path)
    for name, value in flow.state_dict().items():
        assert loaded.state_dict()[name].dtype == value.dtype
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=2**-11, atol=2**-25)
    with torch.no_grad():
        next(flow.parameters()).view(-1)[0] = 1e6
    assert stored() == "float32"


def test_weights_as_large_as_the_model_needs_are_read_whatever_the_limit_for_others(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("invbench.training.weights.LARGEST_WEIGHTS", 1)
    save_weights(srflow(Affine, "mini", 3), {}, tmp_path / "w.safetensors")
    assert same_state(
        load_weights(srflow(Affine, "mini", 4), tmp_path / "w.safetensors"),
        srflow(Affine, "mini", 3),
    )


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_weights_are_refused_by_name(saved, tiny_flow, keep):
    _, path = saved
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"w\.safetensors are unreadable or cut off"):
        load_weights(tiny_flow(), path)


def test_a_pickle_is_no_weights_file(saved, tiny_flow):
    flow, path = saved
    torch.save(flow.state_dict(), path)
    with pytest.raises(UsageError, match="unreadable or cut off"):
        load_weights(tiny_flow(), path)


def test_weights_of_another_model_and_missing_ones_are_refused(saved, tiny_flow):
    _, path = saved
    with pytest.raises(UsageError, match=r"w\.safetensors are of another model: ") as caught:
        load_weights(tiny_flow("modified-rq"), path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    with pytest.raises(UsageError, match=r"none\.safetensors: no such file"):
        load_weights(tiny_flow(), path.with_name("none.safetensors"))


def test_missing_weights_are_answered_with_the_command_that_trains_them(cache):
    command = "invbench train toy2d --coupling modified-rq --size mini --seed 987654"
    with pytest.raises(UsageError, match=command):
        load_flow("toy2d", "modified-rq", "mini", seed=987654)
    with pytest.raises(UsageError, match="flow 'toy2d' has no size 'huge'; sizes: mini"):
        load_flow("toy2d", "affine", "huge")
    with pytest.raises(UsageError, match="flow 'toy3d' is not registered; did you mean 'toy2d'"):
        load_flow("toy3d", "affine")


def strict_json(path):
    """Parsed by the standard, which knows no NaN and no Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_a_reference_flow_is_trained_into_the_cache_and_loaded_from_it(cache, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setitem(
        toy_recipe.RECIPES, "mini", TrainingRecipe(data="a ring", iterations=50, batch=8)
    )
    seen = []
    path = train_flow(
        "toy2d",
        "additive",
        "mini",
        77,
        progress=lambda log, recipe: seen.append((log.step, recipe.iterations)),
    )
    assert path.parent == cache / "weights" / "toy2d"
    assert seen == [(50, 50)]
    assert [file for file in (cache / "checkpoints").rglob("*") if file.is_file()] == []
    assert find_weights("toy2d", resolve("additive"), "mini", 77) == path
    flow, card = (
        load_flow("toy2d", "additive", "mini", seed=77),
        strict_json(path.with_suffix(".json")),
    )
    assert card["parameters"] == sum(p.numel() for p in flow.parameters())
    assert (card["flow"], card["coupling"], card["size"], card["seed"]) == (
        "toy2d",
        "additive",
        "mini",
        77,
    )
    assert card["recipe"]["iterations"] == 50
    assert card["non_finite_steps"] == 0
    assert len(flow.layers) == 18


def test_weights_trained_with_another_source_of_the_coupling_are_not_found(cache, monkeypatch):
    monkeypatch.setitem(
        toy_recipe.RECIPES, "mini", TrainingRecipe(data="a ring", iterations=50, batch=8)
    )
    card_file = train_flow("toy2d", "additive", "mini", 78).with_suffix(".json")
    card_file.write_text(json.dumps(strict_json(card_file) | {"coupling_digest": "another"}))
    assert find_weights("toy2d", resolve("additive"), "mini", 78) is None


def test_the_card_of_a_training_without_a_finite_loss_is_still_json(cache, monkeypatch):
    monkeypatch.setitem(
        toy_recipe.RECIPES, "mini", TrainingRecipe(data="a ring", iterations=10, batch=8)
    )
    strict_json(train_flow("toy2d", "additive", "mini").with_suffix(".json"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: f"{file.parts[-3]}/{file.stem}")
def test_shipped_weights_load_and_are_what_their_card_says(cache, file):
    card = strict_json(file.with_suffix(".json"))
    flow = load_flow(card["flow"], card["coupling"], card["size"], seed=card["seed"])
    assert find_weights(card["flow"], resolve(card["coupling"]), card["size"], card["seed"]) == file
    assert card["parameters"] == sum(p.numel() for p in flow.parameters())
    assert all(parameter.isfinite().all() for parameter in flow.parameters())
