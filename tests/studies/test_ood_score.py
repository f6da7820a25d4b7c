"""The study of the OOD score on made-up rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from invbench.studies.ood_score import page
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
