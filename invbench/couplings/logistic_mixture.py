"""The mixture-of-logistics coupling of Flow++."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.mixture_logit import mixture_logit
from invbench.couplings.mixture_slopes import mixture_slopes
from invbench.couplings.root import monotone_root, through_root
from invbench.registry import coupling

__all__ = ["LogisticMixture"]

LOG_SCALE_LIMIT = 7.0
LOG_GAIN_LIMIT = 3.0  # e^a multiplies the rounding of logit F
FARTHEST = 8.0  # of a mean from 0
FIXED = 0.01  # weight of the fixed component


@coupling("logistic-mixture")
class LogisticMixture(CheckedElementwise):
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
    (saturating at ±3), t. Zero parameters give the identity. The root of logit F = v lies between
    the least and the largest μ_k + s_k·v.
    """

    closed_inverse = False
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

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            log_pi, mean, log_rate, a, t = self._mixture(params)
            v = (y - t) * torch.exp(-a)
            ends = mean + v * torch.exp(-log_rate)

            def value(x: Tensor, *mixture: Tensor) -> tuple[Tensor, Tensor]:
                logit, log_slope = mixture_logit(x, *mixture)
                return logit, torch.exp(log_slope)

            x = monotone_root(value, v, ends.amin(0), ends.amax(0), given=(log_pi, mean, log_rate))
        return through_root(x, y, lambda x: self.encode(x, params))

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
