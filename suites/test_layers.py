"""Every law × every layer, on generated recipes; ``--layer TARGET`` adds yours."""

from __future__ import annotations

from hypothesis import given

from invbench.properties.sweep import recipes

KIND = "layer"


@given(recipe=recipes(rows=32))
def test_layer_obeys(target, law, obey, recipe):
    obey(target, law, recipe)


test_layer_obeys.severity = "soundness"
