"""Every law × every coupling, on generated recipes; ``--coupling TARGET`` adds yours."""

from __future__ import annotations

import pytest
from hypothesis import given

from invbench.conditions.recipe import Recipe
from invbench.properties import check
from invbench.properties.sweep import recipes
from invbench.testing import violations

KIND = "coupling"


@given(recipe=recipes())
def test_coupling_obeys(target, law, obey, recipe):
    obey(target, law, recipe)


test_coupling_obeys.severity = "soundness"


def test_coupling_design(target, law, dtype, device):
    """Laws of design are reported as expected failures; they say nothing against the code."""
    report = check(target, dtype, device, "smoke", [law])
    if report.failures:
        pytest.xfail(f"design: {report.failures[0].message}")


test_coupling_design.severity = "design"


def test_known_failure_is_still_there(target, known, dtype, device):
    """A listed failure is replayed from its recipe; an entry that no longer fails is stale."""
    if not violations(target, known.property, dtype, device, Recipe(**known.recipe)):
        pytest.fail(f"stale entry: {known.target} no longer breaks {known.property}; remove it", pytrace=False)
    pytest.xfail(known.reason)
