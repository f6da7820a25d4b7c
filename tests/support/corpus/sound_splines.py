"""Sound splines: in a box with identity outside, as couplings and layers, and on the unit cube."""

import torch
from torch import nn

import invbench

BOX = 3.0


def knots(raw, low, high):
    """Knots (…, K + 1) from low to high; bins differ by a factor of 20 at most."""
    widths = (1.5 * raw.tanh()).softmax(-1)
    inner = low + (high - low) * widths.cumsum(-1)[..., :-1]
    ends = inner[..., :1]
    return torch.cat((torch.full_like(ends, low), inner, torch.full_like(ends, high)), -1)


def pick(table, index):
    return table.gather(-1, index[..., None])[..., 0]


def bin_of(table, v):
    return (v[..., None] >= table[..., 1:-1]).sum(-1)


def linear_spline(v, xs, ys):
    """Value and log-slope of the piecewise linear map through (xs, ys)."""
    k = bin_of(xs, v)
    x0, x1, y0, y1 = pick(xs, k), pick(xs, k + 1), pick(ys, k), pick(ys, k + 1)
    slope = (y1 - y0) / (x1 - x0)
    return y0 + (v - x0) * slope, slope.log()


class RationalQuadratic:
    """Durkan et al.; log-slopes at the knots are within ±1, and 0 at both ends."""

    def __init__(self, raw, low, high):
        k = (raw.shape[-1] + 1) // 3
        self.xs = knots(raw[..., :k], low, high)
        self.ys = knots(raw[..., k : 2 * k], low, high)
        inner = raw[..., 2 * k :].tanh().exp()
        one = torch.ones_like(inner[..., :1])
        self.d = torch.cat((one, inner, one), -1)

    def bin(self, k):
        x0, y0 = pick(self.xs, k), pick(self.ys, k)
        w, h = pick(self.xs, k + 1) - x0, pick(self.ys, k + 1) - y0
        return x0, y0, w, h, h / w, pick(self.d, k), pick(self.d, k + 1)

    @staticmethod
    def log_slope(t, s, d0, d1):
        bend = s + (d1 + d0 - 2 * s) * t * (1 - t)
        top = d1 * t * t + 2 * s * t * (1 - t) + d0 * (1 - t) * (1 - t)
        return 2 * (s.log() - bend.log()) + top.log()

    def forward(self, x):
        x0, y0, w, h, s, d0, d1 = self.bin(bin_of(self.xs, x))
        t = ((x - x0) / w).clamp(0, 1)
        bend = s + (d1 + d0 - 2 * s) * t * (1 - t)
        y = y0 + h * (s * t * t + d0 * t * (1 - t)) / bend
        return y, self.log_slope(t, s, d0, d1)

    def inverse(self, y):
        x0, y0, w, h, s, d0, d1 = self.bin(bin_of(self.ys, y))
        r = ((y - y0) / h).clamp(0, 1)
        curve = d1 + d0 - 2 * s
        a, b, c = s - d0 + r * curve, d0 - r * curve, -s * r
        root = (b * b - 4 * a * c).clamp(min=0).sqrt()
        t = (2 * s * r / (b + root)).clamp(0, 1)
        return x0 + t * w, -self.log_slope(t, s, d0, d1)


def boxed(function, v):
    """Inside the box the spline, outside the identity; the spline never sees what is outside."""
    inside = v.abs() < BOX
    value, log_slope = function(torch.where(inside, v, torch.zeros_like(v)))
    zero = torch.zeros_like(v)
    return torch.where(inside, value, v), torch.where(inside, log_slope, zero)


@invbench.coupling("c-linear-spline-coupling")
class LinearSplineCoupling(invbench.Elementwise):
    n_params = 10

    def forward(self, x, params):
        xs, ys = (knots(p, -BOX, BOX) for p in params.movedim(0, -1).chunk(2, -1))
        return boxed(lambda v: linear_spline(v, xs, ys), x)

    def inverse(self, y, params):
        xs, ys = (knots(p, -BOX, BOX) for p in params.movedim(0, -1).chunk(2, -1))
        return boxed(lambda v: linear_spline(v, ys, xs), y)


@invbench.coupling("c-rq-coupling")
class RqCoupling(invbench.Elementwise):
    n_params = 14

    def forward(self, x, params):
        return boxed(RationalQuadratic(params.movedim(0, -1), -BOX, BOX).forward, x)

    def inverse(self, y, params):
        return boxed(RationalQuadratic(params.movedim(0, -1), -BOX, BOX).inverse, y)


class RqLayer(nn.Module):
    def __init__(self, dim=4, bins=6):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim, 3 * bins - 1))

    def run(self, v, way):
        raw = self.raw.expand(len(v), *self.raw.shape)
        value, log_slope = boxed(getattr(RationalQuadratic(raw, -BOX, BOX), way), v)
        return value, log_slope.sum(1)

    def forward(self, x):
        return self.run(x, "forward")

    def inverse(self, z):
        return self.run(z, "inverse")


class AutoregressiveRq(RqLayer):
    """Two elements: the second one's spline is set by the first through a network."""

    def __init__(self):
        super().__init__(1, 6)
        self.net = nn.Sequential(nn.Linear(1, 12), nn.Tanh(), nn.Linear(12, 17))

    def second(self, a, b, way):
        raw = self.net(a)[:, None]
        return boxed(getattr(RationalQuadratic(raw, -BOX, BOX), way), b)

    def forward(self, x):
        a, b = x[:, :1], x[:, 1:]
        za, la = self.run(a, "forward")
        zb, lb = self.second(a, b, "forward")
        return torch.cat((za, zb), 1), la + lb.sum(1)

    def inverse(self, z):
        a, la = self.run(z[:, :1], "inverse")
        b, lb = self.second(a, z[:, 1:], "inverse")
        return torch.cat((a, b), 1), la + lb.sum(1)


class UnitLinear(nn.Module):
    """A piecewise linear CDF on the unit cube."""

    def __init__(self, dim=3, bins=8):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim, bins))

    def tables(self, v):
        ys = knots(self.raw, 0.0, 1.0)
        xs = torch.linspace(0, 1, ys.shape[-1], dtype=ys.dtype, device=ys.device).expand_as(ys)
        return (t.expand(len(v), *t.shape) for t in (xs, ys))

    def forward(self, x):
        xs, ys = self.tables(x)
        z, log_slope = linear_spline(x, xs, ys)
        return z, log_slope.sum(1)

    def inverse(self, z):
        xs, ys = self.tables(z)
        x, log_slope = linear_spline(z, ys, xs)
        return x, log_slope.sum(1)


UNIT = {"domain": "unit_interval", "codomain": "unit_interval"}


@invbench.layer("c-rq-layer-undeclared", event_shape=(4,))
def rq_layer(seed):
    return RqLayer()


@invbench.layer("c-rq-autoregressive", event_shape=(2,), order=(0, 1))
def rq_autoregressive(seed):
    return AutoregressiveRq()


@invbench.layer("c-linear-cdf", event_shape=(3,), **UNIT)
def linear_cdf(seed):
    return UnitLinear()


@invbench.layer("c-linear-cdf-undeclared", event_shape=(3,))
def linear_cdf_undeclared(seed):
    return UnitLinear()
