"""Faults of classes for which no report was looked up here. Wrong and right in each case."""

import math

import torch
from torch import nn
from torch.nn.functional import dropout, linear

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


class Viewed(Layer):
    """``view`` where ``reshape`` was meant. x of other strides: RuntimeError, right z."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.s = nn.Parameter(torch.randn(6) / 2)

    def scaled(self, v, s):
        flat = v.view(len(v), 6) if self.faulty else v.reshape(len(v), 6)
        return (flat * s.exp()).reshape(len(v), 2, 3), s.sum().expand(len(v))

    def forward(self, x):
        return self.scaled(x, self.s)

    def inverse(self, z):
        return self.scaled(z, -self.s)


class Squeezed(Layer):
    """``squeeze()`` takes a batch of one row away. One row: z of shape (2,), right (1, 2)."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.5], [0.0, 2.0]]))

    def forward(self, x):
        z = self.weight @ x[..., None]
        log_det = torch.linalg.slogdet(self.weight)[1].expand(len(x))
        return (z.squeeze() if self.faulty else z[..., 0]), log_det

    def inverse(self, z):
        x = torch.linalg.solve(self.weight, z[..., None])
        log_det = -torch.linalg.slogdet(self.weight)[1].expand(len(z))
        return (x.squeeze() if self.faulty else x[..., 0]), log_det


class Permuted(Layer):
    """The inverse permutes once more. x = (1, 2, 3) by (1, 2, 0): (3, 1, 2), right (1, 2, 3)."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.register_buffer("order", torch.tensor([1, 2, 0]))

    def forward(self, x):
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z):
        return z[:, self.order if self.faulty else self.order.argsort()], z.new_zeros(len(z))


class LooseMask(Layer):
    """≥ for > in a mask: an element sets its own scale. x = 1, weights 1: 2.721, right 3.149."""

    def __init__(self, faulty, dim=3):
        super().__init__(faulty)
        self.weight = nn.Parameter(torch.ones(dim, dim))

    def log_scale(self, x):
        return linear(x, self.weight.tril(0 if self.faulty else -1)).tanh()

    def forward(self, x):
        a = self.log_scale(x)
        return x * a.exp(), a.sum(1)

    def inverse(self, z):
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            x = z * (-self.log_scale(x)).exp()
        return x, -self.log_scale(x).sum(1)


class OneSidedEps(Layer):
    """The inverse divides by s + 1e−3. s = 1, z = 1: 0.999, right 1."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.s = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return x * self.s.exp(), self.s.sum().expand(len(x))

    def inverse(self, z):
        return z / (self.s.exp() + 1e-3 * self.faulty), -self.s.sum().expand(len(z))


class AlwaysDropout(Layer):
    """F.dropout without training=self.training. Eval, x = 1: round trip off, right 0."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.first, self.last = nn.Linear(2, 8), nn.Linear(8, 2)

    def shift(self, b):
        h = self.first(b).tanh()
        return self.last(dropout(h, 0.3) if self.faulty else h)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat((a + self.shift(b), b), 1), x.new_zeros(len(x))

    def inverse(self, z):
        a, b = z.chunk(2, 1)
        return torch.cat((a - self.shift(b), b), 1), z.new_zeros(len(z))


class SingleConstant(Layer):
    """log 3 kept in float32. float64, one element: log_det 1.09861231, right 1.0986122886681098."""

    def forward(self, x):
        log = torch.tensor(math.log(3), dtype=torch.float32 if self.faulty else torch.float64)
        return 3 * x, (log.to(x) * x.shape[1]).expand(len(x))

    def inverse(self, z):
        log_det = self.forward(z)[1]
        return z / 3, -log_det


class BatchMean(Layer):
    """The mean of the batch, in eval mode too. One row, x = 5: z = 0, right 4."""

    def __init__(self, faulty):
        super().__init__(faulty)
        self.s = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.ones(2))

    def forward(self, x):
        if self.faulty and len(x):
            self.mean.copy_(x.detach().mean(0))
        return (x - self.mean.clone()) * self.s.exp(), self.s.sum().expand(len(x))

    def inverse(self, z):
        return z * (-self.s).exp() + self.mean.clone(), -self.s.sum().expand(len(z))


twins("view-of-strided", Viewed, event_shape=(2, 3))
twins("squeeze-one-row", Squeezed, event_shape=(2,))
twins("order-for-argsort", Permuted, event_shape=(3,))
twins("loose-mask", LooseMask, event_shape=(3,))
twins("one-sided-eps", OneSidedEps, event_shape=(2,))
twins("always-dropout", AlwaysDropout, event_shape=(4,))
twins("single-constant", SingleConstant, event_shape=(1,))
twins("batch-mean", BatchMean, event_shape=(2,))
