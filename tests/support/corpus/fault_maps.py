"""Faults of the map itself: no bijection, no effect of the condition, no such shape."""

import math

import torch
from torch import nn
from torch.nn.functional import linear, logsigmoid

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


class SimplexOfK(nn.Module):
    """TuringLang/Bijectors.jl#263: K numbers to the simplex of K, and the last one is not read.

    x = (0, 0, 1): the inverse gives (0, 0, 0). Right: two numbers to the simplex of three.
    """

    def log_det(self, u):
        return (2 * logsigmoid(u) - u).sum(1) + logsigmoid(-u[:, 0])

    def forward(self, x):
        u = x[:, :2]
        first = logsigmoid(-u[:, 0])
        logs = (logsigmoid(u[:, 0]), first + logsigmoid(u[:, 1]), first + logsigmoid(-u[:, 1]))
        return torch.stack(logs, 1).exp(), self.log_det(u)

    def inverse(self, z):
        a, b, c = z.unbind(1)
        u = torch.stack((a.log() - (b + c).log(), b.log() - c.log()), 1)
        return u, -self.log_det(u)


class Improper(SimplexOfK):
    def inverse(self, z):
        u, log_det = super().inverse(z)
        return torch.cat((u, torch.zeros_like(u[:, :1])), 1), log_det


class PriorOfItself(Layer):
    """rosinality/glow-pytorch#29: mean and log-scale of a half are computed from that half itself.

    w = 1, x = (0, 0, 1, 1): the inverse gives x₃ = 0.153, log_det −1.523; right x₃ = 1 and 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.w = nn.Parameter(torch.ones(2))

    def heads(self, v):
        return v + self.w.tanh(), (self.w * v).tanh()

    def forward(self, x):
        a, b = x.chunk(2, 1)
        m, s = self.heads(b if self.faulty else a)
        return torch.cat((a, (b - m) * (-s).exp()), 1), -s.sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        m, s = self.heads(b if self.faulty else a)
        return torch.cat((a, b * s.exp() + m), 1), s.sum(1)


class Fold(Layer):
    """SauersML/gam#1361 (review): monotone at the places that were looked at, with a fold between.

    x = π + 0.5, z = 3.066: the inverse gives 1.953, another root; right x.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.a = 1.2 if faulty else 0.8
        self.s = nn.Parameter(torch.zeros(2))

    def curve(self, x):
        return x + self.a * x.sin(), (1 + self.a * x.cos()).abs().log()

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z * self.s.exp(), log_slope.sum(1) + self.s.sum()

    def inverse(self, z):
        z = z * (-self.s).exp()
        with torch.no_grad():
            low, high = z - 1.5, z + 1.5
            for _ in range(100):
                x = (low + high) / 2
                left = self.curve(x)[0] >= z
                low, high = torch.where(left, low, x), torch.where(left, x, high)
        if not self.faulty:
            value, log_slope = self.curve(x)
            x = x + (z - value) * (-log_slope.detach()).exp()
        return x, -self.curve(x)[1].sum(1) - self.s.sum()


class OneElementMade(Layer):
    """danielward27/flowjax#147: hidden ranks start at 0, and the first element loses the condition.

    x = 0 under conditions 0 and 9: z is the same, right it differs.
    """

    def __init__(self, faulty, cond=2, hidden=6):
        super().__init__(faulty)
        self.first, self.last = nn.Linear(cond, hidden), nn.Parameter(torch.randn(2, hidden))
        self.bias = nn.Parameter(torch.randn(2))
        rank = torch.zeros(hidden) if faulty else torch.full((hidden,), -1.0)
        self.register_buffer("mask", (rank < 0).float())

    def heads(self, cond):
        h = linear(self.first(cond).tanh(), self.last * self.mask, self.bias)
        return h[:, :1].tanh(), h[:, 1:]

    def forward(self, x, cond):
        s, t = self.heads(cond)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z, cond):
        s, t = self.heads(cond)
        return (z - t) * (-s).exp(), -s.sum(1)


