"""Faults in log-determinants of maps between spaces: simplex, ball, half-line, matrices."""

import math

import torch
from torch import nn
from torch.distributions import constraints

import invbench


def twins(key, make, **declared):
    for faulty in (True, False):

        def build(seed, faulty=faulty):
            return make(faulty)

        invbench.layer(f"c-{key}-{'faulty' if faulty else 'fixed'}", **declared)(build)


class CentredSoftmax(nn.Module):
    """pymc-devs/pymc#4129: an earlier simple stick breaking has a wrong determinant.

    x = 0, three parts: log_det −3.296, right −2.197 (log 3 was missing).
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty

    def log_det(self, log_z):
        return log_z.sum(1) + (0.0 if self.faulty else math.log(log_z.shape[1]))

    def forward(self, x):
        log_z = torch.cat((x, -x.sum(1, keepdim=True)), 1).log_softmax(1)
        return log_z.exp(), self.log_det(log_z)

    def inverse(self, z):
        log_z = z.log()
        return (log_z - log_z.mean(1, keepdim=True))[:, :-1], -self.log_det(log_z)


class InL1Ball(constraints.Constraint):
    event_dim = 1

    def check(self, value):
        return value.abs().sum(-1) < 1


class L1Ball(nn.Module):
    """pyro-ppl/numpyro#1090 (review): x·(1 − e^−n)/n, n = |x|₁, with −n as the log-det.

    x = (1, 0, 0): log_det −1, right −1.917; only in one dimension is −n right.
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty

    def log_det(self, n, shrink):
        return -n if self.faulty else -n + 2 * shrink.log()

    @staticmethod
    def shrink(n):
        safe = n.clamp(min=1e-6)
        return torch.where(n > 1e-6, -torch.expm1(-safe) / safe, 1 - n / 2)

    def forward(self, x):
        n = x.abs().sum(1)
        shrink = self.shrink(n)
        return x * shrink[:, None], self.log_det(n, shrink)

    def inverse(self, z):
        n = -(-z.abs().sum(1)).log1p()
        shrink = self.shrink(n)
        return z / shrink[:, None], -self.log_det(n, shrink)


class LogPrecision(nn.Module):
    """aknandi/disaggregation#60: z = log τ = −2 log σ, adjusted by the Jacobian of log σ.

    σ = (1, 1): log_det 0, right 1.386.
    """

    def __init__(self, faulty):
        super().__init__()
        self.constant = 0.0 if faulty else math.log(2)

    def forward(self, x):
        return -2 * x.log(), (self.constant - x.log()).sum(1)

    def inverse(self, z):
        return (-z / 2).exp(), (-self.constant - z / 2).sum(1)


class ArgumentOfExp(nn.Module):
    """aesara-devs/aeppl#30: the log-det is taken at the transformed value, not at the original one.

    x = (0, 0): log_det 2, right 0.
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty

    def forward(self, x):
        z = x.exp()
        return z, (z if self.faulty else x).sum(1)

    def inverse(self, z):
        x = z.log()
        return x, -(z if self.faulty else x).sum(1)


class Covariance(nn.Module):
    """stan-dev/docs#654: of W = L Lᵀ, «K log 2 · Σ …» was written for «K log 2 + Σ …».

    x = 0, so L = 1: log_det 0, right 1.386.
    """

    def __init__(self, faulty):
        super().__init__()
        self.faulty = faulty

    def log_det(self, a, c):
        total = 2 * a + c
        total = 2 * math.log(2) * total if self.faulty else 2 * math.log(2) + total
        return total + a + c

    def forward(self, x):
        a, b, c = x.unbind(1)
        w11, w21, w22 = (2 * a).exp(), a.exp() * b, b * b + (2 * c).exp()
        z = torch.stack((w11, w21, w21, w22), 1).unflatten(1, (2, 2))
        return z, self.log_det(a, c)

    def inverse(self, z):
        a = z[:, 0, 0].log() / 2
        b = z[:, 1, 0] * (-a).exp()
        c = (z[:, 1, 1] - b * b).log() / 2
        return torch.stack((a, b, c), 1), -self.log_det(a, c)


SOFTMAX = {"latent_shape": (3,), "codomain": "simplex", "data_range": 6}
COVARIANCE = {"latent_shape": (2, 2), "codomain": "positive_definite", "data_range": 3}
twins("centred-softmax", CentredSoftmax, event_shape=(2,), **SOFTMAX)
twins("l1-ball", L1Ball, event_shape=(3,), codomain=InL1Ball(), data_range=2)
twins("sd-for-precision", LogPrecision, event_shape=(2,), domain="positive")
twins("argument-of-log-det", ArgumentOfExp, event_shape=(2,), codomain="positive", data_range=20)
twins("covariance-product", Covariance, event_shape=(3,), **COVARIANCE)
