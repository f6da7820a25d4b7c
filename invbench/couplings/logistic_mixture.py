"""The mixture-of-logistics coupling of Flow++."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from invbench.couplings.design import Design, shift
from invbench.couplings.root import monotone_root, through_root
from invbench.registry import coupling

__all__ = ["LogisticMixture"]

LOG_SCALE_LIMIT = 7.0
LOG_GAIN_LIMIT = 3.0  # logit F rounds by u near 0, and e^a multiplies that
FARTHEST = 8.0  # of a mean from 0
FIXED = 0.01  # weight of the fixed component
GRID_SLACK = 3e-3


@coupling("logistic-mixture")
class LogisticMixture(Design):
    """y = e^a·logit(F(x)) + t,  F(x) = ε·sigmoid(x) + (1 − ε)·Σ_k π_k·sigmoid(z_k),  z_k = (x − μ_k)/s_k,  K = 4, ε = 0.01.

    logit F = log F − log(1 − F), each by a logsumexp over logsigmoid(±z). The slope is a ratio of averages, so that it has no
    difference of large logarithms: with ω_k ∝ π_k·(1 − F_k),  e^(−a)·c′ = Σ ω_k·F_k/s_k / F  for F ≥ 1/2, mirrored below.
    Both tails have the slope e^a/max s_k; c′ ≤ e^a/min s_k, because Σ π_k F_k(1 − F_k) ≤ F(1 − F).

    Between two narrow components that lie far apart Flow++'s F is constant to the last bit and cannot be inverted. Ours has the
    fixed component of weight ε, and |μ_k| < 8, so that e^(−a)·c′ ≥ 4ε·sigmoid′(8) = 1.3e-5 in [−8, 8], and outside c′ ≥ e^a/(2·max s_k).

    Parameters, raw: K logits of π, K means 8·tanh(raw/8), K log-scales (saturating at ±7), a (saturating at ±3), t. Zero parameters give
    the identity. The root of logit F = v lies between the least and the largest μ_k + s_k·v.
    """

    closed_inverse = False
    working = torch.float64
    slope_range = (
        4 * FIXED * math.exp(-FARTHEST) / (1 + math.exp(-FARTHEST)) ** 2 * math.exp(-LOG_GAIN_LIMIT),
        math.exp(LOG_SCALE_LIMIT + LOG_GAIN_LIMIT),
    )
    displacement = math.inf
    tail_slopes_equal = False
    metadata = {
        "citation": "Ho, Chen, Srinivas, Duan, Abbeel: Flow++, ICML 2019",
        "year": 2019,
        "family": "mixture",
        "formula": "y = e^a·logit(Σ_k π_k·sigmoid((x − μ_k)/s_k)) + t, K = 4",
    }

    def __init__(self, components: int = 4) -> None:
        super().__init__()
        if not (isinstance(components, int) and components >= 1):
            raise ValueError(f"logistic-mixture: components must be a positive integer, got {components!r}")
        self.components = components
        self.n_params = 3 * components + 2

    def _mixture(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """log π, μ, −log s of shape (K + 1, …), the fixed component last; a, t."""
        k = self.components
        log_s = params[2 * k : 3 * k].clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        a = params[3 * k].clamp(-LOG_GAIN_LIMIT, LOG_GAIN_LIMIT)
        log_pi = torch.log_softmax(params[:k], 0) + math.log1p(-FIXED)
        fixed = torch.zeros_like(log_s[:1])
        log_pi = torch.cat((log_pi, fixed + math.log(FIXED)))
        mean = FARTHEST * torch.tanh(params[k : 2 * k] / FARTHEST)
        return log_pi, torch.cat((mean, fixed)), torch.cat((-log_s, fixed)), a, shift(params[3 * k + 1])

    def _logit(self, x: Tensor, log_pi: Tensor, mean: Tensor, log_rate: Tensor) -> tuple[Tensor, Tensor]:
        """(logit F, log of its slope)."""
        z = (x - mean) * torch.exp(log_rate)
        below, above = log_pi + logsigmoid(z), log_pi + logsigmoid(-z)
        log_f, log_rest = _logsumexp(below), _logsumexp(above)
        right = log_f >= log_rest
        # averages over the smaller side, which is the one that decides the slope
        omega = torch.log_softmax(torch.where(right, above, below), 0)
        share = logsigmoid(torch.where(right, z, -z))
        log_slope = torch.logsumexp(omega + share + log_rate, 0) - torch.where(right, log_f, log_rest)
        return log_f - log_rest, log_slope

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_pi, mean, log_rate, a, t = self._mixture(params)
        logit, log_slope = self._logit(x, log_pi, mean, log_rate)
        return logit * torch.exp(a) + t, log_slope + a

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            log_pi, mean, log_rate, a, t = self._mixture(params)
            v = (y - t) * torch.exp(-a)
            ends = mean + v * torch.exp(-log_rate)

            def value(x: Tensor, *mixture: Tensor) -> tuple[Tensor, Tensor]:
                logit, log_slope = self._logit(x, *mixture)
                return logit, torch.exp(log_slope)

            x = monotone_root(value, v, ends.amin(0), ends.amax(0), given=(log_pi, mean, log_rate))
        return through_root(x, y, lambda x: self.encode(x, params))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Over all x: the tails, and 329 points around every component, |z| ≤ 88, refined around the extremes; widened by 0.3 %.

        log c′ varies on the scale of the components that matter at a place, and the points are s_k/8 apart near a centre; the bound
        e^a/min s_k caps the result.
        """
        dtype, shape = params.dtype, params.shape[1:]
        half = torch.cat((torch.linspace(1 / 8, 8, 64), torch.linspace(8.8, 88, 100))).double()
        z = torch.cat((-half, torch.zeros(1).double(), half))
        found = []
        for some in params.double().flatten(1).split(1024, dim=1):
            log_pi, mean, log_rate, a, _ = self._mixture(some)
            mixture = log_pi[:, None], mean[:, None], log_rate[:, None]
            x = (mean[:, None] + z[:, None] * torch.exp(-log_rate[:, None])).flatten(0, 1).sort(0).values
            logs = self._logit(x, *mixture)[1]
            low = self._closer(x, logs, logs.argmin(0), mixture).amin(0)
            high = self._closer(x, logs, logs.argmax(0), mixture).amax(0)
            rate = torch.exp(log_rate)
            tail = rate.amin(0)
            low = torch.minimum(low * (1 - GRID_SLACK), tail)
            high = torch.minimum(torch.maximum(high * (1 + GRID_SLACK), tail), rate.amax(0))
            found.append(torch.stack((low, high)) * torch.exp(a))
        low, high = torch.cat(found, dim=1).reshape(2, *shape).to(dtype)
        return low, high

    def _closer(self, x: Tensor, logs: Tensor, at: Tensor, mixture: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Slopes at 65 points between the neighbours of the grid point ``at``, that point among them."""
        last = x.shape[0] - 1
        left, right = (x.gather(0, (at + step).clamp(0, last)[None]) for step in (-1, 1))
        share = torch.linspace(0, 1, 65, dtype=torch.float64)[:, None]
        found = self._logit(left + (right - left) * share, *mixture)[1]
        return torch.cat((found, logs.gather(0, at[None]))).exp()

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        _, _, log_rate, a, _ = self._mixture(params)
        slope = torch.exp(log_rate.amin(0) + a)
        return slope, slope


def _logsumexp(v: Tensor) -> Tensor:
    """Over dim 0. Its gradient has weights that sum to 1; torch's are exp(v − result), which errs by u·|result| far out."""
    most = v.amax(0).detach()
    return most + (v - most).exp().sum(0).log()
