"""The formulas as they were before they had options: today's defaults must be the same, bit for
bit."""

from __future__ import annotations

import math

import torch

from invbench.couplings.checked_elementwise import shift
from invbench.couplings.cubic_rational import FARTHEST, CubicRational
from invbench.couplings.root import monotone_root, through_root
from invbench.couplings.rq_spline import RQSpline
from invbench.flows.shapes import sum_events
from invbench.flows.split import Split


class CubicBefore(CubicRational):
    """``cubic-rational-bounded``, whose inverse iterated."""

    closed_inverse = False

    def _log_width(self, raw):
        return torch.log(0.5 * (1e-3 + (1 - 1e-3) * torch.sigmoid(raw)))

    def encode(self, x, params):
        a, log_w, t = self._amplitude(params[0]), self._log_width(params[1]), shift(params[2])
        u = (x * torch.exp(-log_w)).clamp(-FARTHEST, FARTHEST)
        return x + a * x / (1 + u * u) + t, self._log_slope(u, a)

    def decode(self, y, params):
        a, log_w, t = self._amplitude(params[0]), self._log_width(params[1]), shift(params[2])
        v = (y - t) * torch.exp(-log_w)

        def value(u, a):
            near = u.clamp(-FARTHEST, FARTHEST)
            return u + a * u / (1 + near * near), torch.exp(self._log_slope(near, a))

        with torch.no_grad():
            u = monotone_root(
                value, v, v, v / (1 + a), torch.where(v.abs() > 2, v, v / (1 + a)), (a,)
            )
            x = torch.where(u.abs() < FARTHEST, u * torch.exp(log_w), y - t)
        return through_root(x, y, lambda x: self.encode(x, params))


class RQBefore(RQSpline):
    """``rq-bounded(bins=4)``."""

    def __init__(self):
        super().__init__(4, 3.0, 0.05)

    def knot_slope(self, raw):
        return torch.exp(math.log(4.0) * torch.tanh(raw))


class SplitBefore(Split):
    """``Split``."""

    def forward(self, z):
        z1, z2 = z[:, : self.kept], z[:, self.kept :]
        mean, logs = self.network(z1).chunk(2, dim=1)
        return z1, (z2 - mean) * (-logs).exp(), -sum_events(logs)

    def inverse(self, z1, eps):
        mean, logs = self.network(z1).chunk(2, dim=1)
        return torch.cat((z1, mean + eps * logs.exp()), dim=1), sum_events(logs)
