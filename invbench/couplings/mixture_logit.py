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
    """(logit F, log of its slope) of F = Σ_k π_k·sigmoid((x − μ_k)/s_k); weights, means and −log s
    of shape (components, *x.shape)."""
    z = (x - mean) * torch.exp(log_rate)
    below, above = log_pi + logsigmoid(z), log_pi + logsigmoid(-z)
    log_f, log_rest = logsumexp(below), logsumexp(above)
    right = log_f >= log_rest
    # averages over the smaller side, which is the one that decides the slope
    omega = torch.log_softmax(torch.where(right, above, below), 0)
    share = logsigmoid(torch.where(right, z, -z))
    log_slope = torch.logsumexp(omega + share + log_rate, 0) - torch.where(right, log_f, log_rest)
    return log_f - log_rest, log_slope


def logsumexp(v: Tensor) -> Tensor:
    """Over dim 0. Its gradient has weights that sum to 1; torch's are exp(v − result), which errs
    by u·|result| far out."""
    most = v.amax(0).detach()
    return most + (v - most).exp().sum(0).log()
