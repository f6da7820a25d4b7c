"""Published intervals are over photographs and over trainings: cases in which inputs, samples or
one training alone would say too much."""

from __future__ import annotations

import math

import pytest
from scipy.stats import t as student

from invbench.measures.statistics import clopper_pearson
from invbench.report.charts.curves import eps
from invbench.report.charts.evidence import Evidence, average
from invbench.report.charts.scatter import pareto
from invbench.studies.attacks import tables
from invbench.studies.hong2023.artefacts import ablations
from invbench.studies.hong2023.evidence import (
    ONE_TRAINING,
    TRAININGS,
    above,
    below,
    difference,
    mean,
    share,
)
from invbench.studies.hong2023.rules import RULES
from invbench.studies.hong2023.verdict import PARTS, make
from tests.support.made_study import cell, images

CROPS = [f"p{photograph}/{crop}" for photograph in range(6) for crop in range(5)]


def trained(entry, rows, measure="psnr", case="s/clean"):
    """A cell per training, of one value on twelve photographs."""
    made = [cell("sr", entry, case, [0] * 12, seed=seed) for seed in range(len(rows))]
    return [
        one.model_copy(update={"measures": one.measures | {measure: [row] * 12}})
        for one, row in zip(made, rows, strict=True)
    ]


def numbers(interval):
    """Both ends of "5.0 % [1.0, 9.0]"."""
    return map(float, interval.partition("[")[2].strip("]").split(", "))


class TestVerdict:
    def test_a_share_is_open_to_what_another_training_may_do(self):
        """All photographs agree, trainings do not: 12, 12 and 0 of 12 fail. Over photographs alone
        nothing is left open."""
        found = share(trained("x", (1, 1, 0), "error"), "error")
        assert (found.value, found.n, found.seeds, found.over) == (
            pytest.approx(200 / 3),
            36,
            3,
            TRAININGS,
        )
        assert found.lo < 5 and found.hi > 99

    def test_a_share_of_one_training_is_of_its_photographs_and_says_so(self):
        """All five crops of one of six photographs fail."""
        found = share(
            [cell("sr", "x", "s/clean", [0] * 30, [1] * 5 + [0] * 25, names=CROPS)], "error"
        )
        inputs = [100 * end for end in clopper_pearson(5, 30)]
        assert found.over == ONE_TRAINING and found.lo < inputs[0] and found.hi > inputs[1]
        assert share(
            [cell("sr", "x", "s/clean", [0] * 30, names=CROPS)], "error"
        ).hi == pytest.approx(100 * clopper_pearson(0, 6)[1])

    def test_a_mean_is_over_trainings_by_hand(self):
        found = mean(trained("x", (32.0, 31.0, 30.0)), "psnr")
        reach = student.ppf(0.975, 2) / math.sqrt(3)
        assert (found.value, found.lo, found.hi) == pytest.approx((31, 31 - reach, 31 + reach))
        assert (found.n, found.seeds, found.over) == (36, 3, TRAININGS)
        small = trained("x", (3.0, 2.0, 0.1))
        assert mean(small, "psnr").lo < 0 and mean(small, "psnr", least=0).lo == 0

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
        found = difference(
            trained("x", (1, 1, 0), "error"), trained("y", (0, 0, 0), "error"), "error", scale=100
        )
        assert (found.value, found.hi) == (pytest.approx(200 / 3), 100) and found.lo < 0

    def test_each_part_says_what_it_speaks_of(self, study):
        cells = [images("sr", d, 0, 5) for d in ("affine", "affine-floor", "modified-rq")]
        again = [one.spec.model_copy(update={"seed": 1}) for one in cells]
        cells += [
            c.model_copy(update={"spec": spec, "key": spec.key})
            for c, spec in zip(cells, again, strict=True)
        ]
        cells += [
            images("sr", "affine", 5, 5, "s/noise-3"),
            images("sr", "affine-floor", 0, 5, "s/noise-3"),
        ]
        over = {part.statement: part.over for part in RULES["C4"](study(*cells))}
        assert over["errors remain under †"] == TRAININGS
        assert over["† removes the Inf of affine on changed conditions"] == ONE_TRAINING
        text = make(study(*cells)).pictures[PARTS].decode()
        assert "| interval over " in text and f"| {TRAININGS} " in text

    def test_clean_photographs_are_those_that_every_training_saw(self, study):
        """Set14 was measured under one training, where all inputs fail."""
        cells = [images("sr", d, 0, 3) for d in ("affine", "affine-floor", "modified-rq")]
        again = [one.spec.model_copy(update={"seed": 1}) for one in cells]
        cells += [
            c.model_copy(update={"spec": spec, "key": spec.key})
            for c, spec in zip(cells, again, strict=True)
        ]
        cells += [
            images("sr", d, 0, 12, "Set14/clean") for d in ("affine", "affine-floor", "modified-rq")
        ]
        (remain,) = (
            p for p in RULES["C4"](study(*cells)) if p.statement == "errors remain under †"
        )
        assert remain.n == 24 and remain.found.startswith("25.0 %")


