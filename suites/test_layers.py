"""Every law × every layer, on generated recipes; ``--layer TARGET`` adds yours."""

from __future__ import annotations

import pytest
from hypothesis import given

from invbench.properties.sweep import recipes
from invbench.testing import violations

KIND = "layer"


@given(recipe=recipes(rows=32))
def test_layer_obeys(target, law, dtype, device, keep, recipe):
    found = violations(target, law, dtype, device, recipe)
    if found:
        keep({"target": target.name, "property": law, "recipe": recipe.as_dict(), "message": found[0].message})
        pytest.fail(
            f"{target.name} breaks {law} ({found[0].kind}): {found[0].message}\nrecipe: {recipe}", pytrace=False
        )


test_layer_obeys.severity = "soundness"
