"""Faults in gradients and in what is written in place; the values are right."""

import torch
from torch import nn
from torch.autograd import Function
from torch.nn.functional import linear, softplus

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


class DiagonalRule(Function):
    """x Lᵀ, with a rule that keeps the diagonal of L only."""

    @staticmethod
    def forward(ctx, x, lower):
        ctx.save_for_backward(x, lower)
        return x @ lower.T

    @staticmethod
    def backward(ctx, grad):
        x, lower = ctx.saved_tensors
        return grad * lower.diagonal(), (grad.T @ x).tril()


class WrongRule(Layer):
    """TuringLang/Bijectors.jl#434: reverse-mode through the bijector is outright wrong.

    L = (1 0; 1 1), gradient of z₂: (0, 1), right (1, 1).
    """

    def __init__(self, faulty, dim=3):
        super().__init__(faulty)
        self.raw = nn.Parameter(torch.ones(dim, dim))

    def lower(self):
        log_d = self.raw.diagonal() - 1
        return self.raw.tril(-1) + log_d.exp().diag(), log_d.sum()

    def forward(self, x):
        lower, log_det = self.lower()
        z = DiagonalRule.apply(x, lower) if self.faulty else x @ lower.T
        return z, log_det.expand(len(x))

    def inverse(self, z):
        lower, log_det = self.lower()
        x = torch.linalg.solve_triangular(lower, z.T, upper=False).T
        return x, -log_det.expand(len(z))


class OwnSoftplus(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return softplus(x)

    @staticmethod
    def backward(ctx, grad):
        return grad * (-ctx.saved_tensors[0]).sigmoid()


class SoftplusBackward(Layer):
    """NVlabs/tiny-cuda-nn#130: the hand-written backward of softplus; here of a scale.

    raw = 1, x = 1: dz/draw = 0.269, right 0.731.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.raw = nn.Parameter(torch.ones(dim))

    def scale(self):
        return (OwnSoftplus.apply if self.faulty else softplus)(self.raw) + 1e-3

    def forward(self, x):
        return x * self.scale(), self.scale().log().sum().expand(len(x))

    def inverse(self, z):
        return z / self.scale(), -self.scale().log().sum().expand(len(z))


class Bisection(Layer):
    """danielward27/flowjax#176: the inverse is found by bisection, and its gradient is zero.

    z = 0, a = 0: dx/dz is 0 or missing, right 0.5.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.a = nn.Parameter(torch.zeros(dim))

    def curve(self, x):
        a, t = self.a.tanh().exp(), x.tanh()
        return x + a * t, (a * (1 - t) * (1 + t)).log1p()

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z, log_slope.sum(1)

    def inverse(self, z):
        with torch.no_grad():
            low, high = z - 3, z + 3
            for _ in range(80):
                x = (low + high) / 2
                left = self.curve(x)[0] >= z
                low, high = torch.where(left, low, x), torch.where(left, x, high)
        if not self.faulty:
            value, log_slope = self.curve(x)
            x = x + (z - value) * (-log_slope.detach()).exp()
        return x, -self.curve(x)[1].sum(1)


class InPlaceLoop(Layer):
    """deeprob-org/deeprob-kit#33: the sampling direction of MAF writes its elements in place.

    backward of inverse(z): RuntimeError, right the gradient.
    """

    def __init__(self, faulty, dim=3):
        super().__init__(faulty)
        self.first = nn.Parameter(torch.randn(dim, dim))
        self.last = nn.Parameter(torch.randn(dim, dim))

    def heads(self, x):
        return linear(linear(x, self.first.tril(-1)).tanh(), self.last.tril())

    def forward(self, x):
        return x - self.heads(x), x.new_zeros(len(x))

    def inverse(self, z):
        x = torch.zeros_like(z)
        for i in range(z.shape[1]):
            new = z[:, i] + self.heads(x)[:, i]
            if self.faulty:
                x[:, i] = new
            else:
                x = torch.cat((x[:, :i], new[:, None], x[:, i + 1 :]), 1)
        return x, z.new_zeros(len(z))


class InPlaceHalf(Layer):
    """chaiyujin/glow-pytorch#6: «z2 += shift» on a view of the input.

    x = (0, 0, 0, 0), shift 1: x is (0, 0, 1, 1) afterwards, right (0, 0, 0, 0).
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.net = nn.Linear(2, 2)
        nn.init.ones_(self.net.bias)

    def moved(self, x, sign):
        a, b = x.chunk(2, 1)
        if self.faulty:
            b += sign * self.net(a)
        else:
            b = b + sign * self.net(a)
        return torch.cat((a, b), 1), x.new_zeros(len(x))

    def forward(self, x):
        return self.moved(x, 1)

    def inverse(self, z):
        return self.moved(z, -1)


class EndTime(Layer):
    """rtqichen/ffjord#4: the learnt end of the integration is read as a number.

    dx/dt = 0.462 x for T = 1, x = (1, 0): the gradient for √T is missing, right 1.467.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.rate = nn.Parameter(torch.full((dim,), 0.5))
        self.root = nn.Parameter(torch.ones(()))

    def log_scale(self):
        end = self.root.square()
        return self.rate.tanh() * (end.detach() if self.faulty else end)

    def forward(self, x):
        s = self.log_scale()
        return x * s.exp(), s.sum().expand(len(x))

    def inverse(self, z):
        s = self.log_scale()
        return z * (-s).exp(), -s.sum().expand(len(z))


class KeptGraph(Layer):
    """pyro-ppl/pyro#2545: scales are computed once and kept with their graph.

    Two steps of training: the second backward raises RuntimeError, right a gradient.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.raw, self.kept = nn.Parameter(torch.ones(dim)), None

    def __deepcopy__(self, memo):
        new = type(self)(self.faulty, len(self.raw))
        new.raw = nn.Parameter(self.raw.detach().clone())
        return new.train(self.training)

    def __getstate__(self):
        return {**self.__dict__, "kept": None}

    def scale(self):
        if not self.faulty:
            return softplus(self.raw) + 1e-3
        if self.kept is None:
            self.kept = softplus(self.raw) + 1e-3
        return self.kept

    def forward(self, x):
        return x * self.scale(), self.scale().log().sum().expand(len(x))

    def inverse(self, z):
        return z / self.scale(), -self.scale().log().sum().expand(len(z))


twins("wrong-backward-rule", WrongRule, event_shape=(3,))
twins("softplus-backward", SoftplusBackward, event_shape=(2,))
twins("bisection-no-gradient", Bisection, event_shape=(2,), inverse="iterated", tolerance=1e-5)
twins("in-place-loop", InPlaceLoop, event_shape=(3,))
twins("in-place-half", InPlaceHalf, event_shape=(4,))
twins("end-time-detached", EndTime, event_shape=(2,))
twins("kept-graph", KeptGraph, event_shape=(2,))
