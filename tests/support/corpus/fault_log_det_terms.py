"""Faults in what a log-determinant adds up: terms, factors and arguments."""

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid, softplus

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class BatchNormImage(nn.Module):
    """tensorflow/probability#238: the log-det of a channel is not taken H·W times.

    Any (2, 2, 2): log_det 0.6, right 2.4.
    """

    def __init__(self, faulty, channels=2):
        super().__init__()
        self.faulty = faulty
        self.log_gamma = nn.Parameter(torch.full((channels, 1, 1), 0.3))
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("var", torch.ones(channels, 1, 1))

    def log_scale(self, x):
        per_pixel = self.log_gamma - self.var.log() / 2
        pixels = 1 if self.faulty else x.shape[2:].numel()
        return per_pixel, (per_pixel.sum() * pixels).expand(len(x))

    def forward(self, x):
        log_s, log_det = self.log_scale(x)
        return (x - self.mean) * log_s.exp(), log_det

    def inverse(self, z):
        log_s, log_det = self.log_scale(z)
        return z * (-log_s).exp() + self.mean, -log_det


class FuzzyLogit(nn.Module):
    """mj-will/nessai#105: logit(x·(1 − 2f) + f), and log(1 − 2f) is missing in both directions.

    x = (0.5, 0.5), f = 0.05: log_det 2.773, right 2.562.
    """

    def __init__(self, faulty, fuzz=0.05):
        super().__init__()
        self.fuzz, self.constant = fuzz, 0.0 if faulty else math.log(1 - 2 * fuzz)

    def forward(self, x):
        u = x * (1 - 2 * self.fuzz) + self.fuzz
        return u.log() - (-u).log1p(), (self.constant - u.log() - (-u).log1p()).sum(1)

    def inverse(self, z):
        x = (z.sigmoid() - self.fuzz) / (1 - 2 * self.fuzz)
        return x, (logsigmoid(z) + logsigmoid(-z) - self.constant).sum(1)


class AlphaLogit(nn.Module):
    """phlippe/uvadlc_notebooks#57: data shrink by 1 − α before the logit, and never grow back.

    x = (0.1, 0.1), α = 0.1: the inverse gives 0.14 and log_det −4.234, right 0.1 and −4.023.
    """

    def __init__(self, faulty, alpha=0.1):
        super().__init__()
        self.faulty, self.alpha = faulty, alpha

    def forward(self, x):
        u = x * (1 - self.alpha) + self.alpha / 2
        return u.log() - (-u).log1p(), (math.log(1 - self.alpha) - u.log() - (-u).log1p()).sum(1)

    def inverse(self, z):
        u, log_det = z.sigmoid(), (logsigmoid(z) + logsigmoid(-z)).sum(1)
        if self.faulty:
            return u, log_det
        log_det = log_det - z.shape[1] * math.log(1 - self.alpha)
        return (u - self.alpha / 2) / (1 - self.alpha), log_det


class Chain(nn.Module):
    """tensorflow/models#7465: on the way back each layer's log-det replaces the sum so far.

    Any x: inverse log_det −1, right −3.
    """

    def __init__(self, faulty, dim=2, depth=3):
        super().__init__()
        self.faulty, self.s = faulty, nn.Parameter(torch.full((depth, dim), 0.5))

    def forward(self, x):
        total = x.new_zeros(len(x))
        for s in self.s:
            x, total = x * s.exp(), total + s.sum()
        return x, total

    def inverse(self, z):
        total = z.new_zeros(len(z))
        for s in self.s.flip(0):
            z = z * (-s).exp()
            total = total * (0 if self.faulty else 1) - s.sum()
        return z, total


class LogOfProduct(nn.Module):
    """ndeutschmann/zunis#28: the log of the product of the slopes, not the sum of their logs.

    64 elements of slope e^−2, float32: log_det −inf, right −128.
    """

    def __init__(self, faulty, dim=64):
        super().__init__()
        self.faulty, self.s = faulty, nn.Parameter(-2 + torch.randn(dim) / 100)

    def log_det(self, x):
        slopes = self.s.exp()
        return (slopes.prod().log() if self.faulty else self.s.sum()).expand(len(x))

    def forward(self, x):
        return x * self.s.exp(), self.log_det(x)

    def inverse(self, z):
        return z * (-self.s).exp(), -self.log_det(z)


class LogOfTinyDet(nn.Module):
    """pytorch/pytorch#18448: the determinant of a well-conditioned small matrix is 0 in float32.

    W = 1e−5·Q, 16×16: log_det −inf, right −184.207.
    """

    def __init__(self, faulty, dim=16):
        super().__init__()
        self.faulty = faulty
        self.weight = nn.Parameter(1e-5 * torch.linalg.qr(torch.randn(dim, dim))[0])

    def log_det(self, x):
        if self.faulty:
            return torch.linalg.det(self.weight).abs().log().expand(len(x))
        return torch.linalg.slogdet(self.weight)[1].expand(len(x))

    def forward(self, x):
        return x @ self.weight, self.log_det(x)

    def inverse(self, z):
        return torch.linalg.solve(self.weight, z, left=False), -self.log_det(z)


class Triangular(nn.Module):
    """danielward27/flowjax#40: wrong log-det of TriangularAffine; here of the raw diagonal.

    Raw diagonal 0.5: log_det −2.079, right −0.076.
    """

    def __init__(self, faulty, dim=3):
        super().__init__()
        self.faulty = faulty
        self.raw = nn.Parameter(torch.randn(dim, dim).tril(-1) / 2 + 0.5 * torch.eye(dim))

    def matrix(self):
        d = softplus(self.raw.diagonal()) + 1e-3
        log = self.raw.diagonal().abs().log() if self.faulty else d.log()
        return self.raw.tril(-1) + d.diag(), log.sum()

    def forward(self, x):
        lower, log_det = self.matrix()
        return x @ lower.T, log_det.expand(len(x))

    def inverse(self, z):
        lower, log_det = self.matrix()
        x = torch.linalg.solve_triangular(lower, z.T, upper=False).T
        return x, -log_det.expand(len(z))


UNIT = {"event_shape": (2,), "domain": "unit_interval"}

twins("batchnorm-pixels", BatchNormImage, event_shape=(2, 2, 2))
twins("fuzz-constant", FuzzyLogit, **UNIT, codomain="interval(-2.9444, 2.9444)")
twins("alpha-not-undone", AlphaLogit, **UNIT, codomain="interval(-2.9444, 2.9444)")
twins("accumulator-overwritten", Chain, event_shape=(2,))
twins("log-of-product", LogOfProduct, event_shape=(64,))
twins("log-of-tiny-det", LogOfTinyDet, event_shape=(16,))
twins("raw-diagonal", Triangular, event_shape=(3,))
