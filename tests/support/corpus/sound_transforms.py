"""Sound torch.distributions Transforms behind ``invbench.adapt``, with and without networks."""

import torch
from torch import nn
from torch.distributions import Transform, constraints
from torch.distributions import transforms as T

import invbench


class Half(Transform):
    """A coupling as a Transform that holds a network as an attribute."""

    domain = codomain = constraints.real_vector
    bijective = True

    def __init__(self, net):
        super().__init__()
        self.net = net

    def heads(self, a):
        s, t = self.net(a).chunk(2, -1)
        return s.tanh(), t

    def _call(self, x):
        a, b = x.chunk(2, -1)
        s, t = self.heads(a)
        return torch.cat((a, b * s.exp() + t), -1)

    def _inverse(self, y):
        a, b = y.chunk(2, -1)
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), -1)

    def log_abs_det_jacobian(self, x, y):
        return self.heads(x.chunk(2, -1)[0])[0].sum(-1)


class HalfModule(Transform, nn.Module):
    """The same as a module too, as pyro's TransformModule."""

    domain = codomain = constraints.real_vector
    bijective = True
    heads, _call, _inverse = Half.heads, Half._call, Half._inverse
    log_abs_det_jacobian = Half.log_abs_det_jacobian

    def __init__(self, net):
        nn.Module.__init__(self)
        Transform.__init__(self)
        self.net = net

    def __hash__(self):
        return nn.Module.__hash__(self)

    def __eq__(self, other):
        return self is other


class Stack(T.StackTransform):
    """One transform per element; torch's own does not sum over them (pytorch/pytorch#121220)."""

    def log_abs_det_jacobian(self, x, y):
        return super().log_abs_det_jacobian(x, y).sum(-1)


def network():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))


@invbench.layer("c-transform-affine", event_shape=(3,))
def affine(seed):
    return invbench.adapt(T.AffineTransform(0.5, -3.0))


ABOVE_ONE = {"codomain": "greater_than(1)", "data_range": (-2, 20)}


@invbench.layer("c-transform-compose", event_shape=(3,), **ABOVE_ONE)
def compose(seed):
    parts = [T.AffineTransform(-1.0, 2.0), T.ExpTransform(), T.AffineTransform(1, 1)]
    return invbench.adapt(T.ComposeTransform(parts))


@invbench.layer("c-transform-compose-undeclared", event_shape=(3,))
def compose_undeclared(seed):
    return invbench.adapt(T.ComposeTransform([T.AffineTransform(-1.0, 2.0), T.ExpTransform()]))


@invbench.layer("c-transform-independent-undeclared", event_shape=(2, 2))
def independent(seed):
    return invbench.adapt(T.IndependentTransform(T.AffineTransform(1.0, 0.25), 2))


@invbench.layer("c-transform-stack-undeclared", event_shape=(2,))
def stack(seed):
    return invbench.adapt(Stack([T.AffineTransform(0.0, 2.0), T.ExpTransform()], dim=-1))


@invbench.layer("c-transform-cat", event_shape=(3,), data_range=20)
def cat(seed):
    parts = [T.ExpTransform(), T.AffineTransform(1.0, 3.0)]
    return invbench.adapt(T.CatTransform(parts, dim=-1, lengths=[1, 2]))


@invbench.layer("c-transform-sigmoid", event_shape=(3,), data_range=10)
def sigmoid(seed):
    return invbench.adapt(T.SigmoidTransform())


@invbench.layer("c-transform-tanh", event_shape=(3,), data_range=5)
def tanh(seed):
    return invbench.adapt(T.TanhTransform())


@invbench.layer("c-transform-power", event_shape=(3,), domain="positive", codomain="positive")
def power(seed):
    return invbench.adapt(T.PowerTransform(torch.tensor(1.5)))


@invbench.layer("c-transform-log-undeclared", event_shape=(3,))
def log(seed):
    """Calling it makes data of noise, so data are positive."""
    return invbench.adapt(T.ExpTransform(), towards_noise=False)


@invbench.layer("c-transform-reshape", event_shape=(4,), latent_shape=(2, 2))
def reshape(seed):
    return invbench.adapt(T.ReshapeTransform((4,), (2, 2)))


@invbench.layer("c-transform-network-undeclared", event_shape=(4,))
def with_network(seed):
    return invbench.adapt(Half(network()))


@invbench.layer("c-transform-network-compose-undeclared", event_shape=(4,))
def with_networks(seed):
    parts = [Half(network()), T.AffineTransform(0.5, 2.0), Half(network())]
    return invbench.adapt(T.ComposeTransform(parts))


@invbench.layer("c-transform-module", event_shape=(4,))
def with_module(seed):
    return invbench.adapt(HalfModule(network()))
