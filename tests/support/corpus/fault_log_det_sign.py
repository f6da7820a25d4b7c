"""Faults in the sign of a log-determinant. Each case says wrong and right value."""

import math

import torch
from torch import nn
from torch.nn.functional import logsigmoid

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class Maf(nn.Module):
    """ikostrikov/pytorch-flows#16: the inverse of MADE gives the forward log-det.

    x = 0: inverse log_det −1.386, right +1.386.
    """

    def __init__(self, faulty, dim=3):
        super().__init__()
        self.faulty = faulty
        self.m, self.a = (nn.Parameter(torch.randn(dim, dim) / 2) for _ in range(2))
        self.bias = nn.Parameter(torch.full((dim,), 0.5))

    def heads(self, x):
        return x @ self.m.tril(-1).T, (x @ self.a.tril(-1).T + self.bias).tanh()

    def forward(self, x):
        m, a = self.heads(x)
        return (x - m) * (-a).exp(), -a.sum(1)

    def inverse(self, z):
        x = torch.zeros_like(z)
        for _ in range(z.shape[1]):
            m, a = self.heads(x)
            x = z * a.exp() + m
        a = self.heads(x)[1]
        return x, -a.sum(1) if self.faulty else a.sum(1)


class CenterAndScale(nn.Module):
    """Information-Fusion-Lab-Umass/NuX#10: one log-det for both directions.

    Any x: inverse log_det −0.316, right +0.316.
    """

    def __init__(self, faulty, s=0.9):
        super().__init__()
        self.faulty, self.s = faulty, s

    def forward(self, x):
        return x * self.s + (1 - self.s) / 2, x.new_full((len(x),), x.shape[1] * math.log(self.s))

    def inverse(self, z):
        log_det = z.new_full((len(z),), z.shape[1] * math.log(self.s))
        return (z - (1 - self.s) / 2) / self.s, log_det if self.faulty else -log_det


class TwoBins(nn.Module):
    """facebookincubator/flowtorch#100: the inverse of the spline returns + log-slope.

    x = (−0.5, −0.5): inverse log_det +0.695, right −0.695.
    """

    def __init__(self, faulty, dim=2):
        super().__init__()
        self.faulty, self.raw = faulty, nn.Parameter(torch.full((dim,), 0.5))

    def slope(self, v, knot, height):
        s = torch.where(v < knot, 1 + height, 1 - height)
        return torch.where(v.abs() < 1, s, torch.ones_like(s))

    def forward(self, x):
        h = 0.9 * self.raw.tanh()
        s = self.slope(x, torch.zeros_like(h), h)
        return torch.where(x.abs() < 1, h + s * x, x), s.log().sum(1)

    def inverse(self, z):
        h = 0.9 * self.raw.tanh()
        s = self.slope(z, h, h)
        log_det = s.log().sum(1)
        return torch.where(z.abs() < 1, (z - h) / s, z), log_det if self.faulty else -log_det


class Standardise(nn.Module):
    """bayesflow-org/bayesflow#471: log σ is added towards noise and subtracted towards data.

    Any x: log_det +1.5, right −1.5.
    """

    def __init__(self, faulty, dim=3):
        super().__init__()
        self.sign = -1 if faulty else 1
        self.mean = nn.Parameter(torch.randn(dim))
        self.log_std = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x):
        z = (x - self.mean) * (-self.log_std).exp()
        return z, (-self.sign * self.log_std.sum()).expand(len(x))

    def inverse(self, z):
        x = z * self.log_std.exp() + self.mean
        return x, (self.sign * self.log_std.sum()).expand(len(z))


class LogisticCdf(nn.Module):
    """tensorflow/tensorflow#10131: log_cdf of the logistic has the wrong sign, so has the density.

    x = 0: log_det 0, right −1.386 per element.
    """

    def __init__(self, faulty):
        super().__init__()
        self.sign = -1 if faulty else 1

    def log_pdf(self, x):
        return (self.sign * logsigmoid(x) + logsigmoid(-x)).sum(1)

    def forward(self, x):
        return x.sigmoid(), self.log_pdf(x)

    def inverse(self, z):
        x = z.log() - (-z).log1p()
        return x, -self.log_pdf(x)


class LeakyRelu(nn.Module):
    """MachineLearningLifeScience/stochman#13: the Jacobian forgets the slope for negative inputs.

    x = −1: log_det 0, right −1.609 per element.
    """

    def __init__(self, faulty, slope=0.2):
        super().__init__()
        self.slope, self.log = slope, 0.0 if faulty else math.log(slope)

    def forward(self, x):
        return torch.where(x < 0, self.slope * x, x), (x < 0).to(x).sum(1) * self.log

    def inverse(self, z):
        return torch.where(z < 0, z / self.slope, z), -(z < 0).to(z).sum(1) * self.log


class LogOfDet(nn.Module):
    """aesara-devs/aeppl#111 (kazewong/jim#126): log(det J) where log|det J| was meant.

    W = (0 2; 1 0.1): log_det NaN, right 0.693.
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty
        self.weight = nn.Parameter(torch.tensor([[0.0, 2.0], [1.0, 0.1]]))

    def log_det(self, x):
        det = torch.linalg.det(self.weight)
        return (det if self.faulty else det.abs()).log().expand(len(x))

    def forward(self, x):
        return x @ self.weight, self.log_det(x)

    def inverse(self, z):
        return torch.linalg.solve(self.weight, z, left=False), -self.log_det(z)


class Rescale(nn.Module):
    """mj-will/nessai#76: log(scale) of a scale that may be negative.

    scale = (2, −3): log_det NaN, right −1.792.
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty, self.scale = faulty, nn.Parameter(torch.tensor([2.0, -3.0]))

    def log_det(self, x):
        return (self.scale if self.faulty else self.scale.abs()).log().sum().expand(len(x))

    def forward(self, x):
        return x / self.scale, -self.log_det(x)

    def inverse(self, z):
        return z * self.scale, self.log_det(z)


LOGISTIC = {"codomain": "unit_interval", "data_range": 12}

twins("maf-inverse-sign", Maf, event_shape=(3,))
twins("center-and-scale", CenterAndScale, event_shape=(3,))
twins("spline-inverse-sign", TwoBins, event_shape=(2,))
twins("standardise-sign", Standardise, event_shape=(3,))
twins("logistic-cdf-sign", LogisticCdf, event_shape=(2,), **LOGISTIC)
twins("leaky-relu-negative", LeakyRelu, event_shape=(3,))
twins("log-of-signed-det", LogOfDet, event_shape=(2,))
twins("negative-scale", Rescale, event_shape=(2,))
