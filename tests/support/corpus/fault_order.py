"""Faults of couplings and autoregressive layers on the way back: order, parity, condition."""

import torch
from torch import nn
from torch.nn.functional import linear

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


class Interleaved(Layer):
    """karpathy/pytorch-normalizing-flows#10: even and odd elements go in, two halves come out.

    x = (0, 1, 0, 0, 0, 0), network 0: the inverse gives (0, 0, 0, 0, 1, 0). Two elements are fine.
    """

    def __init__(self, faulty, dim=6):
        super().__init__(faulty)
        self.net = nn.Linear(dim // 2, dim)

    def heads(self, a):
        s, t = self.net(a).chunk(2, 1)
        return s.tanh(), t

    def joined(self, a, b):
        return torch.cat((a, b), 1) if self.faulty else torch.stack((a, b), 2).flatten(1)

    def forward(self, x):
        a, b = x[:, ::2], x[:, 1::2]
        s, t = self.heads(a)
        return self.joined(a, b * s.exp() + t), s.sum(1)

    def inverse(self, z):
        a, b = z[:, ::2], z[:, 1::2]
        s, t = self.heads(a)
        return self.joined(a, (b - t) * (-s).exp()), -s.sum(1)


class MadeOrder(Layer):
    """rll/deepul#10: the ordering gives ranks, and sampling takes them for positions.

    Ranks (2, 0, 1), weights 1, z = (0, 1, 0): (0, 1, 0), right (2, 1, 1). Sorted ranks are fine.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.register_buffer("rank", torch.tensor([2, 0, 1]))
        self.weight, self.s = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.zeros(3))

    def shift(self, x):
        mask = self.rank[:, None] > self.rank[None]
        return linear(x, self.weight * mask)

    def forward(self, x):
        return (x - self.shift(x)) * self.s.exp(), self.s.sum().expand(len(x))

    def inverse(self, z):
        x = torch.zeros_like(z)
        for i in (self.rank if self.faulty else self.rank.argsort()).tolist():
            new = z[:, i] * (-self.s[i]).exp() + self.shift(x)[:, i]
            x = torch.cat((x[:, :i], new[:, None], x[:, i + 1 :]), 1)
        return x, -self.s.sum().expand(len(z))


class ConditionForgotten(Layer):
    """rll/deepul#7: the function that bisection solves is called without the condition.

    x = 0, cond = 1, weight 1: the inverse gives 0.521, right 0.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.weight = nn.Parameter(torch.ones(1, dim))

    def curve(self, x, cond=None):
        shift = 0.0 if cond is None else cond @ self.weight
        small = (-2 * x.abs()).exp()
        return x + x.tanh() + shift, (4 * small / (1 + small).square()).log1p()

    def forward(self, x, cond):
        z, log_slope = self.curve(x, cond)
        return z, log_slope.sum(1)

    def inverse(self, z, cond):
        seen = () if self.faulty else (cond,)
        with torch.no_grad():
            middle = z if self.faulty else z - cond @ self.weight
            low, high = middle - 1.1, middle + 1.1
            for _ in range(80):
                x = (low + high) / 2
                left = self.curve(x, *seen)[0] >= z
                low, high = torch.where(left, low, x), torch.where(left, x, high)
        value, log_slope = self.curve(x, *seen)
        x = x + (z - value) * (-log_slope.detach()).exp()
        return x, -self.curve(x)[1].sum(1)


class Hierarchy(Layer):
    """WeichenFan/HierarchyFlow#2: in reverse the third block reads the second one's output.

    x = (0, 0, 0), weights 1, biases 1: x₃ = −0.181, right 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.first, self.second = nn.Linear(1, 1), nn.Linear(1, 1)
        for p in self.parameters():
            nn.init.ones_(p)

    def forward(self, x):
        a, b, c = x.split(1, 1)
        z = torch.cat((a, b + self.first(a).tanh(), c + self.second(b).tanh()), 1)
        return z, x.new_zeros(len(x))

    def inverse(self, z):
        a, zb, zc = z.split(1, 1)
        b = zb - self.first(a).tanh()
        c = zc - self.second(zb if self.faulty else b).tanh()
        return torch.cat((a, b, c), 1), z.new_zeros(len(z))


class OddDepth(Layer):
    """kazewong/flowMC#18: masks alternate, and the way back starts with the mask of an even depth.

    Three layers, x = (1, 0), weights 1: the inverse gives (−0.085, 1.080), right (1, 0).
    """

    def __init__(self, faulty, depth=3):
        super().__init__(faulty)
        self.weight = nn.Parameter(torch.ones(depth))

    def moved(self, x, k, place, sign):
        mask = x.new_tensor([place, 1 - place])
        return x + sign * mask * (self.weight[k] * x.flip(1)).tanh()

    def forward(self, x):
        for k in range(len(self.weight)):
            x = self.moved(x, k, k % 2, 1)
        return x, x.new_zeros(len(x))

    def inverse(self, z):
        depth = len(self.weight)
        for j in range(depth):
            k = depth - 1 - j
            z = self.moved(z, k, (j + 1) % 2 if self.faulty else k % 2, -1)
        return z, z.new_zeros(len(z))


twins("interleaved-halves", Interleaved, event_shape=(6,))
twins("made-sampling-order", MadeOrder, event_shape=(3,))
twins("condition-forgotten", ConditionForgotten, event_shape=(2,), cond_shape=(1,))
twins("hierarchy-reads-output", Hierarchy, event_shape=(3,))
twins("odd-depth", OddDepth, event_shape=(2,))
