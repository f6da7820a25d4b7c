"""Sound layers at the edge: ill-conditioned, far shifted, steep, flat."""

import math

import torch
from torch import nn

import invbench


class Pascal(nn.Module):
    """The symmetric Pascal matrix: determinant 1, inverse of integers, condition number 1e5."""

    def __init__(self, dim=6):
        super().__init__()
        rows = [[float(math.comb(i + j, i)) for j in range(dim)] for i in range(dim)]
        pascal = torch.tensor(rows, dtype=torch.float64)
        self.register_buffer("matrix", pascal.float())
        self.register_buffer("backward_matrix", torch.linalg.inv(pascal).round().float())

    def forward(self, x):
        return x @ self.matrix, x.new_zeros(len(x))

    def inverse(self, z):
        return z @ self.backward_matrix, z.new_zeros(len(z))


class UnitTriangular(nn.Module):
    """b += 1000 a, c += 1000 b: determinant 1."""

    def forward(self, x):
        a, b, c = x.unbind(1)
        b = b + 1000 * a
        return torch.stack((a, b, c + 1000 * b), 1), x.new_zeros(len(x))

    def inverse(self, z):
        a, b, c = z.unbind(1)
        return torch.stack((a, b - 1000 * a, c - 1000 * b), 1), z.new_zeros(len(z))


class Diagonal(nn.Module):
    """Fixed scales, powers of two, and a fixed shift."""

    def __init__(self, exponents, shift=0.0):
        super().__init__()
        self.register_buffer("scale", torch.tensor([2.0**k for k in exponents]))
        self.log_det, self.shift = sum(exponents) * math.log(2), shift

    def forward(self, x):
        return x * self.scale + self.shift, x.new_full((len(x),), self.log_det)

    def inverse(self, z):
        return (z - self.shift) / self.scale, z.new_full((len(z),), -self.log_det)


class Middle(nn.Module):
    """Slope k for |x| ≤ 1, slope 1 outside."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        inside = x.abs() <= 1
        z = torch.where(inside, self.k * x, x + (self.k - 1) * x.sign())
        return z, inside.to(x).sum(1) * math.log(self.k)

    def inverse(self, z):
        inside = z.abs() <= self.k
        x = torch.where(inside, z / self.k, z - (self.k - 1) * z.sign())
        return x, -inside.to(z).sum(1) * math.log(self.k)


class Identity(nn.Module):
    def forward(self, x):
        return x.clone(), x.new_zeros(len(x))

    inverse = forward


class LeakyPlanar(nn.Module):
    """x + û·leaky(w·x + b), wᵀû = softplus(a) − 1 held as its own parameter, so nothing cancels."""

    def __init__(self, dim=4, leak=0.1):
        super().__init__()
        self.leak = leak
        self.w, self.across = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(dim))
        self.a, self.b = nn.Parameter(torch.randn(())), nn.Parameter(torch.randn(()))

    def parts(self):
        """û with wᵀû = e^tanh(a) − 1, and the two gains 1 + slope·wᵀû."""
        w, gain = self.w / self.w.norm(), self.a.tanh().exp()
        across = self.across - (self.across @ w) * w
        return w, across + (gain - 1) * w, gain, 1 - self.leak + self.leak * gain

    def forward(self, x):
        w, u, gain, low = self.parts()
        h = x @ w + self.b
        left = h < 0
        moved = x + (torch.where(left, self.leak * h, h))[:, None] * u
        return moved, torch.where(left, low.log(), gain.log())

    def inverse(self, z):
        w, u, gain, low = self.parts()
        k = z @ w + self.b
        left = k < 0
        h = torch.where(left, self.leak * k / low, k / gain)
        return z - h[:, None] * u, -torch.where(left, low.log(), gain.log())


@invbench.layer("c-pascal", event_shape=(6,))
def pascal(seed):
    return Pascal()


@invbench.layer("c-unit-triangular", event_shape=(3,), order=(0, 1, 2))
def unit_triangular(seed):
    return UnitTriangular()


@invbench.layer("c-scales-2^-20", event_shape=(3,))
def tiny(seed):
    return Diagonal((-20, -20, -20))


@invbench.layer("c-scales-2^16", event_shape=(3,))
def steep(seed):
    return Diagonal((16, 16, 16))


@invbench.layer("c-scales-mixed", event_shape=(4,))
def mixed(seed):
    return Diagonal((-18, 0, 3, 18))


@invbench.layer("c-shift-1e6", event_shape=(3,))
def far(seed):
    return Diagonal((0, 1, -1), shift=1e6)


@invbench.layer("c-steep-middle-undeclared", event_shape=(3,))
def steep_middle(seed):
    return Middle(4096.0)


@invbench.layer("c-flat-middle-undeclared", event_shape=(3,))
def flat_middle(seed):
    return Middle(2.0**-10)


@invbench.layer("c-identity", event_shape=(3,))
def identity(seed):
    return Identity()


@invbench.layer("c-leaky-planar-undeclared", event_shape=(4,))
def leaky_planar(seed):
    return LeakyPlanar()
