"""Sound layers whose inverse is iterated or integrated: i-ResNet, CNF, monotone nets, mixtures."""

import torch
from torch import nn
from torch.nn.functional import logsigmoid

import invbench


def limited(weight, norm):
    return weight * (norm / torch.linalg.matrix_norm(weight, 2)).clamp(max=1)


class ResFlow(nn.Module):
    """x + W₂ tanh(W₁ x + b), ‖W₁‖, ‖W₂‖ ≤ 0.7; exact log-det; the inverse is a fixed point."""

    def __init__(self, steps, dim=3, hidden=8):
        super().__init__()
        self.steps = steps
        self.w1, self.b = nn.Parameter(torch.randn(hidden, dim)), nn.Parameter(torch.randn(hidden))
        self.w2 = nn.Parameter(torch.randn(dim, hidden))

    def branch(self, x):
        w1, w2 = limited(self.w1, 0.7), limited(self.w2, 0.7)
        t = (x @ w1.T + self.b).tanh()
        return t @ w2.T, (1 - t * t)[:, None, :] * w2 @ w1

    def forward(self, x):
        g, jacobian = self.branch(x)
        eye = torch.eye(x.shape[1]).to(x)
        return x + g, torch.linalg.slogdet(eye + jacobian)[1]

    def inverse(self, z):
        x = z
        for _ in range(self.steps):
            x = z - self.branch(x)[0]
        return x, -self.forward(x)[1]


class Cnf(nn.Module):
    """dx/dt = W₂ tanh(W₁ x + v·t + b) by Runge–Kutta 4 and its exact trace; backwards for data."""

    def __init__(self, steps, dim=3, hidden=8):
        super().__init__()
        self.steps = steps
        self.w1 = nn.Parameter(torch.randn(hidden, dim))
        self.w2 = nn.Parameter(torch.randn(dim, hidden))
        self.v, self.b = nn.Parameter(torch.randn(hidden)), nn.Parameter(torch.randn(hidden))

    def rate(self, t, x):
        w1, w2 = limited(self.w1, 1.0), limited(self.w2, 1.0)
        h = (x @ w1.T + self.v.tanh() * t + self.b).tanh()
        return h @ w2.T, (1 - h * h) @ (w2.T * w1).sum(1)

    def run(self, x, start, end):
        total, h = x.new_zeros(len(x)), (end - start) / self.steps
        for k in range(self.steps):
            t = start + k * h
            a, la = self.rate(t, x)
            b, lb = self.rate(t + h / 2, x + h / 2 * a)
            c, lc = self.rate(t + h / 2, x + h / 2 * b)
            d, ld = self.rate(t + h, x + h * c)
            x = x + h / 6 * (a + 2 * b + 2 * c + d)
            total = total + h / 6 * (la + 2 * lb + 2 * lc + ld)
        return x, total

    def forward(self, x):
        return self.run(x, 0.0, 1.0)

    def inverse(self, z):
        return self.run(z, 1.0, 0.0)


def bisect(function, z, low, high):
    """Halves [low, high] until the type has no number between; no gradient."""
    with torch.no_grad():
        for _ in range(120):
            middle = low + (high - low) / 2
            left = function(middle) >= z
            low, high = torch.where(left, low, middle), torch.where(left, middle, high)
    return low + (high - low) / 2


def polished(layer, x, z, *more):
    """One Newton step, which also carries the gradient of the inverse."""
    value, log_slope = layer.curve(x, *more)
    x = x + (z - value) * (-log_slope.detach()).exp()
    return x, -layer.curve(x, *more)[1]


class Monotone(nn.Module):
    """x + Σ a_k tanh(b_k x + c_k), a, b > 0: increasing and onto."""

    gradient = True

    def __init__(self, dim=3, units=4):
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.randn(dim, units)) for _ in range(3))

    def curve(self, x):
        a, b = self.a.tanh().exp(), self.b.tanh().exp()
        t = (x[..., None] * b + self.c).tanh()
        return x + (a * t).sum(-1), (a * b * (1 - t) * (1 + t)).sum(-1).log1p()

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z, log_slope.sum(1)

    def inverse(self, z):
        reach = self.a.detach().tanh().exp().sum(-1)
        x = bisect(lambda v: self.curve(v)[0], z.detach(), z.detach() - reach, z.detach() + reach)
        if self.gradient:
            x, log_slope = polished(self, x, z)
            return x, log_slope.sum(1)
        with torch.no_grad():
            return x, -self.curve(x)[1].sum(1)


class ForSampling(Monotone):
    """Bisection alone: data can be drawn, and nothing flows back."""

    gradient = False


