"""The trained mini flows under generated conditions; ``--coupling`` and ``--flow`` add those that
have weights."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invbench.measures.explosion import explosion
from invbench.measures.round_trip import round_trip_error
from invbench.testing.flow_cases import cases, decoder_inputs, loaded, pairs
from invbench.testing.violation_rows import append

PROPERTY = "no-explosion"
FLOWS, ANY_FLOWS = ("srflow", "fs_ncsr", "llflow"), ("srflow", "fs_ncsr", "llflow", "glow")
SAMPLES = 4
LIMIT = 2.0  # log10: |x| > 100 is an explosion of an image in [0, 1]; an overshoot is not


def log10_largest(flow_name, coupling, dtype, device, case) -> float:
    """log10 of the largest |x| over four samples of one condition; infinite when a pixel is not
    finite."""
    flow, y, latents = decoder_inputs(flow_name, coupling, dtype, device, case, SAMPLES)
    with torch.no_grad():
        return explosion(flow.decode(latents, y)).max_abs_log10


@given(case=cases())
def test_flow_does_not_explode(flow_name, coupling, dtype, device, results_folder, case):
    largest = log10_largest(flow_name, coupling, dtype, device, case)
    if largest > LIMIT:
        if results_folder is not None:
            name = f"{flow_name}:{coupling.name}"
            record = {
                "target": name,
                "property": PROPERTY,
                "recipe": case,
                "message": f"10^{largest:.3g}",
            }
            append(results_folder, record)
        pytest.fail(
            f"{flow_name} with {coupling.name}: |x| reaches 10^{largest:.3g} for {case}",
            pytrace=False,
        )


def test_known_explosion_is_still_there(flow_name, coupling, dtype, device, known_failure):
    """A listed explosion is replayed from its recipe; an entry that no longer explodes is stale."""
    known = known_failure(f"{flow_name}:{coupling.name}", PROPERTY)
    largest = log10_largest(flow_name, coupling, dtype, device, known.recipe)
    if largest <= LIMIT:
        pytest.fail(
            f"stale entry: {known.target} stays at 10^{largest:.3g}; remove it", pytrace=False
        )
    pytest.xfail(f"{known.reason} (|x| reaches 10^{largest:.3g})")


@given(image=st.integers(0, 23))
def test_flow_round_trip_on_clean_photographs(any_flow, dtype, device, image):
    """decode(encode(x, y), y) = x within 1e-2 on photographs with their own conditions, for every
    design."""
    flow_name, coupling = any_flow
    flow = loaded(flow_name, coupling).to(device, getattr(torch, dtype))
    pair = pairs(flow_name)[image]
    x, y = (t[None].to(device, getattr(torch, dtype)) for t in (pair.high, pair.low))
    assert round_trip_error(flow, x, y).item() <= 1e-2
