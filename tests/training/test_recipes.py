"""The recipes of published sizes: their numbers, their photographs, their schedule, mixed
precision."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.errors import UsageError
from invbench.registry import FLOWS
from invbench.training import loop as training
from invbench.training.loop import SCHEDULES, TrainingRecipe, train
from invbench.training.train_flow import train_flow
from invbench.training.weights import load_flow
from invbench_models.fs_ncsr import recipe as fs_ncsr
from invbench_models.llflow import recipe as llflow
from invbench_models.srflow import recipe as srflow
from tests.support.data_folder import DataFolder

# the released options of the published models: batch, learning rate, iterations, patch
PUBLISHED = {
    ("srflow", "paper"): (12, 2.5e-4, 200_000, 160),
    ("srflow", "paper-8x"): (16, 5e-4, 200_000, 160),
    ("fs_ncsr", "paper"): (16, 2e-4, 220_000, 160),
    ("fs_ncsr", "paper-8x"): (16, 2e-4, 250_000, 160),
    ("llflow", "paper"): (16, 5e-4, 40_000, 160),
    ("llflow", "small"): (16, 5e-4, 45_000, 160),
}


@pytest.mark.parametrize(("flow", "size"), PUBLISHED)
def test_published_sizes_are_trained_as_published(flow, size):
    recipe = importlib.import_module(f"invbench_models.{flow}.recipe").RECIPES[size]
    assert (recipe.batch, recipe.lr, recipe.iterations, recipe.extra["patch"]) == PUBLISHED[
        flow, size
    ]
    assert recipe.extra["schedule"] == "halved"


@pytest.mark.parametrize("flow", ["srflow", "fs_ncsr", "llflow", "glow", "toy2d"])
def test_every_size_of_a_flow_has_a_recipe(flow):
    recipes = importlib.import_module(FLOWS[flow].metadata["recipe"]).RECIPES
    assert set(recipes) == set(FLOWS[flow].metadata["sizes"])


def test_the_noise_of_the_published_recipes_depends_on_the_scale():
    assert [
        fs_ncsr.RECIPES[size].extra["noise_level"] for size in ("mini", "paper", "paper-8x")
    ] == [0.05, 0.05, 0.03]


def test_the_halved_schedule_halves_at_50_75_90_and_95_percent():
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = SCHEDULES["halved"](optimiser, TrainingRecipe("none", 200, 1, 1.0))
    rates = []
    for _ in range(200):
        rates.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    assert [rates.index(2.0**-k) for k in range(5)] == [0, 100, 150, 180, 190]


def test_a_training_of_that_schedule_is_resumed_to_the_bit(tmp_path, tiny_flow, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    recipe = TrainingRecipe("drawn", 200, 8, 1e-2, extra={"schedule": "halved"})

    def batch(step):
        y = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        return 0.3 * y, y

    def interrupt(log):
        if log.step == 150:
            raise KeyboardInterrupt

    whole, resumed = tiny_flow(), tiny_flow()
    train(whole, batch, recipe)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_flow(), batch, recipe, tmp_path / "c.pt", interrupt)
    train(resumed, batch, recipe, tmp_path / "c.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True)
    )


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Three photographs of DIV2K, one of Flickr2K, plain, each of its own level; and one that is
    smaller than a patch."""
    folder = DataFolder(tmp_path)
    for name in (
        "DIV2K_train_HR/0001",
        "DIV2K_train_HR/0002",
        "DIV2K_train_HR/0003",
        "Flickr2K/Flickr2K_HR/000001",
    ):
        folder.put(f"{name}.png", 40, 56)
    folder.put("DIV2K_train_HR/0004.png", 24, 56)
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    small = TrainingRecipe(
        iterations=8,
        batch=16,
        **srflow.photographs("DIV2K_train + Flickr2K", 32, 4, "halved", pool=[2, 4]),
    )
    return small


def levels(batch):
    """The photographs that a batch is of."""
    return set((batch[1] * 255).round().unique().int().tolist())


def test_patches_of_published_recipes_come_from_a_pool_of_photographs_of_both_sets(photographs):
    draw = srflow.patches(photographs, 0)
    pools = [
        set().union(*(levels(draw(step)) for step in range(first, first + 4)))
        for first in (0, 4, 8, 12, 16, 20)
    ]
    assert all(len(pool) == 2 for pool in pools)
    assert set().union(*pools) == {1, 2, 3, 4}  # not 5, which is smaller than a patch
    x, y = draw(0)
    assert (x.shape, y.shape) == ((16, 3, 32, 32), (16, 3, 8, 8))


def test_a_pool_is_a_function_of_seed_and_step(photographs):
    one, again, other = (srflow.patches(photographs, seed) for seed in (0, 0, 1))
    again(9)
    assert all(torch.equal(a, b) for a, b in zip(one(2), again(2), strict=True))
    assert not torch.equal(one(2)[0], other(2)[0])


def test_photographs_that_are_all_too_small_are_refused(photographs):
    large = replace(photographs, extra=photographs.extra | {"patch": 64})
    with pytest.raises(
        UsageError, match=r"DIV2K_train \+ Flickr2K: no image is 64×64 pixels or larger"
    ):
        srflow.patches(large, 0)


@pytest.fixture
def dark_pairs(tmp_path, monkeypatch):
    """Two pairs of LOL, drawn, and recipes of one step of two patches for them."""
    rng = np.random.default_rng(0)
    for name in ("1", "2"):
        high = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        for kind, image in (("high", high), ("low", high // 10)):
            (tmp_path / f"LOL/our485/{kind}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / f"LOL/our485/{kind}/{name}.png")
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    for size in ("mini", "small"):
        recipe = llflow.RECIPES[size]
        tiny = replace(recipe, iterations=1, batch=2, extra=recipe.extra | {"patch": 16})
        monkeypatch.setitem(llflow.RECIPES, size, tiny)


def test_a_published_size_is_trained_stored_in_full_and_loaded(dark_pairs, cache):
    path = train_flow("llflow", "affine", "small")
    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["size"], card["stored"], card["found"]) == (
        "small",
        "float32",
        {"LOL our485": "2 of 485 images"},
    )
    assert card["parameters"] == pytest.approx(5.43e6, rel=1e-3)
    assert load_flow("llflow", "affine", "small").spec.width == 64


def test_mixed_precision_computes_otherwise_and_says_so_on_the_card(dark_pairs, cache, tmp_path):
    card = {}
    for mixed in (False, True):
        path = train_flow("llflow", "affine", "mini", out=tmp_path / str(mixed), mixed=mixed)
        card[mixed] = json.loads(path.with_suffix(".json").read_text())
    assert card[True]["recipe"]["extra"].pop("autocast") == "bfloat16"
    assert card[True]["recipe"] == card[False]["recipe"]
    assert card[True]["non_finite_steps"] == 0


def test_mixed_precision_changes_the_loss_by_rounding_only(tiny_flow):
    def batch(step):
        y = torch.randn(64, 2, generator=torch.Generator().manual_seed(step))
        return 0.3 * y, y

    recipe = TrainingRecipe("drawn", 50, 64)
    whole, half = (
        train(tiny_flow(), batch, replace(recipe, extra=extra))
        for extra in ({}, {"autocast": "bfloat16"})
    )
    assert half.final != whole.final
    assert half.final == pytest.approx(whole.final, abs=0.05)
