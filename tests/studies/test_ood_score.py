"""The study of the OOD score on made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from invbench.studies.ood_score import page, readings
from invbench.studies.ood_score.association import predictors
from invbench.studies.ood_score.settings import CONTROLS, DATASETS, DESIGNS, SCORES
from invbench.studies.ood_score.verdict import verdict
from invbench.studies.reproduce import reproduce

NOTE = {
    "finished": "2026-01-01T00:00:00+00:00",
    "seconds": 60,
    "commit": "c" * 40,
    "seed": 0,
    "inputs": 240,
    "python": "3",
    "torch": "2",
    "numpy": "2",
    "scikit-learn": "1",
    "scipy": "1",
}


def made_up(sign):
    """240 inputs per design; each fails where its score, times ``sign``, is in the upper half."""
    rng, rows = np.random.default_rng(0), []
    for design in DESIGNS:
        for k in range(240):
            score = float(rng.uniform(1, 9))
            row = {"design": design, "dataset": DATASETS[k % 4], "photograph": f"p{k // 2}"}
            row |= {"family": "clean" if k % 3 else "noise", "severity": 0 if k % 3 else 3}
            row |= {"in_range": True, "error_pixels": 0.0}
            row |= dict.fromkeys((*SCORES, *CONTROLS), score)
            failed = int(sign * (score + rng.normal()) > sign * 5)
            rows.append(row | {"error": failed, "large": failed})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("sign", "said"), [(1, "C3 holds (flat, worst, mean)"), (-1, "not seen")])
def test_the_verdict_follows_the_side_of_one_half_that_the_intervals_lie_on(sign, said):
    table = made_up(sign)
    assert said in verdict(table, predictors(table), "affine")


@pytest.mark.slow(reason="14 s: the statistics of the whole page, twice")
def test_stored_rows_are_drawn_again_to_the_same_bytes_and_nothing_is_measured(study, monkeypatch):
    monkeypatch.setattr(page, "measured", lambda: pytest.fail("measured"))
    stored = study(ood_score__inputs=made_up(1))
    folder = stored.root / "ood_score"
    (folder / "provenance.json").write_text(json.dumps(NOTE))
    written = reproduce("ood_score", stored)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"README.md", "predictors.csv", "families.csv", "ranks.csv", "fig4a.svg"}
    assert "`invbench reproduce ood_score`" in written.text.read_text()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    reproduce("ood_score", stored)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_again_measures_anew(study, monkeypatch):
    stored = study(ood_score__inputs=made_up(1))
    (stored.root / "ood_score/provenance.json").write_text(json.dumps(NOTE))
    monkeypatch.setattr(page, "measured", lambda: (made_up(-1), NOTE))
    stored.again = True
    assert "not seen" in reproduce("ood_score", stored).text.read_text()


@pytest.fixture
def two_trainings(monkeypatch):
    """Of the first the score tells failures, of the second it is the other way round; ``asked`` are
    those that were measured."""
    asked = []

    def measured(design, given, training, advance, seed):
        asked.append((design, seed))
        table = made_up(1 - 2 * seed)
        return table[table.design == design]

    monkeypatch.setattr(
        readings,
        "trainings",
        lambda: [readings.Training("affine", seed, f"{seed}" * 16) for seed in (0, 1)],
    )
    monkeypatch.setattr(readings, "inputs", lambda crops, photographs: [])
    monkeypatch.setattr(readings, "training_patches", lambda seed: None)
    monkeypatch.setattr(readings, "measure", measured)
    return asked


def test_each_training_is_judged_under_each_reading_and_measured_once(study, two_trainings):
    folder = study()
    made = readings.make(folder)
    row = "| flat, second moment         | 1 / 0 / 1                       |"
    assert row in made.text
    found = made.tables["readings"]
    assert len(found) == 2 * len(SCORES) * 3 and set(found.seed) == {0, 1}
    clean = found[(found.inputs == "clean") & (found.reading == "flat")].set_index("seed")
    assert clean.loc[0].auc > 0.9 and clean.loc[1].auc < 0.1
    assert readings.make(folder).text == made.text
    assert two_trainings == [("affine", 0), ("affine", 1)]


def test_a_training_with_other_weights_is_measured_again(study, two_trainings, monkeypatch):
    folder = study()
    readings.make(folder)
    monkeypatch.setattr(readings, "trainings", lambda: [readings.Training("affine", 1, "f" * 16)])
    again = readings.make(folder).tables["readings"]
    assert two_trainings[2:] == [("affine", 1)] and set(again.weights) == {"f" * 16}


def test_where_too_few_inputs_fail_no_reading_is_asked():
    row = pd.Series({"n": 240, "failures": 9, "auc_lo": 0.9, "auc_hi": 0.99})
    assert readings.answer(row) is None
    assert readings.answer(row.replace(9, 10)) == "tells"
    assert readings.answer(row.replace(9, 239)) is None
