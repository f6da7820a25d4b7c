"""Faults in state: what is remembered, saved, copied. Wrong and right in each case."""

import copy

import torch
from torch import nn

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class Layer(nn.Module):
    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty


class NeedsCache(Layer):
    """pyro-ppl/pyro#1890: the inverse looks its value up among the outputs of forward.

    inverse((0, 0)) on a fresh layer: KeyError, right (0, 0).
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.a, self.seen = nn.Parameter(torch.zeros(2)), {}

    def curve(self, x):
        t = x.tanh()
        a = self.a.tanh().exp()
        return x + a * t, (a * (1 - t) * (1 + t)).log1p()

    def forward(self, x):
        z, log_slope = self.curve(x)
        for row, value in zip(z.detach().tolist(), x, strict=True):
            self.seen[tuple(row)] = value.detach()
        return z, log_slope.sum(1)

    def inverse(self, z):
        if self.faulty:
            x = torch.stack([self.seen[tuple(row)] for row in z.detach().tolist()])
            return x, -self.curve(x)[1].sum(1)
        with torch.no_grad():
            low, high = z - 3, z + 3
            for _ in range(80):
                x = (low + high) / 2
                left = self.curve(x)[0] >= z
                low, high = torch.where(left, low, x), torch.where(left, x, high)
        value, log_slope = self.curve(x)
        x = x + (z - value) * (-log_slope.detach()).exp()
        return x, -self.curve(x)[1].sum(1)


class Shuffle(Layer):
    """ikostrikov/pytorch-flows#17: the permutation is drawn, and no state_dict holds it.

    A second layer with the same state_dict: another order (23 times of 24), right the same.
    """

    def __init__(self, faulty, dim=4):
        super().__init__(faulty)
        order = torch.randperm(dim)
        if faulty:
            self.order = order
        else:
            self.register_buffer("order", order)

    def forward(self, x):
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z):
        return z[:, self.order.argsort()], z.new_zeros(len(z))


class ActNorm(Layer):
    """vislearn/FrEIA#33: after load_state_dict the first batch of any mode sets the weights again.

    Loaded s = (1, 1), batch ((0, 0), (2, 2)): s = (−0.347, −0.347), right (1, 1).
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.s, self.t = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.fresh = True

    def _load_from_state_dict(self, *more):
        super()._load_from_state_dict(*more)
        if not self.faulty:
            self.fresh = False

    def forward(self, x):
        if self.fresh and len(x) > 1:
            with torch.no_grad():
                self.s.copy_(-x.std(0).clamp(1e-3, 1e3).log())
                self.t.copy_(-x.mean(0) * self.s.exp())
            self.fresh = False
        return x * self.s.exp() + self.t, self.s.sum().expand(len(x))

    def inverse(self, z):
        return (z - self.t) * (-self.s).exp(), -self.s.sum().expand(len(z))


def loaded_actnorm(faulty):
    """A trained layer that a checkpoint restores."""
    layer = ActNorm(faulty)
    weights = {"s": torch.full((2,), 1.0), "t": torch.full((2,), -0.5)}
    layer.load_state_dict(weights)
    return layer


class Double:
    factor = 2.0


class Inverted(Layer):
    """pytorch/pytorch#191370: a pickled inverse of a transform comes back without the transform.

    pickle or deepcopy, then any x: AttributeError, right the same map.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.s, self.base = nn.Parameter(torch.full((2,), 0.5)), Double()

    def __getstate__(self):
        state = self.__dict__.copy()
        if self.faulty:
            state["base"] = None  # meant for what is remembered; here it is the transform itself
        return state

    def forward(self, x):
        scale = self.s.exp() * self.base.factor
        return x / scale, -scale.log().sum().expand(len(x))

    def inverse(self, z):
        scale = self.s.exp() * self.base.factor
        return z * scale, scale.log().sum().expand(len(z))


class RemembersInput(Layer):
    """pytorch/pytorch#59822: the gradient of the inverse differs when it answers from its cache.

    s = 0.5, x = 1, z = forward(x): dx/ds of inverse(z) is missing, right −1.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.s, self.last = nn.Parameter(torch.full((2,), 0.5)), None

    def __deepcopy__(self, memo):
        self.last = None
        new = type(self)(self.faulty).to(self.s.dtype)
        new.load_state_dict(copy.deepcopy(self.state_dict(), memo))
        return new.train(self.training)

    def __getstate__(self):
        return {**self.__dict__, "last": None}

    def forward(self, x):
        z = x * self.s.exp()
        self.last = (x.detach().clone(), z.detach().clone()) if self.faulty else None
        return z, self.s.sum().expand(len(x))

    def inverse(self, z):
        log_det = -self.s.sum().expand(len(z))
        if self.last is not None and torch.equal(self.last[1], z):
            return self.last[0], log_det
        return z * (-self.s).exp(), log_det


twins("inverse-needs-cache", NeedsCache, event_shape=(2,))
twins("unsaved-permutation", Shuffle, event_shape=(4,))
twins("actnorm-after-load", loaded_actnorm, event_shape=(2,))
twins("pickled-inverse", Inverted, event_shape=(2,))
twins("gradient-from-cache", RemembersInput, event_shape=(2,))
