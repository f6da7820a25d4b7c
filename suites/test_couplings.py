"""Every law × every coupling, on generated recipes; ``--coupling TARGET`` adds yours."""

from __future__ import annotations

from hypothesis import given

from invbench.laws.cases.sweep import recipes

KIND = "coupling"


@given(recipe=recipes())
def test_coupling_obeys(target, law, obey, recipe):
    obey(target, law, recipe)


test_coupling_obeys.laws = ("soundness", ("corpus",))


def test_coupling_conduct(target, law, obey_sweep):
    """Laws that do not depend on the values: the few recipes of the fixed sweep."""
    obey_sweep(target, law)


test_coupling_conduct.laws = ("soundness", ("first", "value-independent"))


def test_coupling_design(target, law, report):
    """Laws of design are reported as expected failures; they say nothing against the code."""
    report(target, law)


test_coupling_design.laws = ("design", ("corpus", "value-independent"))


def test_coupling_can(target, law, report):
    """What a coupling cannot do is reported as an expected failure."""
    report(target, law)


test_coupling_can.laws = ("capability", ("value-independent",))


def test_known_failure_is_still_there(target, known, replay_known):
    replay_known(target, known)
