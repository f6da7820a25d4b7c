"""Sound maps between spaces other than Rⁿ: circles, simplex, ordered vectors, Cholesky factors."""

import math

import torch
from torch import nn
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

import invbench

PI = math.pi


def wrap(angle):
    """Into [−π, π)."""
    turned = torch.remainder(angle + PI, 2 * PI) - PI
    return torch.where(turned >= PI, turned - 2 * PI, turned)


class Turn(nn.Module):
    def __init__(self, dim=3):
        super().__init__()
        self.by = nn.Parameter(torch.randn(dim))

    def forward(self, x):
        return wrap(x + self.by), x.new_zeros(len(x))

    def inverse(self, z):
        return wrap(z - self.by), z.new_zeros(len(z))


class Moebius(nn.Module):
    """Rezende et al.: h(z) = (1 − |w|²)/|z − w|²·(z − w) − w on unit vectors, |w| ≤ 0.7."""

    def __init__(self, dim=3):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim, 2))

    def move(self, angle, sign):
        w = self.raw * 0.7 / (1 + self.raw.square().sum(1, keepdim=True)).sqrt()
        wx, wy = (sign * w).unbind(1)
        dx, dy = angle.cos() - wx, angle.sin() - wy
        gain = (1 - wx * wx - wy * wy) / (dx * dx + dy * dy)
        turned = torch.atan2(gain * dy - wy, gain * dx - wx)
        return wrap(turned), gain.log().sum(1)

    def forward(self, x):
        return self.move(x, 1)

    def inverse(self, z):
        return self.move(z, -1)


class StickBreaking(nn.Module):
    """R^(K−1) to the simplex of K, 0 to its centre; log-det of the first K − 1 parts."""

    def __init__(self, parts=4):
        super().__init__()
        self.register_buffer("offset", torch.arange(parts - 1, 0, -1.0).log())

    def forward(self, x):
        u = x - self.offset.to(x)
        left = torch.cat((u.new_zeros(len(u), 1), logsigmoid(-u).cumsum(1)), 1)
        logs = torch.cat((logsigmoid(u), u.new_zeros(len(u), 1)), 1) + left
        return logs.exp(), (logsigmoid(u) + logsigmoid(-u) + left[:, :-1]).sum(1)

    def inverse(self, z):
        rest = z.flip(1).cumsum(1).flip(1)
        u = z[:, :-1].log() - rest[:, 1:].log()
        left = rest[:, :-1].log()
        return u + self.offset.to(z), -(logsigmoid(u) + logsigmoid(-u) + left).sum(1)


class Ordered(constraints.Constraint):
    """Strictly increasing vectors."""

    event_dim = 1

    def check(self, value):
        return (value[..., 1:] > value[..., :-1]).all(-1)


class Sorted(nn.Module):
    """(x₁, x₁ + e^x₂, …): ordinal thresholds."""

    def forward(self, x):
        return torch.cat((x[:, :1], x[:, 1:].exp()), 1).cumsum(1), x[:, 1:].sum(1)

    def inverse(self, z):
        gaps = z.diff(dim=1).log()
        return torch.cat((z[:, :1], gaps), 1), -gaps.sum(1)


class Cholesky(nn.Module):
    """Six numbers to a lower triangular 3×3 matrix, e^x on the diagonal."""

    def forward(self, x):
        rows, columns = torch.tril_indices(3, 3)
        value = torch.where(rows == columns, x.exp(), x)
        z = x.new_zeros(len(x), 3, 3).index_put((slice_of(x), rows, columns), value)
        return z, x[:, rows == columns].sum(1)

    def inverse(self, z):
        rows, columns = torch.tril_indices(3, 3)
        value = z[:, rows, columns]
        diagonal = rows == columns
        safe = torch.where(diagonal, value, torch.ones_like(value)).log()
        x = torch.where(diagonal, safe, value)
        return x, -x[:, diagonal].sum(1)


def slice_of(x):
    return torch.arange(len(x))[:, None]


