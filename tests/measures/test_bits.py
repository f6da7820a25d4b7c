"""Bits per dimension against densities in closed form, and what cards, tables and trainings say."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.measures.bits import (
    EIGHT_BIT,
    LLFLOW,
    bits_per_dimension,
    convention,
    dequantisation_of,
)
from invbench.training.loop import TrainingLog, TrainingRecipe
from invbench.training.train_flow import likelihood, loss_text
from invbench.training.weights import shipped_cards
from invbench_models.llflow import recipe as llflow
from invbench_models.srflow import recipe as srflow


def mean_nats(log_density, dequantisation, chances):
    """−E log q(x̃) over levels v with these chances and the midpoints of 1 000 parts of the
    noise."""
    noise = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    levels = torch.arange(len(chances), dtype=torch.float64)[:, None] / 255
    return -(chances[:, None] * log_density(dequantisation.of(levels, noise)) / 1000).sum().item()


def histogram(chances, x):
    """log q of the density that is exact for dequantised levels with these chances: 256·P(v) on the
    cell of v."""
    return torch.log(256 * chances)[(x * 256).floor().long().clamp(0, 255)]


def test_uniform_levels_have_eight_bits_and_one_level_has_none():
    uniform = torch.full((256,), 1 / 256, dtype=torch.float64)
    nats = mean_nats(lambda x: torch.zeros_like(x), EIGHT_BIT, uniform)  # U(0, 1): the density is 1
    assert bits_per_dimension(nats, 1, EIGHT_BIT.width) == pytest.approx(8, abs=1e-12)
    certain = torch.ones(1, dtype=torch.float64)
    nats = mean_nats(lambda x: torch.full_like(x, math.log(256)), EIGHT_BIT, certain)
    assert bits_per_dimension(nats, 1, EIGHT_BIT.width) == pytest.approx(0, abs=1e-12)


def test_an_exact_density_has_the_entropy_of_the_levels_and_any_other_has_more():
    chances = torch.zeros(256, dtype=torch.float64)
    # 1.75 bits
    chances[[0, 9, 100, 255]] = torch.tensor([0.5, 0.25, 0.125, 0.125], dtype=torch.float64)
    nats = mean_nats(lambda x: histogram(chances.clamp(min=1e-30), x), EIGHT_BIT, chances)
    assert bits_per_dimension(nats, 1, EIGHT_BIT.width) == pytest.approx(1.75, abs=1e-12)
    other = torch.full((256,), 1 / 256, dtype=torch.float64)
    worse = mean_nats(lambda x: histogram(other, x), EIGHT_BIT, chances)
    assert bits_per_dimension(worse, 1, EIGHT_BIT.width) > 1.75


def test_a_perfect_model_of_a_constant_image_under_the_released_noise_scores_0_and_not_3():
    nats = mean_nats(
        lambda x: torch.full_like(x, math.log(32)), LLFLOW, torch.ones(1, dtype=torch.float64)
    )
    assert bits_per_dimension(nats, 1, LLFLOW.width) == pytest.approx(0, abs=1e-12)
    assert bits_per_dimension(nats, 1, EIGHT_BIT.width) == pytest.approx(3, abs=1e-12)


def test_under_overlapping_noise_an_exact_density_has_the_information_about_the_level():
    """Two levels as likely, whose noise overlaps by the share o = 1 − 32/255 of its width: I = 1 −
    o, one bit where they can be told apart."""
    chances = torch.tensor([0.5, 0.5], dtype=torch.float64)

    def log_density(x):
        on = sum(((x - v / 255).abs() <= 1 / 64).double() for v in (0, 1))
        return torch.log(32 * on / 2)

    bits = bits_per_dimension(mean_nats(log_density, LLFLOW, chances), 1, LLFLOW.width)
    assert bits == pytest.approx(32 / 255, abs=2e-3)


def test_nats_are_of_the_whole_event():
    assert bits_per_dimension(12 * math.log(2), 6, 1 / 256) == pytest.approx(2 + 8)
    with pytest.raises(ValueError, match="dimensions=0"):
        bits_per_dimension(1.0, 0, 1 / 256)


def test_recipes_dequantise_as_their_words_say():
    assert dequantisation_of(srflow.RECIPES["mini"].extra) is EIGHT_BIT and EIGHT_BIT.tiles
    assert dequantisation_of(llflow.RECIPES["mini"].extra) is LLFLOW and not LLFLOW.tiles
    v, u = torch.tensor([0.0, 128.0, 255.0]), torch.tensor([0.25, 0.5, 0.75])
    assert torch.equal(
        EIGHT_BIT.of(v / 255, u), (v / 255 * 255 + u) / 256
    )  # to the bit as the shipped flows were trained
    assert torch.equal(LLFLOW.of(v / 255, u), v / 255 + (u - 0.5) / 32)
    with pytest.raises(ValueError, match="'x/255' is not known"):
        dequantisation_of({"dequantisation": "x/255"})


@pytest.mark.parametrize(("known", "bits"), [(EIGHT_BIT, 8.0), (LLFLOW, 5.0)])
def test_what_a_training_says_is_the_one_function_of_its_loss(known, bits):
    log, recipe = (
        TrainingLog(nll=[math.log(2), 0.0]),
        TrainingRecipe("drawn", 100, 1, extra={"dequantisation": known.text}),
    )
    card = likelihood(log, recipe)
    assert (
        card["bits_per_dimension_every_50_steps"] == [bits + 1, bits]
        and card["final_bits_per_dimension"] == bits + 0.5
    )
    assert (
        card["bits_convention"] == convention(recipe.extra)
        and known.text in card["bits_convention"]
    )
    assert loss_text(log, recipe) == f"{bits:.3f} bits per dimension"


def test_a_training_on_data_without_levels_says_nats():
    log, recipe = TrainingLog(nll=[1.0, math.nan]), TrainingRecipe("a ring", 100, 1)
    assert likelihood(log, recipe) == {
        "final_nats_per_dimension": None,
        "nats_per_dimension_every_50_steps": [1.0, None],
    }
    assert loss_text(TrainingLog(nll=[1.0]), recipe) == "1.000 nats per dimension"


def test_every_shipped_card_states_its_convention_and_bits_by_it():
    for card in shipped_cards():
        assert card["bits_convention"] == convention(card["recipe"]["extra"])
        tail = [b for b in card["bits_per_dimension_every_50_steps"][-4:] if b is not None]
        assert card["final_bits_per_dimension"] == pytest.approx(sum(tail) / len(tail), abs=2e-4)
    low_light = [c["final_bits_per_dimension"] for c in shipped_cards() if c["flow"] == "llflow"]
    assert low_light and max(low_light) < 1.1  # 3.98 to 4.01 when 8 was added
