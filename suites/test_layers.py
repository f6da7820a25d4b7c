"""Every law × every layer, on generated recipes; ``--layer TARGET`` adds yours."""

from __future__ import annotations

from hypothesis import given

from invbench.laws.cases.sweep import recipes

KIND = "layer"


@given(recipe=recipes(rows=32, weighted=True))
def test_layer_obeys(target, law, obey, recipe):
    obey(target, law, recipe)


test_layer_obeys.laws = ("soundness", ("corpus",))


def test_layer_conduct(target, law, obey_sweep):
    """Laws that do not depend on the values: the few recipes of the fixed sweep."""
    obey_sweep(target, law)


test_layer_conduct.laws = ("soundness", ("first", "value-independent"))


def test_layer_can(target, law, report):
    """What a layer cannot do is reported as an expected failure."""
    report(target, law)


test_layer_can.laws = ("capability", ("value-independent",))


def test_known_failure_is_still_there(target, known, replay_known):
    replay_known(target, known)
