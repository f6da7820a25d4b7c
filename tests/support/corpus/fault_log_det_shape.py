"""Faults in shape and type of a log-determinant, and in what the type of the input does."""

import torch
from torch import nn
from torch.distributions import transforms as T

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class Scale(nn.Module):
    """z = x·e^s, s = 0.5 per element; what ``shaped`` makes of the log-det is up to the case."""

    def __init__(self, faulty, dim=3):
        super().__init__()
        self.faulty, self.s = faulty, nn.Parameter(torch.full((dim,), 0.5))

    def shaped(self, s, x):
        return s.sum().expand(len(x))

    def forward(self, x):
        return x * self.s.exp(), self.shaped(self.s, x)

    def inverse(self, z):
        return z * (-self.s).exp(), self.shaped(-self.s, z)


class CountedPerElement(Scale):
    """pymc-devs/pymc#800: the sum over the elements is added to each of them.

    One row of three: 4.5 after summing, right 1.5.
    """

    def shaped(self, s, x):
        return s.sum().expand_as(x) if self.faulty else s.expand_as(x)


class KeptDimension(Scale):
    """pymc-devs/pymc#5660: one part with keepdim; (B, 1) + (B,) is (B, B). Unseen at B = 1.

    Two rows: shape (2, 2), right (2,).
    """

    def shaped(self, s, x):
        first, rest = s[:1].expand(len(x), 1), s[1:].sum().expand(len(x))
        return (first if self.faulty else first[:, 0]) + rest


class LeadingOne(Scale):
    """VincentStimper/normalizing-flows#17: «output with shape [64] doesn't match [1, 64]».

    Two rows: shape (1, 2), right (2,).
    """

    def shaped(self, s, x):
        log_det = s.expand_as(x).sum(1)
        return log_det[None] if self.faulty else log_det


class SummedOverBatch(Scale):
    """sbi-benchmark/sbibm#10: a log-det that is summed already is summed once more, over the rows.

    Two rows: 3 each, right 1.5 each.
    """

    def shaped(self, s, x):
        log_det = s.expand_as(x).sum(1)
        return log_det.sum(-1).expand(len(x)) if self.faulty else log_det


class Stacked(T.StackTransform):
    def log_abs_det_jacobian(self, x, y):
        return super().log_abs_det_jacobian(x, y).sum(-1)


class Stack(nn.Module):
    """pytorch/pytorch#121220: StackTransform has event_dim 1 and a log-det per element.

    Three rows: shape (3, 2), right (3,) and 2.079 each.
    """

    def __init__(self, faulty):
        super().__init__()
        parts = [T.AffineTransform(0.0, 2.0), T.AffineTransform(1.0, -4.0)]
        self.transform = (T.StackTransform if faulty else Stacked)(parts, dim=-1)

    def forward(self, x):
        z = self.transform(x)
        return z, self.transform.log_abs_det_jacobian(x, z)

    def inverse(self, z):
        x = self.transform.inv(z)
        return x, -self.transform.log_abs_det_jacobian(x, z)


class Timed(nn.Module):
    """facebookresearch/flow_matching#37: the time is float32 whatever the data are.

    float64 data: RuntimeError, right a number.
    """

    def __init__(self, faulty, dim=2):
        super().__init__()
        self.faulty, self.net = faulty, nn.Linear(1, 2 * dim)

    def heads(self, x):
        time = torch.ones(len(x), 1) if self.faulty else x.new_ones(len(x), 1)
        s, t = self.net(time).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        s, t = self.heads(x)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z):
        s, t = self.heads(z)
        return (z - t) * (-s).exp(), -s.sum(1)


class Reflection(nn.Module):
    """pyro-ppl/pyro#1795 (review): torch.zeros, where the input's type and device were meant.

    float64 data: a float32 log_det, right float64.
    """

    def __init__(self, faulty, dim=3):
        super().__init__()
        self.faulty, self.v = faulty, nn.Parameter(torch.randn(dim))

    def forward(self, x):
        y = x - 2 * (x @ self.v)[:, None] * self.v / (self.v @ self.v)
        return y, torch.zeros(x.shape[:-1]) if self.faulty else x.new_zeros(x.shape[:-1])

    def inverse(self, z):
        return self.forward(z)


twins("counted-per-element", lambda f: invbench.adapt(CountedPerElement(f)), event_shape=(3,))
twins("kept-dimension", KeptDimension, event_shape=(3,))
twins("leading-one", LeadingOne, event_shape=(3,))
twins("summed-over-batch", SummedOverBatch, event_shape=(3,))
twins("stack-transform", Stack, event_shape=(2,))
twins("float32-time", Timed, event_shape=(2,))
twins("float32-log-det", Reflection, event_shape=(3,))
