"""The mixture-of-logistics coupling of Flow++."""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import shift
from invbench.couplings.iterated import Iterated, Problem
from invbench.couplings.mixture_logit import mixture_logit
from invbench.couplings.mixture_slopes import mixture_slopes
from invbench.registry import coupling

__all__ = ["LogisticMixture"]

LOG_SCALE_LIMIT = 7.0
LOG_GAIN_LIMIT = 3.0  # e^a multiplies the rounding of logit F
FARTHEST = 8.0  # of a mean from 0
LOG2 = math.log(2)
FIXED = 0.01  # weight of the fixed component


@coupling("logistic-mixture")
class LogisticMixture(Iterated):
    """y = e^a·logit(F(x)) + t,  F(x) = ε·sigmoid(x) + (1 − ε)·Σ_k π_k·sigmoid(z_k),
    z_k = (x − μ_k)/s_k,  K = 4, ε = 0.01.

    logit F = log F − log(1 − F), each by a logsumexp over logsigmoid(±z). The slope is a ratio of
    averages, without a difference of large logarithms: e^(−a)·c′ = Σ ω_k·F_k/s_k / F with
    ω_k ∝ π_k·(1 − F_k) for F ≥ 1/2, mirrored below. Both tails have the slope e^a/max s_k.

    Between narrow components that lie far apart, F of Flow++ is constant to the last bit and cannot
    be inverted. Here a fixed component has the weight ε, and |μ_k| < 8. So c′ is bounded over all
    parameters. With F′ = Σ π_k·F_k·(1 − F_k)/s_k and e^(−a)·c′ = F′/(F(1 − F)):

    - c′ ≤ e^a/min s_k, because Σ π_k·F_k(1 − F_k) ≤ F(1 − F), x ↦ x(1 − x) being concave;
    - e^(−a)·c′ ≥ 4ε·sigmoid′(8) = 1.3e-5 in [−8, 8], where F′ ≥ ε·sigmoid′(8);
    - c′ ≥ e^a/(2·max s_k) to the right of 8, where F_k ≥ 1/2 and so F′ ≥ Σ π_k·(1 − F_k)/(2s_k);
      and likewise to the left of −8.

    For given parameters branch and bound certifies ``slope_bounds`` (``mixture_slopes``).

    Parameters, raw: K logits of π, K means 8·tanh(raw/8), K log-scales (saturating at ±7), a
    (saturating at ±3), t. Zero parameters give the identity. The inverse is a root (``problem``).
    """

    steps = 3
    coarse_steps = 6
    working = torch.float64
    slope_range = (
        4
        * FIXED
        * math.exp(-FARTHEST)
        / (1 + math.exp(-FARTHEST)) ** 2
        * math.exp(-LOG_GAIN_LIMIT),
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
            raise ValueError(
                f"logistic-mixture: components must be a positive integer, got {components!r}"
            )
        self.components = components
        self.n_params = 3 * components + 2

    def _mixture(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(log π, μ, −log s, a, t); the first three (K + 1, …), with the fixed component last."""
        k = self.components
        log_s = params[2 * k : 3 * k].clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        a = params[3 * k].clamp(-LOG_GAIN_LIMIT, LOG_GAIN_LIMIT)
        log_pi = torch.log_softmax(params[:k], 0) + math.log1p(-FIXED)
        fixed = torch.zeros_like(log_s[:1])
        log_pi = torch.cat((log_pi, fixed + math.log(FIXED)))
        mean = FARTHEST * torch.tanh(params[k : 2 * k] / FARTHEST)
        return (
            log_pi,
            torch.cat((mean, fixed)),
            torch.cat((-log_s, fixed)),
            a,
            shift(params[3 * k + 1]),
        )

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_pi, mean, log_rate, a, t = self._mixture(params)
        logit, log_slope = mixture_logit(x, log_pi, mean, log_rate)
        return logit * torch.exp(a) + t, log_slope + a

    def problem(self, y: Tensor, params: Tensor) -> Problem:
        """On the side where v = (y − t)·e^−a ≥ 0, with A_k = log π_k − log(1 − F):

            max_k μ_k + s_k·(A_k − log 2) ≤ x ≤ max_k μ_k + s_k·(A_k + log(K + 1)).

        On the right, some π_k·(1 − F_k) is at least the mean (1 − F)/(K + 1), so
        z_k ≤ log(e^(A_k)·(K + 1) − 1). On the left, none is above 1 − F, so z_k ≥ log(e^A_k − 1),
        which is at least A_k − log 2 where A_k ≥ log 2; others are left out. x lies between the
        least and the largest μ_k + s_k·v besides. v < 0 is the mirror image.

        The root is sought in float32, by a formula with one exponential per component, and finished
        in float64, where the bracket is asked again.
        """
        log_pi, mean, log_rate, a, t = self._mixture(params)
        v = (y - t) * torch.exp(-a)
        side = torch.where(v < 0, -1.0, 1.0).to(v.dtype)
        v, mean = v.abs(), side * mean
        scale = torch.exp(-log_rate)
        odds = log_pi + torch.nn.functional.softplus(v, threshold=50.0)
        ends = mean + scale * v
        least = torch.where(odds >= LOG2, mean + scale * (odds - LOG2), -torch.inf).amax(0)
        most = (mean + scale * (odds + math.log(len(mean)))).amax(0)
        low, high = torch.maximum(least, ends.amin(0)), torch.minimum(most, ends.amax(0))
        guess = (mean + scale * odds).amax(0)
        slack = 1e-9 * (low.abs() + high.abs())  # of roundings: the two bounds may coincide
        low, high = low - slack, high + slack
        mixture = [
            column.float()
            for part in (torch.exp(log_pi), mean, torch.exp(log_rate))
            for column in part.unbind(0)
        ]
        coarse = Problem(
            _right_logit, v.float(), low.float(), high.float(), guess.float(), mixture, 1.0
        )
        return Problem(
            _logit_and_slope, v, low, high, None, (log_pi, mean, log_rate), 0.1,
            lambda x: side * x, coarse,
        )  # fmt: skip

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Certified over all x, and within 0.1 % of the truth (``mixture_slopes``)."""
        dtype, shape = params.dtype, params.shape[1:]
        found = []
        for some in params.double().flatten(1).split(1024, dim=1):
            log_pi, mean, log_rate, a, _ = self._mixture(some)
            found.append(torch.stack(mixture_slopes(log_pi, mean, log_rate)) * torch.exp(a))
        low, high = torch.cat(found, dim=1).reshape(2, *shape).to(dtype)
        return low, high

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        _, _, log_rate, a, _ = self._mixture(params)
        slope = torch.exp(log_rate.amin(0) + a)
        return slope, slope


def _logit_and_slope(x: Tensor, *mixture: Tensor) -> tuple[Tensor, Tensor]:
    logit, log_slope = mixture_logit(x, *mixture)
    return logit, torch.exp(log_slope)


def _right_logit(x: Tensor, *mixture: Tensor) -> tuple[Tensor, Tensor]:
    """(logit F, its slope) where F is not much less than 1/2, from 1 − F = Σ π_k/(1 + e^z_k). All
    is multiplied by e^m, m = max(0, min z_k), so that the sum does not underflow."""
    k = len(mixture) // 3
    pi, mean, rate = mixture[:k], mixture[k : 2 * k], mixture[2 * k :]
    z = [(x - m) * r for m, r in zip(mean, rate, strict=True)]
    least = reduce(torch.minimum, z).clamp(min=0)
    unit, total, slope = torch.exp(-least), torch.zeros_like(x), torch.zeros_like(x)
    for one, p, r in zip(z, pi, rate, strict=True):
        above = 1 / (unit + torch.exp(one - least))
        total = total + p * above
        slope = slope + p * above * (1 - unit * above) * r
    rest = unit * total
    return torch.log1p(-rest) - torch.log(total) + least, slope / (total * (1 - rest))
