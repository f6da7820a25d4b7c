"""The bounds that ``check`` reports, and those of the coupling track: lower never above upper, each
with its tier."""

import math

import pytest
import torch

from invbench.couplings import Additive, Affine, ModifiedRQ
from invbench.laws import check, subject_of
from invbench.laws.cases.recipe import InputRecipe
from invbench.laws.judging.sensitivity import (
    bounds_line,
    elementwise_kappa,
    sensitivity,
    steepest_inverse,
)
from invbench.registry import COUPLINGS, LAYERS
from invbench.store.cell import CellSpec
from invbench.targets import resolve
from invbench.tracks.measuring import coupling as track
from tests.support.faults import target_of


def of(name):
    return sensitivity(subject_of(resolve(name, ("coupling", "layer")), torch.float32))


# their two parts are joined again by a layer of the test's own kind, which no rule knows
WITHOUT_A_RULE = ("bounded-split", "design-split")


@pytest.mark.parametrize("name", WITHOUT_A_RULE)
def test_a_layer_without_a_rule_has_a_lower_bound_alone_and_says_why(name):
    found = of(name)
    assert found["inv_lipschitz_lower"] > 0 and found["inv_lipschitz_upper"] is None
    assert "no rule for a layer of type Rejoined" in found["sensitivity_reason"]


@pytest.mark.parametrize("name", [n for n in (*COUPLINGS, *LAYERS) if n not in WITHOUT_A_RULE])
def test_every_registered_subject_has_a_lower_bound_below_its_upper_one(name):
    found = of(name)
    assert "sensitivity_reason" not in found
    assert 0 < found["inv_lipschitz_lower"] <= found["inv_lipschitz_upper"] * (1 + 1e-9)
    assert found["inv_lipschitz_lower_tier"] == found["kappa_lower_tier"] == "L0"
    assert found["inv_lipschitz_upper_tier"] in ("exact", "U1", "U2")


def test_bounds_of_linear_subjects_meet():
    for name in ("additive", "affine", "actnorm", "conv1x1", "squeeze"):
        found = of(name)
        assert found["inv_lipschitz_upper"] == pytest.approx(found["inv_lipschitz_lower"], rel=1e-6)


def test_affine_reaches_the_reciprocal_of_its_least_scale_at_saturated_parameters():
    least = torch.sigmoid(torch.tensor(-6.0, dtype=torch.float64)).item() + 1e-4
    assert of("affine")["inv_lipschitz_lower"] == pytest.approx(1 / least, rel=1e-9)


def test_kappa_of_elements_by_hand():
    x = torch.tensor([1.0, 2.0, 1e-9])
    assert elementwise_kappa(x, torch.tensor([3.0, 1.0, 1e9]), torch.tensor([0.5, 2.0, 1.0])) == 6
    assert elementwise_kappa(x, torch.tensor([math.nan, 1.0, 1.0]), torch.ones(3)) == math.inf


def test_design_without_declarations_has_no_upper_bound_and_is_named():
    class Silent(Additive):
        slope_range = None
        slope_bounds = None

    found = sensitivity(subject_of(target_of(Silent), torch.float32))
    assert found["inv_lipschitz_upper"] is None and found["inv_lipschitz_upper_tier"] == "none"
    assert "neither slope_bounds nor slope_range" in found["sensitivity_reason"]
    assert "inv_lipschitz_upper not available" in bounds_line(found)


def test_design_with_a_declared_range_alone_is_of_tier_u1():
    class Declared(Affine):
        slope_bounds = None

    found = sensitivity(subject_of(target_of(Declared), torch.float32))
    assert (found["inv_lipschitz_upper"], found["inv_lipschitz_upper_tier"]) == (
        pytest.approx(1e4),
        "U1",
    )


def test_declaration_that_a_measurement_contradicts_is_no_bound():
    class Boasts(Affine):
        def slope_bounds(self, params):
            low, high = super().slope_bounds(params)
            return 2 * low, high

    subject = subject_of(target_of(Boasts), torch.float32)
    found = sensitivity(subject)
    assert found["inv_lipschitz_upper"] is None and "was measured" in found["sensitivity_reason"]
    upper, tier = steepest_inverse(subject, [torch.zeros(1, 2, 6, dtype=torch.float64)])
    assert tier == "U2" and upper == pytest.approx(
        1 / (2 * (torch.sigmoid(torch.tensor(2.0)).item() + 1e-4))
    )


def test_subject_that_raises_has_no_bounds_and_the_check_goes_on():
    class Raises(ModifiedRQ):
        def forward(self, x, params):
            raise AssertionError("discriminant is negative")

    report = check(target_of(Raises), budget="smoke")
    assert not report.sound and report.measures["inv_lipschitz_lower"] is None
    assert "discriminant is negative" in report.measures["sensitivity_reason"]


def test_check_reports_the_bounds_only_when_all_laws_are_asked_for():
    measures = check("actnorm", budget="smoke").measures
    assert measures["inv_lipschitz_upper_tier"] == "exact"
    assert bounds_line(measures).startswith(
        f"inv_lipschitz_lower {measures['inv_lipschitz_lower']:.4g} (L0), "
    )
    assert bounds_line(check("additive", budget="smoke", properties=["shape"]).measures) == ""


def slopes(name, target):
    return track._slopes(
        CellSpec(track="coupling", entry=name, entry_digest="", measure="slopes"), target
    ).measures


@pytest.fixture
def few_rows(monkeypatch):
    some = [
        r
        for r in track.CORPUS
        if (r.pattern, r.cond_pattern) in (("box", "saturated"), ("normal", "saturated"))
    ]
    monkeypatch.setattr(
        track, "CORPUS", tuple(InputRecipe(**{**r.as_dict(), "rows": 8}) for r in some)
    )


@pytest.mark.parametrize("name", list(COUPLINGS))
def test_cell_of_every_design_has_bounds_in_order_with_their_tiers(name, few_rows):
    found = slopes(name, resolve(name))
    assert found["inv_lipschitz_lower"] == 1 / found["slope_lo"]
    assert found["inv_lipschitz_lower"] <= found["inv_lipschitz_upper"] * (1 + 1e-6)
    assert found["inv_lipschitz_upper"] <= found["inv_lipschitz_upper_architecture"] * (1 + 1e-6)
    tiers = [
        found[f"{measure}_tier"]
        for measure in ("inv_lipschitz_lower", "inv_lipschitz_upper", "kappa_lower")
    ]
    assert tiers == ["L0", "U2", "L0"]
    assert found["kappa_lower"] > 0


def test_cell_of_a_design_with_wrong_bounds_fails(few_rows):
    class Boasts(Affine):
        def slope_bounds(self, params):
            return torch.ones_like(params[0]), torch.ones_like(params[0])

    with pytest.raises(ValueError, match="was measured"):
        slopes("boasts", target_of(Boasts))
