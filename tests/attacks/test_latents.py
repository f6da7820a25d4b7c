"""Structured latents stay where sampling could have put them."""

from __future__ import annotations

import math

import pytest
import torch

from invbench.attacks.latents import LATENT_PATTERNS, patterned
from invbench.attacks.threat_model import COORDINATE_LIMIT, NORM_FACTOR
from invbench.errors import UsageError


@pytest.mark.parametrize("pattern", LATENT_PATTERNS)
@pytest.mark.parametrize("seed", range(3))
def test_every_pattern_is_inside_the_typical_set(pattern, seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        torch.randn(2, 6, 32, 32, generator=generator),
        torch.randn(2, 24, 16, 16, generator=generator),
    ]
    found = patterned(drawn, pattern)
    assert [z.shape for z in found] == [z.shape for z in drawn]
    flat = torch.cat([z.flatten(1) for z in found], 1)
    assert (flat.norm(dim=1) <= NORM_FACTOR * math.sqrt(flat.shape[1])).all()
    # N(0, 1) itself leaves |z| ≤ 4 once in 16 000 coordinates
    assert pattern == "normal" or flat.abs().max() <= COORDINATE_LIMIT


def test_patterns_differ_and_keep_the_batch_apart():
    drawn = [torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))]
    found = {name: patterned(drawn, name)[0] for name in LATENT_PATTERNS}
    assert len({tuple(z.flatten().tolist()) for z in found.values()}) == len(LATENT_PATTERNS)
    for name, z in found.items():
        assert torch.equal(patterned([drawn[0][1:]], name)[0], z[1:])


def test_an_unknown_pattern_is_refused():
    with pytest.raises(UsageError, match="known: normal"):
        patterned([torch.zeros(1, 1, 2, 2)], "wavy")