class Newton(nn.Module):
    """x + a·asinh(x), a = e^tanh: concave on each side, so Newton never oversteps."""

    def __init__(self, dim=3):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim))

    def curve(self, x):
        a = self.raw.tanh().exp()
        return x + a * torch.asinh(x), (a / torch.hypot(torch.ones_like(x), x)).log1p()

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z, log_slope.sum(1)

    def inverse(self, z):
        with torch.no_grad():
            x = z / (1 + self.raw.tanh().exp())
            for _ in range(40):
                value, log_slope = self.curve(x)
                x = x + (z - value) * (-log_slope).exp()
        x, log_slope = polished(self, x, z)
        return x, log_slope.sum(1)


@invbench.coupling("c-logistic-mixture-coupling")
class LogisticMixture(invbench.Elementwise):
    """Flow++: logit of the CDF of three logistics, all in logarithms."""

    n_params = 9

    def parts(self, params):
        pi, mu, s = params.movedim(0, -1).chunk(3, -1)
        return (2 * pi.tanh()).log_softmax(-1), 3 * mu.tanh(), s.tanh().exp()

    def curve(self, x, params):
        log_pi, mu, s = self.parts(params)
        u = (x[..., None] - mu) / s
        log_f = (log_pi + logsigmoid(u)).logsumexp(-1)
        log_r = (log_pi + logsigmoid(-u)).logsumexp(-1)
        right = (log_pi + logsigmoid(-u)).log_softmax(-1) + logsigmoid(u) - s.log()
        left = (log_pi + logsigmoid(u)).log_softmax(-1) + logsigmoid(-u) - s.log()
        right, left = right.logsumexp(-1) - log_f, left.logsumexp(-1) - log_r
        log_slope = torch.where(log_f > log_r, right, left)
        return log_f - log_r, log_slope

    def forward(self, x, params):
        return self.curve(x, params)

    def inverse(self, y, params):
        _, mu, s = (v.detach() for v in self.parts(params))
        ends = mu + s * y.detach()[..., None]
        low, high = ends.amin(-1), ends.amax(-1)
        fixed = params.detach()
        x = bisect(lambda v: self.curve(v, fixed)[0], y.detach(), low, high)
        return polished(self, x, y, params)


class Quadrature(nn.Module):
    """UMNN: z = x₀ + ∫ from 0 to x of a positive network, 40 Gauss–Legendre nodes; |x| ≤ 3."""

    def __init__(self, dim=2, units=3):
        super().__init__()
        self.w, self.b, self.a = (nn.Parameter(torch.randn(dim, units)) for _ in range(3))
        self.shift = nn.Parameter(torch.randn(dim))
        n = torch.arange(1, 40, dtype=torch.float64)
        beta = n / (4 * n * n - 1).sqrt()
        nodes, vectors = torch.linalg.eigh(beta.diag(1) + beta.diag(-1))
        self.register_buffer("nodes", (nodes + 1) / 2)
        self.register_buffer("weights", vectors[0] ** 2)

    def log_rate(self, t):
        return (self.a.tanh() * (t[..., None] * self.w.tanh() + self.b).tanh()).sum(-1)

    def curve(self, x):
        steps = self.log_rate(x[..., None, :] * self.nodes.to(x)[:, None]).exp()
        area = (self.weights.to(x)[:, None] * steps).sum(-2)
        return self.shift + x * area, self.log_rate(x)

    def forward(self, x):
        z, log_slope = self.curve(x)
        return z, log_slope.sum(1)

    def inverse(self, z):
        low = torch.full_like(z, -4.0)
        x = bisect(lambda v: self.curve(v)[0], z.detach(), low, -low)
        x, log_slope = polished(self, x, z)
        return x, log_slope.sum(1)


ITERATED = {"event_shape": (3,), "inverse": "iterated"}


@invbench.layer("c-iresnet", **ITERATED, tolerance=1e-4)
def iresnet(seed):
    return ResFlow(20)


@invbench.layer("c-iresnet-undeclared", event_shape=(3,))
def iresnet_undeclared(seed):
    return ResFlow(60)


@invbench.layer("c-cnf", **ITERATED, tolerance=1e-4)
def cnf(seed):
    return Cnf(16)


@invbench.layer("c-cnf-undeclared", event_shape=(3,))
def cnf_undeclared(seed):
    return Cnf(40)


@invbench.layer("c-monotone-net-undeclared", event_shape=(3,))
def monotone(seed):
    return Monotone()


@invbench.layer("c-bisection", event_shape=(3,), inverse="sampling", tolerance=1e-5)
def bisection(seed):
    return ForSampling()


@invbench.layer("c-bisection-undeclared", event_shape=(3,))
def bisection_undeclared(seed):
    return ForSampling()


@invbench.layer("c-newton", **ITERATED, tolerance=1e-5)
def newton(seed):
    return Newton()


@invbench.layer("c-umnn", event_shape=(2,), inverse="iterated", tolerance=1e-4, data_range=3)
def umnn(seed):
    return Quadrature()