class TestCharts:
    @staticmethod
    def drawn(chart, *cells):
        drawing = chart(Evidence("sr", cells))
        assert drawing is not None
        return drawing.table[1:]

    @staticmethod
    def attacked(entry, eps, errors, seed=0, **measures):
        made = cell(
            "sr",
            entry,
            f"s/attack-both-{eps}",
            [0] * len(errors),
            errors,
            seed,
            CROPS[: len(errors)],
            **measures,
        )
        spec = made.spec.model_copy(update={"settings": {"eps_255": eps}})
        return made.model_copy(update={"spec": spec, "key": spec.key})

    def test_pareto_has_the_interval_of_photographs_over_all_conditions(self):
        """In each of four conditions all five crops of one of six photographs fail: 20 of 120
        inputs, six pieces of evidence."""
        cells = [cell("sr", "x", "s/clean", [0] * 30, names=CROPS, psnr=25.0)]
        failing = [1] * 5 + [0] * 25
        cells += [
            cell("sr", "x", f"s/noise-{k}", [0] * 30, failing, names=CROPS, psnr=20.0)
            for k in (1, 2, 3, 4)
        ]
        ((_, _, middle, interval, _),) = self.drawn(pareto, *cells)
        low, high = numbers(interval)
        inputs = [100 * end for end in clopper_pearson(20, 120)]
        assert middle == "16.7" and low < inputs[0] - 5 and high > inputs[1] + 20

    def test_pareto_is_open_to_what_another_training_may_do(self):
        cells = []
        for seed, fails in enumerate((1, 1, 0)):
            cells.append(cell("sr", "x", "s/clean", [0] * 12, seed=seed, psnr=25.0))
            cells.append(cell("sr", "x", "s/noise-1", [0] * 12, [fails] * 12, seed=seed, psnr=20.0))
        ((_, _, middle, interval, _),) = self.drawn(pareto, *cells)
        low, high = numbers(interval)
        assert middle == "66.7" and low < 5 and high > 99

    def test_success_of_attacks_is_over_photographs(self):
        failing = [1] * 5 + [0] * 25
        rows = self.drawn(eps, *(self.attacked("x", e, failing) for e in (2, 8)))
        assert len(rows) == 2
        for _, _, _, success, interval in rows:
            low, high = numbers(interval)
            inputs = [100 * end for end in clopper_pearson(5, 30)]
            assert success == "16.67" and low < inputs[0] and high > inputs[1]

    def test_rates_over_latents_are_averaged_over_photographs_and_trainings(self):
        """30 inputs of six photographs; a photograph has one rate. Of three trainings, by hand."""
        rates = [k / 10 for k in range(6) for _ in range(5)]
        one = cell("sr", "x", "s/attack-condition-8", [0] * 30, names=CROPS)
        one = one.model_copy(update={"measures": one.measures | {"rate": rates}})
        middle, low, high = average([one], "rate")
        reach = student.ppf(0.975, 5) * math.sqrt(35 / 10 / 6) * 10
        assert (middle, high) == pytest.approx((25, 25 + reach)) and low <= max(
            0, 25 - reach
        ) + 1e-9
        several = trained("x", (0.5, 0.4, 0.3), "rate")
        reach = 100 * student.ppf(0.975, 2) * 0.1 / math.sqrt(3)
        assert average(several, "rate") == pytest.approx((40, 40 - reach, 40 + reach))


class TestAblations:
    def test_ten_samples_of_a_photograph_are_one_piece_of_evidence_about_others(self):
        photographs = list("abcdef")
        assert (
            ablations.rate([0] * 6, [10] * 6, photographs)
            == f"0.0 % [0.0, {100 * clopper_pearson(0, 6)[1]:.1f}]"
        )
        low, high = numbers(ablations.rate([10, 2, 0, 0, 0, 0], [10] * 6, photographs))
        samples = [100 * end for end in clopper_pearson(12, 60)]
        assert low < samples[0] - 5 and high > samples[1] + 20

    def test_without_photographs_there_is_no_interval(self, study):
        made = images("sr", "affine", 3, 6)
        row = ablations.clamped(study(made)).iloc[0]
        assert (row["error, before"], row["error, after a clamp"]) == ("5.0 %", "2.5 %")


class TestAttackTables:
    def test_rates_and_shares_are_over_trainings_by_hand(self):
        """A training of which all latents of all inputs fail, one of which half do, and one of
        which none."""
        rates = trained("x", (1.0, 0.5, 0.0), "rate")
        reach = student.ppf(0.975, 2) * 0.5 / math.sqrt(3)
        assert (
            tables.mean_rate(rates, "rate")
            == f"0.5000 [{max(0, 0.5 - reach):.4f}, {min(1, 0.5 + reach):.4f}]"
        )
        assert (
            tables.mean_rate(trained("x", (0.4, 0.3, 0.2), "rate"), "rate")
            == "0.3000 [0.0516, 0.5484]"
        )
        low, high = numbers(tables.share(trained("x", (1, 1, 0), "F2"), "F2"))
        assert low < 5 and high > 99
