"""Transforms of torch behind the face of a layer: what they hold, what they declare, what they are
asked."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.distributions import ComposeTransform, Normal, Transform, constraints, transforms

import invbench
from invbench.errors import UsageError

X = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))


class Networked(Transform):
    """A Transform that holds a network, as users have them."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, net):
        super().__init__()
        self.net = net

    def _call(self, x):
        a, b = x.chunk(2, -1)
        return torch.cat((a, b * self.net(a).tanh().exp()), -1)

    def _inverse(self, y):
        a, b = y.chunk(2, -1)
        return torch.cat((a, b * (-self.net(a).tanh()).exp()), -1)

    def log_abs_det_jacobian(self, x, y):
        return self.net(x.chunk(2, -1)[0]).tanh().sum(-1)


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (lambda: Networked(nn.Linear(2, 2)), 2),
        (lambda: Networked(nn.Linear(2, 2)).inv, 2),
        (lambda: ComposeTransform([Networked(nn.Linear(2, 2)), Networked(nn.Linear(2, 2)).inv]), 4),
        (
            lambda: ComposeTransform(
                [Networked(nn.Linear(2, 2)), transforms.AffineTransform(torch.ones(4), 2.0)]
            ),
            3,
        ),
    ],
    ids=["network", "inverse", "chain with an inverse", "chain with a constant"],
)
def test_a_transform_that_holds_networks_owns_its_weights(make, weights):
    layer = invbench.adapt(make())
    assert len(layer.state_dict()) == weights
    double = copy.deepcopy(layer).double()
    x = X.double()
    z, log_det = double(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: double(v[None])[0][0], x[0])
    assert torch.allclose(log_det[0], torch.linalg.slogdet(jacobian)[1])
    assert torch.allclose(double.inverse(z)[0], x)
    with torch.no_grad():
        for p in double.parameters():
            p.zero_()
    assert not torch.allclose(double(x)[0], z)
    assert torch.allclose(layer(X)[0], z.float(), atol=1e-6)  # the copy moved, not the original


def test_a_transform_with_a_network_in_a_closure_is_refused():
    net = nn.Linear(2, 2)
    transform = Networked(lambda a: net(a))
    with pytest.raises(UsageError, match="in the closure of '<lambda>'"):
        invbench.adapt(transform)


def test_a_transform_declares_its_spaces_in_the_direction_of_use():
    sigmoid = invbench.adapt(transforms.SigmoidTransform())
    assert sigmoid.declares == {"domain": constraints.real, "codomain": constraints.unit_interval}
    logit = invbench.adapt(transforms.SigmoidTransform().inv)
    assert logit.declares == {"domain": constraints.unit_interval, "codomain": constraints.real}
    assert torch.allclose(logit(torch.full((1, 2), 0.5))[1], torch.tensor([4.0]).log() * 2)
    softmax = invbench.adapt(transforms.SoftmaxTransform())
    assert (softmax.declares["inverse"], softmax.declares["log_det"]) == ("none", "none")


def test_a_transform_is_asked_for_the_pair_in_hand():
    class Stale(Networked):
        def _call(self, x):
            self.last = self.net(x.chunk(2, -1)[0]).tanh().detach()
            return super()._call(x)

        def log_abs_det_jacobian(self, x, y):
            asked.append((x, y))
            return super().log_abs_det_jacobian(x, y)

    asked = []
    layer = invbench.adapt(Stale(nn.Linear(2, 2)))
    z, _ = layer(X)
    x, _ = layer.inverse(z)
    assert torch.equal(asked[0][0], X) and torch.equal(asked[0][1], z)
    assert torch.equal(asked[1][0], x) and torch.equal(asked[1][1], z)


def test_constants_of_a_transform_and_of_its_distribution_are_buffers():
    affine = transforms.AffineTransform(torch.ones(4), torch.full((4,), 2.0))
    cdf = transforms.CumulativeDistributionTransform(Normal(torch.zeros(4), torch.ones(4)))
    layer = invbench.adapt(ComposeTransform([affine, cdf])).double()
    assert len(layer.state_dict()) == 4
    assert all(v.dtype == torch.float64 for v in layer.state_dict().values())
    assert layer(X.double())[0].dtype == torch.float64
    assert affine.loc.dtype == torch.float64


def test_a_transform_that_states_no_bijection_is_taken_at_what_it_does():
    class Unsaid(Networked):
        bijective = False

    layer = invbench.adapt(Unsaid(nn.Linear(2, 2)))
    assert layer.guesses == (
        "Unsaid.bijective is False, yet it has a log_det: taken to be a bijection",
    )
    lower = invbench.adapt(transforms.LowerCholeskyTransform())
    lower.probe(torch.randn(3, 2, 2))  # it reads the lower triangle only
    assert (lower.declares["inverse"], lower.declares["log_det"]) == ("none", "none")


def test_a_transform_without_an_inverse_says_so_once_it_is_probed():
    class OneWay(Networked):
        def _inverse(self, y):
            raise NotImplementedError

    layer = invbench.adapt(OneWay(nn.Linear(2, 2)))
    assert "inverse" not in layer.declares
    layer.probe(X)
    assert layer.declares["inverse"] == "none"
    assert layer.guesses == ("OneWay is no bijection: declared inverse='none'",)


def test_a_transform_of_another_shape_is_a_usage_error():
    with pytest.raises(
        UsageError, match=r"Networked cannot be called with x of shape \(3, 6\): RuntimeError"
    ):
        invbench.adapt(Networked(nn.Linear(2, 2))).probe(torch.ones(3, 6))


@pytest.mark.parametrize("shape", [(4,), (4, 1), (3, 4)])
def test_a_log_det_of_an_odd_shape_is_handed_on(shape):
    class Odd(transforms.ExpTransform):
        def log_abs_det_jacobian(self, x, y):
            return torch.zeros(shape)

    assert invbench.adapt(Odd())(X[:4])[1].shape == shape