class OddSplit(Layer):
    """htjb/margarine#74 (VincentStimper/normalizing-flows#62): the halves are taken to be equal.

    Five elements: RuntimeError of sizes 2 and 3, right a number; with four all is well.
    """

    def __init__(self, faulty, dim=5):
        super().__init__(faulty)
        self.size = dim // 2
        self.net = nn.Linear(self.size, 2 * (self.size if faulty else dim - self.size))

    def heads(self, a):
        s, t = self.net(a).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        a, b = x[:, : self.size], x[:, self.size :]
        s, t = self.heads(a)
        return torch.cat((a, b * s.exp() + t), 1), s.sum(1)

    def inverse(self, z):
        a, b = z[:, : self.size], z[:, self.size :]
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), 1), -s.sum(1)


class FlatParameters(Layer):
    """tensorflow/probability#941: the parameters of the rows are laid out as one vector.

    Two rows: RuntimeError of sizes 2 and 4 (or wrong shapes), right a number; one row is well.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.net = nn.Linear(2, 4)

    def heads(self, a):
        h = self.net(a)
        if self.faulty:
            h = h.reshape(-1, 2 * h.shape[0])
            return h[0].tanh(), h[1]
        s, t = h.chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        a, b = x.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((a, b * s.exp() + t), 1), s.expand_as(b).sum(1)

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), 1), -s.expand_as(b).sum(1)


class Unwrapped(Layer):
    """unfoldtoolbox/unfold#133: the modulo is commented out, and angles leave the circle.

    x = 3, by 1: z = 4, right −2.283.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.by = nn.Parameter(torch.ones(dim))

    def wrap(self, v):
        if self.faulty:
            return v
        turned = torch.remainder(v + math.pi, 2 * math.pi) - math.pi
        return torch.where(turned >= math.pi, turned - 2 * math.pi, turned)

    def forward(self, x):
        return self.wrap(x + self.by), x.new_zeros(len(x))

    def inverse(self, z):
        return self.wrap(z - self.by), z.new_zeros(len(z))


class TimeRunsForward(Layer):
    """jax-ml/jax#2817: the state goes back, and the time that the field sees does not.

    x = (0, 0), w = 1: the inverse gives (−0.015, −0.015), right (0, 0).
    """

    def __init__(self, faulty, dim=2, steps=16):
        super().__init__(faulty)
        self.steps, self.w = steps, nn.Parameter(torch.ones(dim))

    def rate(self, t, x):
        h = (x + 2 * t).tanh()
        w = self.w.tanh() * t
        return w * h, (w * (1 - h * h)).sum(1)

    def run(self, x, sign):
        total, h = x.new_zeros(len(x)), sign / self.steps
        for k in range(self.steps):
            t, dt = (k / self.steps, abs(h)) if sign > 0 or self.faulty else (1 + k * h, h)
            a, la = self.rate(t, x)
            b, lb = self.rate(t + dt / 2, x + h / 2 * a)
            c, lc = self.rate(t + dt / 2, x + h / 2 * b)
            d, ld = self.rate(t + dt, x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
            total = total + h / 6 * (la + 2 * lb + 2 * lc + ld)
        return x, total

    def forward(self, x):
        return self.run(x, 1.0)

    def inverse(self, z):
        return self.run(z, -1.0)


SIMPLEX = {"codomain": "simplex", "latent_shape": (3,), "data_range": 8}


@invbench.layer("c-simplex-of-k-faulty", event_shape=(3,), **SIMPLEX)
def simplex_of_k(seed):
    return Improper()


@invbench.layer("c-simplex-of-k-fixed", event_shape=(2,), **SIMPLEX)
def simplex_of_k_fixed(seed):
    return SimplexOfK()


CIRCLE = {"domain": "circle", "codomain": "circle"}

twins("prior-of-itself", PriorOfItself, event_shape=(4,))
FOLD = {"inverse": "iterated", "tolerance": 1e-5, "data_range": 20}

twins("fold", Fold, event_shape=(2,), **FOLD)
twins("one-element-condition", OneElementMade, event_shape=(1,), cond_shape=(2,))
twins("odd-split", OddSplit, event_shape=(5,))
twins("flat-parameters", FlatParameters, event_shape=(4,))
twins("unwrapped-angle", Unwrapped, event_shape=(2,), **CIRCLE)
twins("time-runs-forward", TimeRunsForward, event_shape=(2,), inverse="iterated", tolerance=1e-4)
