"""The typical set: draws are inside, what a sceptic would point at is outside, and a projection
ends inside near its point."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import kstest

from invbench.attacks import Inputs, ThreatModel
from invbench.attacks.typical import LEVEL, TypicalSet, kolmogorov

SHAPES, TAU = ((6, 16, 16), (24, 8, 8)), 0.9
SIZE = sum(map(math.prod, SHAPES))
SET = TypicalSet(SHAPES, TAU)


def draws(count: int, seed: int = 7) -> torch.Tensor:
    return TAU * torch.randn(count, SIZE, generator=torch.Generator().manual_seed(seed))


def by_channel(z: torch.Tensor) -> list[torch.Tensor]:
    first, second = z.split([math.prod(shape) for shape in SHAPES], 1)
    return [first.reshape(len(z), 6, -1), second.reshape(len(z), 24, -1)]


def test_as_many_draws_lie_outside_as_the_level_says():
    outside = int((SET.excess(draws(2000)) > SET.limit).sum())
    assert 2 <= outside <= 45  # 20 are expected; the limit is itself a quantile of 1 000 draws


@pytest.mark.parametrize(
    "change",
    [
        lambda u: torch.cat((u[:, :1], u[:, :1], u[:, 2:]), 1),  # two channels alike
        lambda u: u + 0.3 * u.roll(1, -1),  # neighbours along a row
        lambda u: u + 0.3 * u.roll(1, -2),  # along a column
        lambda u: u - 0.3 * u.roll((1, -1), (-2, -1)),  # along a diagonal, of opposite sign
        # a channel that repeats another one position on
        lambda u: torch.cat((u[:, :5], u[:, 4:5].roll(1, -1)), 1),
    ],
)
def test_covariances_that_draws_do_not_show_lie_outside(change):
    z = draws(4)
    image = change(z[:, : 6 * 256].reshape(4, 6, 16, 16))
    image = TAU * image / image.std((2, 3), keepdim=True)
    found = torch.cat((image.flatten(1), z[:, 6 * 256 :]), 1)
    assert (SET.excess(z) <= SET.limit).all() and (SET.excess(found) > SET.limit).all()


def test_a_projection_keeps_the_values_of_every_channel_to_the_bit_and_the_covariances_in_the_limit():
    start = draws(3)
    far = (
        start
        + 2 * TAU * torch.randn(start.shape, generator=torch.Generator().manual_seed(1)).sign()
    )
    pulled = far.clone()
    pulled[:, :64] = 3 * TAU  # a corner of the first channel
    for v in (far, pulled, 4 * TAU * torch.ones_like(far)):
        z = SET.nearest(v, start)
        for ours, theirs in zip(by_channel(z), by_channel(start), strict=True):
            assert torch.equal(ours.sort(-1).values, theirs.sort(-1).values)
        assert (SET.excess(z) <= SET.excess(start).clamp(min=SET.limit) + 1e-9).all()


def test_a_typical_point_projects_onto_itself_and_the_order_is_that_of_the_point():
    start = draws(2)
    assert torch.equal(SET.nearest(start, start), start)
    nudged = start.clone()
    nudged[:, 17] = 10.0  # the largest of its channel
    z = SET.nearest(nudged, start)
    assert torch.equal(z[:, 17], by_channel(start)[0][:, 0].amax(1))


def test_a_space_with_a_radius_stays_within_it_and_is_typical():
    parts = [
        part.reshape(2, *shape)
        for part, shape in zip(draws(2).split([1536, 1536], 1), SHAPES, strict=True)
    ]
    for radius in (0.0, 0.25, math.inf):
        space = ThreatModel(
            Inputs(torch.zeros(2, 3, 4, 4), parts),
            ("latents", "y"),
            TAU,
            radius,
            eps=0.1,
            typical=True,
        )
        far = space.start + 3 * torch.randn(
            space.start.shape, generator=torch.Generator().manual_seed(2)
        )
        found = space.project(far)
        moved = (found - space.start).abs()
        assert moved[:, :SIZE].max() <= radius * TAU + 1e-6 and moved[:, SIZE:].max() <= 0.1 + 1e-6
        assert radius == 0 or moved[:, :SIZE].max() > 0.1 * TAU
        assert (SET.excess(found[:, :SIZE]) <= SET.limit).all()


def test_vectors_have_marginals_alone():
    alone = TypicalSet(((5,),), 1.0)
    start = torch.tensor([[3.0, -1.0, 0.5, 0.0, 2.0]])
    assert alone.nearest(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]), start).tolist() == [
        [-1.0, 0.0, 0.5, 2.0, 3.0]
    ]
    assert alone.excess(start).tolist() == [0.0]


def test_kolmogorov_is_that_of_scipy_and_its_bound_is_one():
    z = draws(2)
    distance, log10_p = kolmogorov(z + torch.tensor([[0.0], [0.3]]), TAU)
    for row, (ours, log) in enumerate(zip(distance.tolist(), log10_p.tolist(), strict=True)):
        theirs = kstest((z[row].double() + 0.3 * row) / TAU, "norm")
        assert ours == pytest.approx(theirs.statistic, abs=1e-6)
        assert 10**log >= theirs.pvalue * (1 - 1e-6)
    assert log10_p[0] > -2 and log10_p[1] < -50


def test_the_level_is_stated():
    assert LEVEL == 0.01
