"""Sound linear maps: factorised matrices, orthogonal ones, convolutions, permutations, wavelets."""

import torch
from torch import nn

import invbench


class Plu(nn.Module):
    """Glow's 1×1 convolution on (C, H, W): W = P·L·U with a signed diagonal."""

    def __init__(self, channels=3):
        super().__init__()
        self.register_buffer("order", torch.randperm(channels))
        self.register_buffer("sign", torch.randn(channels).sign())
        self.lower = nn.Parameter(torch.randn(channels, channels) / 3)
        self.upper = nn.Parameter(torch.randn(channels, channels) / 3)
        self.log_d = nn.Parameter(torch.randn(channels) / 3)

    def factors(self):
        eye = torch.eye(len(self.sign)).to(self.lower)
        diagonal = eye * self.sign * self.log_d.tanh().exp()
        return self.lower.tril(-1) + eye, self.upper.triu(1) + diagonal

    def log_det(self, x):
        return (self.log_d.tanh().sum() * x.shape[2] * x.shape[3]).expand(len(x))

    def forward(self, x):
        lower, upper = self.factors()
        z = lower @ (upper @ x.flatten(2))
        return z[:, self.order].reshape(x.shape), self.log_det(x)

    def inverse(self, z):
        lower, upper = self.factors()
        v = z[:, self.order.argsort()].flatten(2)
        v = torch.linalg.solve_triangular(lower, v, upper=False, unitriangular=True)
        v = torch.linalg.solve_triangular(upper, v, upper=True)
        return v.reshape(z.shape), -self.log_det(z)


class Lu(nn.Module):
    """Rows times L·U, diagonal softplus; biased."""

    def __init__(self, dim=5):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim, dim) / 4)
        self.bias = nn.Parameter(torch.randn(dim))

    def factors(self):
        d = nn.functional.softplus(self.raw.diagonal()) + 0.1
        eye = torch.eye(len(d)).to(d)
        return self.raw.tril(-1) + eye, self.raw.triu(1) + d.diag(), d

    def forward(self, x):
        lower, upper, d = self.factors()
        return x @ upper.T @ lower.T + self.bias, d.log().sum().expand(len(x))

    def inverse(self, z):
        lower, upper, d = self.factors()
        v = torch.linalg.solve_triangular(lower, (z - self.bias).T, upper=False)
        return torch.linalg.solve_triangular(upper, v, upper=True).T, -d.log().sum().expand(len(z))


class Householder(nn.Module):
    """K reflections x − 2 v (v·x)/(v·v); the inverse takes them in the other order."""

    def __init__(self, dim=5, count=3):
        super().__init__()
        self.v = nn.Parameter(torch.randn(count, dim))

    @staticmethod
    def reflect(x, v):
        return x - 2 * (x @ v)[:, None] * v / (v @ v)

    def forward(self, x):
        for v in self.v:
            x = self.reflect(x, v)
        return x, x.new_zeros(len(x))

    def inverse(self, z):
        for v in self.v.flip(0):
            z = self.reflect(z, v)
        return z, z.new_zeros(len(z))


class Qr(Householder):
    """Q from reflections, R upper triangular."""

    def __init__(self, dim=4):
        super().__init__(dim, dim)
        self.raw = nn.Parameter(torch.randn(dim, dim) / 3)

    def r(self):
        log_d = self.raw.diagonal().tanh()
        return self.raw.triu(1) + log_d.exp().diag(), log_d.sum()

    def forward(self, x):
        r, log_det = self.r()
        return super().forward(x @ r.T)[0], log_det.expand(len(x))

    def inverse(self, z):
        r, log_det = self.r()
        v = super().inverse(z)[0]
        return torch.linalg.solve_triangular(r, v.T, upper=True).T, -log_det.expand(len(z))


class Rotation(nn.Module):
    """exp(A), A = tanh(R − Rᵀ) antisymmetric, on the channels."""

    def __init__(self, dim=4):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(dim, dim))

    def q(self):
        return torch.matrix_exp((self.raw - self.raw.T).tanh())

    def forward(self, x):
        return torch.einsum("ij,bj...->bi...", self.q(), x), x.new_zeros(len(x))

    def inverse(self, z):
        return torch.einsum("ji,bj...->bi...", self.q(), z), z.new_zeros(len(z))


class LowRank(nn.Module):
    """x + U Vᵀ x with ‖U‖·‖V‖ ≤ 0.8; determinant and inverse of a 2×2 matrix."""

    def __init__(self, dim=6, rank=2):
        super().__init__()
        self.u, self.v = nn.Parameter(torch.randn(dim, rank)), nn.Parameter(torch.randn(dim, rank))

    def parts(self):
        u, v = (w * (0.9 / w.norm()).clamp(max=1) for w in (self.u, self.v))
        return u, v, torch.eye(u.shape[1]).to(u) + v.T @ u

    def forward(self, x):
        u, v, core = self.parts()
        return x + x @ v @ u.T, torch.linalg.slogdet(core)[1].expand(len(x))

    def inverse(self, z):
        u, v, core = self.parts()
        x = z - torch.linalg.solve(core, (z @ v).T).T @ u.T
        return x, -torch.linalg.slogdet(core)[1].expand(len(z))


