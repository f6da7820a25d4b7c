"""Published intervals are over photographs and over trainings: cases in which inputs, samples or one training alone would say too much."""

from __future__ import annotations

import math

import pytest
from scipy.stats import t as student

from invbench.measures.statistics import clopper_pearson
from invbench.paper.evidence import ONE_TRAINING, TRAININGS, above, below, difference, mean, share
from invbench.paper.rules import RULES
from invbench.paper.verdict import make

from .made_study import cell, images

CROPS = [f"p{photograph}/{crop}" for photograph in range(6) for crop in range(5)]


def trained(entry, rows, measure="psnr", case="s/clean"):
    """A cell per training, of one value on twelve photographs."""
    made = [cell("sr", entry, case, [0] * 12, seed=seed) for seed in range(len(rows))]
    return [
        one.model_copy(update={"measures": one.measures | {measure: [row] * 12}})
        for one, row in zip(made, rows, strict=True)
    ]


class TestVerdict:
    def test_a_share_is_open_to_what_another_training_may_do(self):
        """All photographs agree, trainings do not: 12, 12 and 0 of 12 fail. Over photographs alone nothing is left open."""
        found = share(trained("x", (1, 1, 0), "error"), "error")
        assert (found.value, found.n, found.seeds, found.over) == (pytest.approx(200 / 3), 36, 3, TRAININGS)
        assert found.lo < 5 and found.hi > 99

    def test_a_share_of_one_training_is_of_its_photographs_and_says_so(self):
        """All five crops of one of six photographs fail."""
        found = share([cell("sr", "x", "s/clean", [0] * 30, [1] * 5 + [0] * 25, names=CROPS)], "error")
        inputs = [100 * end for end in clopper_pearson(5, 30)]
        assert found.over == ONE_TRAINING and found.lo < inputs[0] and found.hi > inputs[1]
        assert share([cell("sr", "x", "s/clean", [0] * 30, names=CROPS)], "error").hi == pytest.approx(
            100 * clopper_pearson(0, 6)[1]
        )

    def test_a_mean_is_over_trainings_by_hand(self):
        found = mean(trained("x", (32.0, 31.0, 30.0)), "psnr")
        reach = student.ppf(0.975, 2) / math.sqrt(3)
        assert (found.value, found.lo, found.hi) == pytest.approx((31, 31 - reach, 31 + reach))
        assert (found.n, found.seeds, found.over) == (36, 3, TRAININGS)

    def test_a_difference_that_another_training_may_reverse_is_open(self):
        """Variances 1 and 0 of three trainings each: ½(⅓ + ⅓) with four degrees of freedom."""
        x, y = trained("x", (32.0, 31.0, 30.0)), trained("y", (30.0, 30.0, 30.0))
        found = difference(x, y, "psnr")
        reach = student.ppf(0.975, 4) * math.sqrt(1 / 3)
        assert (found.value, found.lo, found.hi) == pytest.approx((1, 1 - reach, 1 + reach))
        assert above(found, 0) == below(found, 0) == "open"
        once = difference(x[:1], y[:1], "psnr")
        assert (once.value, once.lo, once.hi, once.over) == (2, 2, 2, ONE_TRAINING)

    def test_a_difference_of_shares_stays_within_what_shares_can_differ_by(self):
        found = difference(trained("x", (1, 1, 0), "error"), trained("y", (0, 0, 0), "error"), "error", scale=100)
        assert (found.value, found.hi) == (pytest.approx(200 / 3), 100) and found.lo < 0

    def test_each_part_says_what_it_speaks_of(self, study):
        cells = [images("sr", d, 0, 5) for d in ("affine", "affine-floor", "modified-rq")]
        again = [one.spec.model_copy(update={"seed": 1}) for one in cells]
        cells += [c.model_copy(update={"spec": spec, "key": spec.key}) for c, spec in zip(cells, again, strict=True)]
        cells += [images("sr", "affine", 5, 5, "s/noise-3"), images("sr", "affine-floor", 0, 5, "s/noise-3")]
        over = {part.statement: part.over for part in RULES["C4"](study(*cells))}
        assert over["errors remain under †"] == TRAININGS
        assert over["† removes the Inf of affine on changed conditions"] == ONE_TRAINING
        text = make(study(*cells)).text
        assert "| interval over " in text and f"| {TRAININGS} " in text

    def test_clean_photographs_are_those_that_every_training_saw(self, study):
        """Set14 was measured under one training, where all inputs fail."""
        cells = [images("sr", d, 0, 3) for d in ("affine", "affine-floor", "modified-rq")]
        again = [one.spec.model_copy(update={"seed": 1}) for one in cells]
        cells += [c.model_copy(update={"spec": spec, "key": spec.key}) for c, spec in zip(cells, again, strict=True)]
        cells += [images("sr", d, 0, 12, "Set14/clean") for d in ("affine", "affine-floor", "modified-rq")]
        (remain,) = (p for p in RULES["C4"](study(*cells)) if p.statement == "errors remain under †")
        assert remain.n == 24 and remain.found.startswith("25.0 %")
