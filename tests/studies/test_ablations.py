"""The ablation of precisions is measured once for the weights that it is of."""

from __future__ import annotations

import pandas as pd
import torch

from invbench.data.datasets import sr_pairs
from invbench.studies.hong2023.artefacts import ablations
from invbench.studies.hong2023.samples import Input
from tests.support.made_study import images


def test_rows_of_the_same_weights_are_not_decoded_again(study, monkeypatch):
    (pair,) = sr_pairs("embedded", 64, 1, 1)
    given = Input("embedded/clean", pair, pair.low, 0, 2, 0.9)
    decoded = []

    def drawn(flow, one):
        decoded.append(flow)
        return torch.full((2, *pair.high.shape), 0.5), []

    folder = study(images("sr", "affine", 0, 1, "embedded/clean"))
    monkeypatch.setattr(ablations, "input_of", lambda cell, index: given)
    monkeypatch.setattr(ablations, "flow_of", lambda cell, design: design)
    monkeypatch.setattr(ablations, "drawn", drawn)
    monkeypatch.setattr(ablations, "_weights_of", lambda cell, design: f"weights of {design}")
    made = ablations.make(folder)
    assert len(decoded) == 6 * len(ablations.SHOWN) * len(ablations.PRECISIONS)
    path = folder.root / "paper" / "ablations_precision.csv"
    path.parent.mkdir()
    made.tables["ablations_precision"].to_csv(path, index=False)
    decoded.clear()
    again = ablations.make(folder)
    assert decoded == [] and again.text == made.text
    pd.testing.assert_frame_equal(
        again.tables["ablations_precision"].astype(str),
        made.tables["ablations_precision"].astype(str),
    )
    monkeypatch.setattr(ablations, "_weights_of", lambda cell, design: f"other {design}"[:12])
    ablations.make(folder)
    assert set(decoded) == set(ablations.SHOWN)