class Circulant(nn.Module):
    """Periodic convolution by FFT over 7 places: gains e^g and phases per frequency."""

    def __init__(self, n=7):
        super().__init__()
        self.n = n
        self.gain, self.phase = nn.Parameter(torch.randn(4) / 2), nn.Parameter(torch.randn(3))

    def spectrum(self, sign):
        g = (sign * self.gain.tanh()).exp()
        phase = torch.cat((g.new_zeros(1), sign * self.phase))
        return torch.complex(g * phase.cos(), g * phase.sin())

    def log_det(self, x):
        g = self.gain.tanh()
        return (g[0] + 2 * g[1:].sum()).expand(len(x))

    def forward(self, x):
        z = torch.fft.irfft(torch.fft.rfft(x) * self.spectrum(1.0), n=self.n)
        return z, self.log_det(x)

    def inverse(self, z):
        x = torch.fft.irfft(torch.fft.rfft(z) * self.spectrum(-1.0), n=self.n)
        return x, -self.log_det(z)


class CausalConv(nn.Module):
    """Emerging convolution over time, (C, T): taps of the past mix channels, the present is L."""

    def __init__(self, channels=2):
        super().__init__()
        self.past = nn.Parameter(torch.randn(2, channels, channels) / 3)
        self.raw = nn.Parameter(torch.randn(channels, channels) / 3)

    def now(self):
        log_d = self.raw.diagonal().tanh()
        return self.raw.tril(-1) + log_d.exp().diag(), log_d.sum()

    def memory(self, steps):
        """What the last two steps, newest last, add to the present."""
        taps = 0.4 * self.past.tanh()
        return sum(v @ w.T for v, w in zip(reversed(steps[-2:]), taps, strict=False))

    def forward(self, x):
        now, log_d = self.now()
        steps = list(x.unbind(2))
        out = [v @ now.T + self.memory(steps[:t]) for t, v in enumerate(steps)]
        return torch.stack(out, 2), (log_d * x.shape[2]).expand(len(x))

    def inverse(self, z):
        now, log_d = self.now()
        steps = []
        for v in z.unbind(2):
            free = v - self.memory(steps)
            steps.append(torch.linalg.solve_triangular(now, free.T, upper=False).T)
        return torch.stack(steps, 2), -(log_d * z.shape[2]).expand(len(z))


class Permute(nn.Module):
    def __init__(self, dim=6):
        super().__init__()
        self.register_buffer("order", torch.randperm(dim))

    def forward(self, x):
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, z):
        return z[:, self.order.argsort()], z.new_zeros(len(z))


class Haar(nn.Module):
    """(C, H, W) to (4C, H/2, W/2): mean and three differences of each 2×2 block, orthonormal."""

    def __init__(self):
        super().__init__()
        h = torch.tensor([[1.0, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
        self.register_buffer("h", h)

    def forward(self, x):
        corners = (x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2])
        z = torch.einsum("kj,bjcyx->bkcyx", self.h, torch.stack(corners, 1))
        return z.flatten(1, 2), x.new_zeros(len(x))

    def inverse(self, z):
        b, c, h, w = z.shape
        bands = z.reshape(b, 4, c // 4, h, w)
        a0, a1, a2, a3 = torch.einsum("kj,bkcyx->bjcyx", self.h, bands).unbind(1)
        top, low = torch.stack((a0, a1), -1).flatten(-2), torch.stack((a2, a3), -1).flatten(-2)
        return torch.stack((top, low), -2).flatten(-3, -2), z.new_zeros(len(z))


@invbench.layer("c-plu-conv", event_shape=(3, 2, 2))
def plu(seed):
    return Plu()


@invbench.layer("c-lu", event_shape=(5,))
def lu(seed):
    return Lu()


@invbench.layer("c-householder", event_shape=(5,))
def householder(seed):
    return Householder()


@invbench.layer("c-qr", event_shape=(4,))
def qr(seed):
    return Qr()


@invbench.layer("c-rotation-conv", event_shape=(4, 3))
def rotation(seed):
    return Rotation()


@invbench.layer("c-low-rank", event_shape=(6,))
def low_rank(seed):
    return LowRank()


@invbench.layer("c-circulant-undeclared", event_shape=(7,))
def circulant(seed):
    return Circulant()


@invbench.layer("c-causal-conv", event_shape=(2, 5))
def causal_conv(seed):
    return CausalConv()


@invbench.layer("c-permutation", event_shape=(6,))
def permutation(seed):
    return Permute()


@invbench.layer("c-haar", event_shape=(1, 4, 4), latent_shape=(4, 2, 2))
def haar(seed):
    return Haar()


@invbench.layer("c-haar-undeclared", event_shape=(2, 4, 2))
def haar_undeclared(seed):
    return Haar()
