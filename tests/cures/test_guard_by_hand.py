"""What a guard's clamps, bounds, counts and quantiles are, on a flow small enough to say; and what
is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from invbench.cures.activations import BASE
from invbench.cures.guard import Guard, guard
from invbench.cures.guarded import GuardedFlow
from invbench.errors import UsageError
from invbench.flows import ActNorm, ConditionalFlow
from tests.support.exploding import INF, NAN, exploding_flow


def identity(base=None):
    """x ↔ itself, two channels: an ActNorm at its initial weights."""
    return ConditionalFlow({"only": ActNorm(2)}, nn.Identity(), lambda y: [(2,)], base).eval()


X = torch.tensor([[0.0, 10.0], [1.0, 14.0], [0.5, 11.0]])


@pytest.mark.parametrize(
    ("margin", "low", "high"),
    [
        (1.0, [0.0, 10.0], [1.0, 14.0]),
        (2.0, [-0.5, 8.0], [1.5, 16.0]),
        (0.5, [0.25, 11], [0.75, 13]),
    ],
)
def test_intervals_and_what_they_do_by_hand(margin, low, high):
    guarded = guard(identity(), [(X[:1], X[:1]), (X[1:], X[1:])], margin)
    for found, expected in zip(guarded.guard.interval("only"), (low, high), strict=True):
        assert found.tolist() == expected
    z = torch.tensor([[-9.0, 12.0], [NAN, 12.5], [INF, -INF], [0.5, 12.0]])
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    assert guarded.acted == {}
    found = guarded.decode([z], z)
    assert found.tolist() == [[low[0], 12.0], [middle[0], 12.5], [high[0], low[1]], [0.5, 12.0]]
    assert guarded.acted["only"] == (4, 8)
    assert guarded.acted["only"].share == 0.5
    bound = guarded.bound()
    assert (bound.max_abs, bound.max_intermediate, bound.layers) == (
        high[1],
        high[1],
        {"only": high[1]},
    )


def test_the_bound_of_a_sum_is_that_of_its_parts():
    guarded = guard(identity(lambda y: 2 * y), [(3 * X, X)])  # residual X, base 2X
    bound = guarded.bound()
    assert bound.layers == {"only": 14.0, BASE: 28.0}
    assert bound.max_abs == pytest.approx(42.0) and bound.max_abs >= 42.0
    far = torch.full((1, 2), 1e9)
    assert guarded.decode([far], far).tolist() == [[3.0, 42.0]]


def test_gradients_are_those_of_the_clamp():
    guarded = guard(identity(), [(X, X)])
    z = torch.tensor([[0.5, 99.0], [NAN, 12.0]], requires_grad=True)
    guarded.decode([z], X[:2]).sum().backward()
    assert z.grad.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_interval_beyond_float16_ends_at_its_largest_number():
    far = guard(identity().double(), [(X.double() * 1e5, X)])
    half = GuardedFlow(identity().half(), far.guard)
    assert half.decode([torch.full((1, 2), INF).half()], X[:1].half()).tolist() == [
        [65504.0, 65504.0]
    ]
    assert half.bound(torch.float16).layers["only"] >= 65504


def test_quantiles_leave_out_their_share_and_no_more():
    x = torch.stack((torch.arange(1000.0), torch.arange(1000.0) ** 2), dim=1)
    found = guard(identity(), [(x[:300], x[:300]), (x[300:], x[300:])], quantile=0.99).guard
    for channel in range(2):
        low, high = (end[channel] for end in found.interval("only"))
        bin_ = (x[-1, channel] - x[0, channel]) / 2048
        for outside, exact in (
            ((x[:, channel] < low).sum(), low - x[10, channel]),
            ((x[:, channel] > high).sum(), x[-11, channel] - high),
        ):
            assert outside <= 10
            assert -bin_ <= exact <= 0 or outside == 10
    whole = guard(identity(), [(x, x)], quantile=1.0).guard
    assert torch.equal(whole.seen["only"], guard(identity(), [(x, x)]).guard.seen["only"])


def test_quantile_of_a_constant_is_the_constant():
    x = torch.full((5, 2), 0.3)
    assert (
        guard(identity(), [(x, x)], quantile=0.6).guard.seen["only"].tolist()
        == [[x[0, 0].item()] * 2] * 2
    )


def test_calibration_leaves_the_flow_as_it_was():
    flow = ConditionalFlow({"only": ActNorm(2)}, nn.Identity(), lambda y: [(2,)]).train()
    told = []
    guarded = guard(flow, iter([(X, X), (X, X)]), quantile=0.9, progress=told.append)
    assert flow.training and not flow.layers["only"].initialised
    assert flow.layers["only"].logs.tolist() == [0.0, 0.0]
    assert told == [1, 2, 3, 4]
    assert guarded.guard.pairs == 6


class OwnTrace(ConditionalFlow):
    def trace(self, latents, y):
        yield "data", latents[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: guard(identity(), []), "no images"),
        (lambda: guard(identity(), [(X * NAN, X)]), "'only' are not finite"),
        (lambda: guard(identity(), [(X, X), (X * INF, X)]), "'only' are not finite"),
        (lambda: guard(identity(lambda y: y * NAN), [(X, X)]), "not finite"),
        (lambda: guard(identity(), [(X, X)], margin=0), "margin"),
        (lambda: guard(identity(), [(X, X)], margin=-1), "margin"),
        (lambda: guard(identity(), [(X, X)], margin=NAN), "margin"),
        (lambda: guard(identity(), [(X, X)], quantile=0.5), "quantile"),
        (lambda: guard(identity(), [(X, X)], quantile=1.01), "quantile"),
        (lambda: guard(identity(), [(X, X)], quantile=NAN), "quantile"),
        (lambda: guard(guard(identity(), [(X, X)]), [(X, X)]), "already"),
        (
            lambda: guard(OwnTrace({}, nn.Identity(), lambda y: []), [(X, X)]),
            "OwnTrace does not decode",
        ),
        (
            lambda: GuardedFlow(exploding_flow(), guard(identity(), [(X, X)]).guard),
            "another flow: it has 'only'",
        ),
        (lambda: GuardedFlow(identity(), Guard({}, "", "", 1)), "another flow: it lacks 'only'"),
    ],
)
def test_what_cannot_be_guarded_is_refused_in_one_line(call, said):
    with pytest.raises(UsageError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_guard_with_other_channels_is_refused_where_it_would_clamp():
    found = guard(identity(), [(X, X)]).guard
    with pytest.raises(UsageError, match="other channels"):
        GuardedFlow(
            identity(), replace(found, seen={"only": torch.zeros(2, 3)}, architecture="other")
        )
    wrong = GuardedFlow(
        identity(), replace(found, seen={"only": torch.zeros(2, 3, dtype=torch.float64)})
    )
    with pytest.raises(UsageError, match="3 channels at 'only', this flow has 2"):
        wrong.decode([X], X)
