"""logit F and its slope for a mixture F of logistic distributions, without differences of large
logarithms."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["logsumexp", "mixture_logit"]


def mixture_logit(
    x: Tensor, log_pi: Tensor, mean: Tensor, log_rate: Tensor
) -> tuple[Tensor, Tensor]:
    """(logit F, log of its slope) for F = Σ_k π_k·sigmoid((x − μ_k)/s_k), both x.shape; log π, μ
    and −log s are (components, *x.shape)."""
    z = (x - mean) * torch.exp(log_rate)
    below, above = log_pi + logsigmoid(z), log_pi + logsigmoid(-z)
    log_f, log_rest = logsumexp(below), logsumexp(above)
    right = log_f >= log_rest
    # averages over the smaller of F and 1 − F, which determines the slope
    omega = torch.log_softmax(torch.where(right, above, below), 0)
    share = logsigmoid(torch.where(right, z, -z))
    log_slope = torch.logsumexp(omega + share + log_rate, 0) - torch.where(right, log_f, log_rest)
    return log_f - log_rest, log_slope


def logsumexp(v: Tensor) -> Tensor:
    """log Σ exp over dimension 0, with a gradient whose weights sum to 1. Those of torch.logsumexp,
    exp(v − result), err by u·|result|."""
    most = v.amax(0).detach()
    return most + (v - most).exp().sum(0).log()
