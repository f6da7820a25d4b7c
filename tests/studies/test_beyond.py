"""Beyond the paper, on made-up measurements: each statement can say yes and no."""

from __future__ import annotations

import pytest

from invbench.studies.hong2023 import beyond
from invbench.studies.hong2023.beyond_rules import BEYOND, BEYOND_RULES, CERTIFIED, CHEAP, GUARDED
from invbench.studies.hong2023.rulebook import CHANGES
from invbench.studies.hong2023.verdict import make
from tests.support.made_study import cell, images, of_flow
from tests.support.specs import under_todays_protocol

FLOW, DESIGN = CERTIFIED


def outcomes(study, key: str) -> dict[str, str]:
    """Statement of each rule → what its part says."""
    keys = {rule.statement: name for name, rule in BEYOND_RULES.items() if name.startswith(key)}
    return {keys[p.statement]: p.outcome for p in beyond.JUDGES[key](study)}


def certificate(track: str, entry: str, seed: int = 0, **measures):
    made = cell(track, entry, "", seed=seed)
    spec = under_todays_protocol(made.spec.at(dataset="", corruption="", measure="certificate"))
    return made.model_copy(update={"spec": spec, "key": spec.key, "measures": measures})


def found(track: str, entry: str, log10: float, case: str = "embedded/noise-3"):
    return images(track, entry, 0, 0, case, max_abs_log10=log10)


def test_every_rule_belongs_to_a_statement_is_dated_and_shows_its_thresholds():
    dates = [date for date, _ in CHANGES]
    for key, rule in BEYOND_RULES.items():
        assert key.partition(".")[0] in BEYOND and "{" not in rule.text
        assert rule.written in dates
        assert all(f"{threshold:g}" in rule.text for threshold in rule.thresholds), key
        assert "|" not in rule.statement + rule.text  # they stand in tables


def test_what_is_not_measured_is_not_testable_and_says_what_to_run(study):
    empty = study()
    for key in ("B2", "B3", "B5"):
        parts = beyond.JUDGES[key](empty)
        assert parts and {p.outcome for p in parts} == {"not testable"}
        assert all("invbench run" in p.found for p in parts)
    assert "# Beyond the paper" in make(empty).text


@pytest.mark.parametrize(("residual", "log10", "says"), [(18.0, 1.284, "yes"), (18.0, 1.285, "no")])
def test_what_was_found_is_held_against_the_certificate(study, residual, log10, says):
    cells = [
        of_flow(certificate("sr", DESIGN, max_residual=residual, max_abs=residual + 1.25), FLOW),
        of_flow(found("sr", DESIGN, log10), FLOW),
    ]
    assert outcomes(study(*cells), "B1")["B1.found"] == says


@pytest.mark.parametrize(("log10", "says"), [(1.38, "yes"), (1.42, "no")])
def test_conditions_out_of_range_have_a_larger_base_image(study, log10, says):
    cells = [
        of_flow(certificate("sr", DESIGN, max_residual=18.0, max_abs=19.25), FLOW),
        of_flow(found("sr", DESIGN, log10, "embedded/out-of-range-3"), FLOW),
    ]
    assert outcomes(study(*cells), "B1")["B1.found"] == says


@pytest.mark.parametrize(
    ("residuals", "finite", "twenty"),
    [((18.0, 19.5), "yes", "yes"), ((18.0, 20.5), "yes", "no"), ((18.0, "Infinity"), "no", "no")],
)
def test_every_training_counts_for_a_certificate(study, residuals, finite, twenty):
    cells = [
        of_flow(certificate("sr", DESIGN, seed, max_residual=value), FLOW)
        for seed, value in enumerate(residuals)
    ]
    said = outcomes(study(*cells), "B1")
    assert (said["B1.finite"], said["B1.bound"]) == (finite, twenty)


@pytest.mark.parametrize(("guard", "spline", "says"), [(0, 6, "yes"), (6, 0, "no")])
def test_the_guard_is_compared_with_the_spline_on_the_same_inputs(study, guard, spline, says):
    cells = [
        images("cures", entry, 0, failing, case)
        for entry, failing in ((GUARDED, guard), ("modified-rq", spline))
        for case in ("BSD100/clean", "Urban100/noise-3")
    ]
    said = outcomes(study(*cells), "B2")
    assert (said["B2.clean"], said["B2.changed"]) == (says, says)


@pytest.mark.parametrize(("bound", "says"), [(2.0, "yes"), (1.2, "no")])
def test_a_guard_holds_what_its_clamps_allow(study, bound, says):
    cells = [
        certificate("cures", GUARDED, max_abs=bound, max_residual=bound),
        found("cures", GUARDED, 0.2),
    ]
    assert outcomes(study(*cells), "B2")["B2.found"] == says


@pytest.mark.parametrize(("failing", "says"), [(0, "yes"), (8, "no")])
def test_a_cheap_cure_is_compared_with_the_guard(study, failing, says):
    cells = [
        images("cures", f"affine+{cure}", 0, failing, "embedded/noise-3") for cure in CHEAP
    ] + [images("cures", GUARDED, 0, 0, "embedded/noise-3")]
    said = outcomes(study(*cells), "B3")
    assert {said[f"B3.{cure}"] for cure in CHEAP} == {says}


@pytest.mark.parametrize(("ours", "says"), [(3.0, "yes"), (0.5, "no"), ("Infinity", "yes")])
def test_an_infinite_radius_counts_as_the_farthest_that_was_searched(study, ours, says):
    def radius(entry, value):
        made = cell("sr", entry, "embedded/clean", [0] * 12, radius_F2=[value] * 12)
        spec = under_todays_protocol(made.spec.at(measure="radius"))
        return made.model_copy(update={"spec": spec, "key": spec.key})

    cells = [of_flow(radius(DESIGN, ours), FLOW), of_flow(radius("modified-rq", 1.0), "srflow")]
    assert outcomes(study(*cells), "B5")["B5.radius"] == says
