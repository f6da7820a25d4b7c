"""Sound chains of coupling layers: NICE, RealNVP, Glow steps on images, RevNet blocks."""

import torch
from torch import nn

import invbench


def mlp(inputs, outputs, hidden=16):
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


class Chain(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total = total + log_det
        return x, total

    def inverse(self, z):
        total = z.new_zeros(len(z))
        for layer in reversed(self.layers):
            z, log_det = layer.inverse(z)
            total = total + log_det
        return z, total


class Additive(nn.Module):
    """The second half moves by m(first half), then the halves change places."""

    def __init__(self, dim=6):
        super().__init__()
        self.net = mlp(dim // 2, dim // 2)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat((b + self.net(a), a), 1), x.new_zeros(len(x))

    def inverse(self, z):
        b, a = z.chunk(2, 1)
        return torch.cat((a, b - self.net(a)), 1), z.new_zeros(len(z))


class Affine(nn.Module):
    """RealNVP with log-scales tanh(s), then the halves change places."""

    def __init__(self, dim=6):
        super().__init__()
        self.net = mlp(dim // 2, dim)

    def heads(self, a):
        s, t = self.net(a).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        a, b = x.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((b * s.exp() + t, a), 1), s.sum(1)

    def inverse(self, z):
        b, a = z.chunk(2, 1)
        s, t = self.heads(a)
        return torch.cat((a, (b - t) * (-s).exp()), 1), -s.sum(1)


class InPlace(Affine):
    """The halves stay where they are, so that the Jacobian is triangular."""

    def forward(self, x):
        z, log_det = super().forward(x)
        return z.roll(3, 1), log_det

    def inverse(self, z):
        return super().inverse(z.roll(3, 1))


class Masked(nn.Module):
    """RealNVP as most tutorials have it: a checkerboard mask, and the network sees m·x."""

    def __init__(self, first, dim=5):
        super().__init__()
        self.register_buffer("mask", (torch.arange(dim) % 2 == first).float())
        self.net = mlp(dim, 2 * dim)

    def heads(self, kept):
        s, t = self.net(kept).chunk(2, 1)
        return s.tanh() * (1 - self.mask), t * (1 - self.mask)

    def forward(self, x):
        s, t = self.heads(x * self.mask)
        return x * s.exp() + t, s.sum(1)

    def inverse(self, z):
        s, t = self.heads(z * self.mask)
        return (z - t) * (-s).exp(), -s.sum(1)


class GlowStep(nn.Module):
    """ActNorm, a 1×1 convolution W = P·L·U, an affine coupling whose network is a convolution."""

    def __init__(self, channels=4):
        super().__init__()
        self.log_scale = nn.Parameter(torch.randn(channels) / 4)
        self.bias = nn.Parameter(torch.randn(channels) / 2)
        self.register_buffer("swap", torch.randperm(channels))
        self.register_buffer("sign", torch.randn(channels).sign())
        self.lower = nn.Parameter(torch.randn(channels, channels))
        self.upper = nn.Parameter(torch.randn(channels, channels))
        self.log_diagonal = nn.Parameter(torch.randn(channels) / 4)
        half = channels // 2
        first, last = nn.Conv2d(half, 8, 3, padding=1), nn.Conv2d(8, channels, 1)
        self.net = nn.Sequential(first, nn.Tanh(), last)

    def factors(self):
        eye = torch.eye(len(self.sign)).to(self.lower)
        lower = (0.3 * self.lower.tanh()).tril(-1) + eye
        log_d = self.log_diagonal.tanh()
        upper = (0.3 * self.upper.tanh()).triu(1) + eye * self.sign * log_d.exp()
        return lower, upper, log_d

    def heads(self, a):
        s, t = self.net(a).chunk(2, 1)
        return s.tanh(), t

    def forward(self, x):
        lower, upper, log_d = self.factors()
        log_s = self.log_scale.tanh()
        x = x * log_s.exp()[:, None, None] + self.bias[:, None, None]
        x = torch.einsum("ij,bjhw->bihw", lower @ upper, x)[:, self.swap]
        a, b = x.chunk(2, 1)
        s, t = self.heads(a)
        per_pixel = (log_s.sum() + log_d.sum()) * x.shape[2] * x.shape[3]
        return torch.cat((a, b * s.exp() + t), 1), s.flatten(1).sum(1) + per_pixel

    def inverse(self, z):
        lower, upper, log_d = self.factors()
        log_s = self.log_scale.tanh()
        a, b = z.chunk(2, 1)
        s, t = self.heads(a)
        z = torch.cat((a, (b - t) * (-s).exp()), 1)[:, self.swap.argsort()]
        v = torch.linalg.solve_triangular(lower, z.flatten(2), upper=False, unitriangular=True)
        v = torch.linalg.solve_triangular(upper, v, upper=True).reshape(z.shape)
        x = (v - self.bias[:, None, None]) * (-log_s).exp()[:, None, None]
        per_pixel = (log_s.sum() + log_d.sum()) * z.shape[2] * z.shape[3]
        return x, -s.flatten(1).sum(1) - per_pixel


class RevNet(nn.Module):
    """A reversible residual block: y₁ = x₁ + F(x₂), y₂ = x₂ + G(y₁); volume is kept."""

    def __init__(self, dim=6):
        super().__init__()
        self.f, self.g = mlp(dim // 2, dim // 2), mlp(dim // 2, dim // 2)

    def forward(self, x):
        x1, x2 = x.chunk(2, 1)
        y1 = x1 + self.f(x2)
        return torch.cat((y1, x2 + self.g(y1)), 1), x.new_zeros(len(x))

    def inverse(self, y):
        y1, y2 = y.chunk(2, 1)
        x2 = y2 - self.g(y1)
        return torch.cat((y1 - self.f(x2), x2), 1), y.new_zeros(len(y))


@invbench.layer("c-nice-2", event_shape=(6,))
def nice_2(seed):
    return Chain(Additive(), Additive())


@invbench.layer("c-nice-4", event_shape=(6,), training="same")
def nice_4(seed):
    return Chain(*(Additive() for _ in range(4)))


@invbench.layer("c-nice-8", event_shape=(6,))
def nice_8(seed):
    return Chain(*(Additive() for _ in range(8)))


@invbench.layer("c-realnvp-1", event_shape=(6,), order=(0, 1, 2, 3, 4, 5), untouched=(0, 1, 2))
def realnvp_1(seed):
    return InPlace()


@invbench.layer("c-realnvp-2", event_shape=(6,))
def realnvp_2(seed):
    return Chain(Affine(), Affine())


@invbench.layer("c-realnvp-4", event_shape=(6,))
def realnvp_4(seed):
    return Chain(*(Affine() for _ in range(4)))


@invbench.layer("c-realnvp-8", event_shape=(6,))
def realnvp_8(seed):
    return Chain(*(Affine() for _ in range(8)))


@invbench.layer("c-realnvp-masked-4", event_shape=(5,))
def realnvp_masked_4(seed):
    return Chain(*(Masked(k % 2) for k in range(4)))


@invbench.layer("c-glow-2", event_shape=(4, 2, 2))
def glow_2(seed):
    return Chain(GlowStep(), GlowStep())


@invbench.layer("c-glow-4", event_shape=(4, 2, 2))
def glow_4(seed):
    return Chain(*(GlowStep() for _ in range(4)))


@invbench.layer("c-glow-8", event_shape=(4, 2, 2))
def glow_8(seed):
    return Chain(*(GlowStep() for _ in range(8)))


@invbench.layer("c-revnet-1", event_shape=(6,))
def revnet_1(seed):
    return RevNet()


@invbench.layer("c-revnet-4", event_shape=(6,))
def revnet_4(seed):
    return Chain(*(RevNet() for _ in range(4)))
