"""The certificate of a flow: a cell of its own, a column of every row, and a law over what is
stored."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from invbench.report.rows import current_cells, make_rows, other_model
from invbench.runner.run import options_of, plan
from invbench.store.store import Store
from invbench.tracks.kinds import CERTIFICATE
from invbench.tracks.measuring.certificates import certificates_of, measure_certificate
from invbench.tracks.row import single
from tests.support.bounded_flows import Pushed, PushedSplit, tiny
from tests.support.sr_cells import sr

RESULTS = Path(__file__).resolve().parents[2] / "results"
# the largest |base| of a condition: bicubic overshoots [0, 1]; out-of-range pixels reach 3
BASE = {"out-of-range": 6.0}
OVERSHOOT = 1.6


def proof(entry: str, max_abs: float, seed: int = 0):
    return sr(entry, [], CERTIFICATE, seed=seed, max_abs=max_abs, max_residual=max_abs)


def certified(*cells):
    return {row["entry"]: row["max_abs_certified"] for row in make_rows(cells, "sr")}


def broken(cells) -> list[str]:
    """What exceeds its certificate: a search more than of |z| ≤ 4τ, a draw more than of 8τ."""
    proofs = {
        (c.spec.track, c.spec.entry, c.spec.seed, other_model(c)): c
        for c in cells
        if c.spec.measure == CERTIFICATE
    }
    found = []
    for cell in cells:
        key = cell.spec.track, cell.spec.entry, cell.spec.seed, other_model(cell)
        reached = max(cell.numbers("max_abs_log10"), default=-math.inf)
        if key not in proofs or cell.spec.precision:
            continue
        (bound,) = single(
            proofs[key], "max_residual" if cell.spec.attack else "max_residual_drawn"
        ) or [math.inf]
        if reached > math.log10(bound + BASE.get(cell.spec.corruption, OVERSHOOT)):
            found.append(f"{cell.spec.entry} {cell.spec.case}: 10^{reached:.2f} > {bound:.4g}")
    return found


def test_one_certificate_of_each_training_whatever_it_is_fed_with():
    specs = [
        s
        for s in plan(["sr"], ["affine"], options_of(budget="smoke", seeds=3))
        if s.measure == CERTIFICATE
    ]
    assert [(s.seed, s.case, s.dataset) for s in specs] == [
        (k, "certificate", "") for k in range(3)
    ]
    assert all(s.settings["temperature"] == 0.9 for s in specs)
    assert [s.settings for s in certificates_of(specs)] == [s.settings for s in specs]


def test_a_bounded_flow_is_certified():
    (spec,) = (
        s for s in plan(["sr"], ["affine"], options_of(budget="smoke")) if s.case == CERTIFICATE
    )
    found = measure_certificate(spec, tiny(Pushed, PushedSplit)).measures
    assert 0 < found["max_residual"] < found["max_residual_drawn"] < math.inf
    assert not found["reason"] and "float16" in found["dtypes"]


def test_a_row_has_the_largest_certificate_of_its_trainings():
    cells = [sr("a", [0, 1], seed=k) for k in (0, 1)] + [sr("b", [0, 0])]
    cells += [proof("a", 10.0), proof("a", 1000.0, seed=1), proof("b", math.inf)]
    assert certified(*cells) == {"a": 3.0, "b": math.inf}
    rows = make_rows(cells, "sr")
    assert {row["case"] for row in rows} == {"embedded/clean"}


def test_a_row_whose_trainings_are_not_all_certified_has_none():
    cells = [sr("a", [0, 1], seed=k) for k in (0, 1)] + [proof("a", 10.0)]
    assert certified(*cells) == {"a": None}


def test_nothing_that_is_stored_exceeds_its_certificate():
    cells, _ = Store(RESULTS).load()
    shown, _ = current_cells(cells)
    judged = [c for c in shown if c.spec.track in ("sr", "lowlight", "toy2d")]
    assert broken(judged) == []
    assert any(
        math.isfinite(value)
        for c in judged
        if c.spec.measure == CERTIFICATE
        for value in single(c, "max_residual")
    )


@pytest.mark.parametrize(
    ("case", "log10", "kept"),
    [
        ("embedded/clean", 1.0, True),
        ("embedded/attack-latent", 1.0, False),
        ("embedded/clean", 2, False),
    ],
)
def test_the_law_over_what_is_stored_can_fail(case, log10, kept):
    """Certified 5 for searches, 20 for draws."""
    known = sr("a", [], CERTIFICATE, max_residual=5.0, max_residual_drawn=20.0)
    assert (broken([sr("a", [0], case, log10=log10), known]) == []) == kept
