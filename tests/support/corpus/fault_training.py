"""Faults that show in training mode, or after it. Wrong and right in each case."""

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


class Whitener(Layer):
    """cweniger/falcon#115: «initialized» is a plain attribute: a loaded moving average starts anew.

    Loaded mean 5, one training batch of mean 0: mean 0, right 4.95.
    """

    def __init__(self, faulty, dim=2):
        super().__init__(faulty)
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("var", torch.ones(dim))
        ready = torch.tensor(False)
        if faulty:
            self.ready = ready
        else:
            self.register_buffer("ready", ready)

    def update(self, x):
        rate = 0.01 if self.ready else 1.0
        with torch.no_grad():
            self.mean.lerp_(x.mean(0), rate)
            self.var.lerp_(x.var(0) + 1e-4, rate)
        self.ready = torch.ones_like(self.ready)

    def forward(self, x):
        if self.training and len(x) > 1:
            self.update(x.detach())
        mean, var = self.mean.clone(), self.var.clone()
        return (x - mean) * var.rsqrt(), -(var.log() / 2).sum().expand(len(x))

    def inverse(self, z):
        mean, var = self.mean.clone(), self.var.clone()
        return z * var.sqrt() + mean, (var.log() / 2).sum().expand(len(z))


def used_whitener(faulty):
    layer = Whitener(faulty).train()
    for _ in range(5):
        layer(torch.randn(32, 2) + 5)
    return layer


class DropoutBlock(Layer):
    """tychovdo/RevGAN#1: dropout of 0.5 in a reversible block, in training mode.

    x = (1, 1, 1, 1), training: round trip off by about 1, right 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        drop = nn.Dropout(0.5) if faulty else nn.Identity()
        self.f = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), drop, nn.Linear(8, 2))

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat((a + self.f(b), b), 1), x.new_zeros(len(x))

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        return torch.cat((a - self.f(b), b), 1), z.new_zeros(len(z))


class MovingStatistics(Layer):
    """RobinBruegger/RevTorch#13: each further call of a block moves its running statistics again.

    Training, x₂ = 10, weights 1: the inverse gives x₁ = 0.9, right 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("mean", torch.zeros(2))

    def shift(self, b):
        mean = self.mean.clone()
        if self.training and len(b):
            with torch.no_grad():
                self.mean.lerp_(b.mean(0), 0.1)
            mean = self.mean.clone() if self.faulty else b.detach().mean(0)
        return self.weight * (b - mean)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat((a + self.shift(b), b), 1), x.new_zeros(len(x))

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        return torch.cat((a - self.shift(b), b), 1), z.new_zeros(len(z))


class PowerIteration(Layer):
    """jarrelscy/iResnet#2: no reconstruction in eval mode; the norm is found in training only.

    |W| = 3, x = (1, 0), eval: the fixed point does not settle, x₂ is off by 1.1; right 0.
    """

    def __init__(self, faulty):
        super().__init__(faulty)
        self.weight = nn.Parameter(3 * torch.eye(2) + torch.randn(2, 2) / 10)
        self.register_buffer("sigma", torch.ones(()))

    def w(self):
        if self.training or not self.faulty:
            norm = torch.linalg.matrix_norm(self.weight, 2)
            if self.training:
                self.sigma.copy_(norm.detach())
        else:
            norm = self.sigma
        return 0.8 * self.weight / norm.clamp(min=0.8)

    def branch(self, x):
        w = self.w()
        t = (x @ w.T).tanh()
        return t, (1 - t * t)[:, :, None] * w

    def forward(self, x):
        g, jacobian = self.branch(x)
        return x + g, torch.linalg.slogdet(torch.eye(2).to(x) + jacobian)[1]

    def inverse(self, z):
        x = z
        for _ in range(200):
            x = z - self.branch(x)[0]
        return x, -self.forward(x)[1]


twins("whitener-after-load", used_whitener, event_shape=(2,), training="differs")
twins("dropout-in-block", DropoutBlock, event_shape=(4,), training="differs")
twins("moving-statistics", MovingStatistics, event_shape=(4,), training="differs")
twins("norm-in-training-only", PowerIteration, event_shape=(2,))