class CorrCholesky(nn.Module):
    """Three numbers to the Cholesky factor of a 3×3 correlation matrix (LKJ), rows of length 1."""

    def forward(self, x):
        t, log_c = x.tanh(), -torch.logaddexp(x, -x) + math.log(2)
        a, b, c = t.unbind(1)
        ca, cb, cc = log_c.exp().unbind(1)
        zero, one = torch.zeros_like(a), torch.ones_like(a)
        z = torch.stack((one, zero, zero, a, ca, zero, b, cb * c, cb * cc), 1)
        return z.unflatten(1, (3, 3)), 2 * log_c.sum(1) + log_c[:, 1]

    def inverse(self, z):
        a = torch.asinh(z[:, 1, 0] / z[:, 1, 1])
        b = torch.asinh(z[:, 2, 0] / torch.hypot(z[:, 2, 1], z[:, 2, 2]))
        c = torch.asinh(z[:, 2, 1] / z[:, 2, 2])
        x = torch.stack((a, b, c), 1)
        log_c = -torch.logaddexp(x, -x) + math.log(2)
        return x, -(2 * log_c.sum(1) + log_c[:, 1])


class HalfLine(nn.Module):
    """log(x − 6.5)."""

    def forward(self, x):
        z = (x - 6.5).log()
        return z, -z.sum(1)

    def inverse(self, z):
        return z.exp() + 6.5, z.sum(1)


class Interval(nn.Module):
    """(−2, 3) to R."""

    def forward(self, x):
        low, high = (x + 2).log(), (3 - x).log()
        return low - high, (math.log(5) - low - high).sum(1)

    def inverse(self, z):
        log_slope = math.log(5) + logsigmoid(z) + logsigmoid(-z)
        x = torch.where(z < 0, -2 + 5 * z.sigmoid(), 3 - 5 * (-z).sigmoid())
        return x, log_slope.sum(1)


CIRCLES = {"event_shape": (3,), "domain": "circle", "codomain": "circle"}


@invbench.layer("c-circle-turn", **CIRCLES)
def turn(seed):
    return Turn()


@invbench.layer("c-circle-turn-undeclared", event_shape=(3,))
def turn_undeclared(seed):
    return Turn()


@invbench.layer("c-circle-moebius", **CIRCLES)
def moebius(seed):
    return Moebius()


@invbench.layer("c-circle-moebius-undeclared", event_shape=(3,))
def moebius_undeclared(seed):
    return Moebius()


@invbench.layer("c-simplex", event_shape=(3,), latent_shape=(4,), codomain="simplex", data_range=12)
def simplex(seed):
    return StickBreaking()


@invbench.layer("c-simplex-undeclared", event_shape=(3,))
def simplex_undeclared(seed):
    return StickBreaking()


@invbench.layer("c-ordered", event_shape=(4,), codomain=Ordered(), data_range=5)
def ordered(seed):
    return Sorted()


@invbench.layer("c-ordered-undeclared", event_shape=(4,))
def ordered_undeclared(seed):
    return Sorted()


CHOLESKY = {"event_shape": (6,), "latent_shape": (3, 3), "codomain": "lower_cholesky"}
CORRELATION = {"event_shape": (3,), "latent_shape": (3, 3), "codomain": "corr_cholesky"}


@invbench.layer("c-cholesky", **CHOLESKY, data_range=20)
def cholesky(seed):
    return Cholesky()


@invbench.layer("c-cholesky-undeclared", event_shape=(6,))
def cholesky_undeclared(seed):
    return Cholesky()


@invbench.layer("c-correlation-cholesky", **CORRELATION, data_range=8)
def correlation(seed):
    return CorrCholesky()


@invbench.layer("c-half-line", event_shape=(3,), domain="greater_than(6.5)")
def half_line(seed):
    return HalfLine()


@invbench.layer("c-interval", event_shape=(3,), domain="interval(-2, 3)")
def interval(seed):
    return Interval()


@invbench.layer("c-interval-undeclared", event_shape=(3,))
def interval_undeclared(seed):
    return Interval()
