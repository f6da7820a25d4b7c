"""The extremes over all x of the slope of logit F, F a mixture of logistic distributions, certified
by branch and bound."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from invbench.couplings.mixture_logit import mixture_logit

__all__ = ["SLACK", "mixture_slopes"]

SLACK = 1e-4  # by which a bound on the log-slope may miss the extreme
ROUNDS = 60
FAR = 88.0  # in scales s_k from every mean: beyond it F_k or 1 − F_k is below e^−88
# ends of the first intervals, in scales from every mean
START = (-FAR, -8.0, -2.0, 0.0, 2.0, 8.0, FAR)

Mixture = tuple[Tensor, Tensor, Tensor]


def mixture_slopes(log_pi: Tensor, mean: Tensor, log_rate: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds on (inf, sup) over all x of e^h, where h = log(F′/(F·G)) is the log-slope of logit F
    and G = 1 − F. Parameters are (components, n), the bounds (n,) each.

    The bounds enclose the range of h, exceed it by at most ``SLACK``, and are certified but for
    rounding. With F_k = sigmoid((x − μ_k)/s_k), G_k = 1 − F_k and weights w_k ∝ π_k·F_k·G_k/s_k,
    p_k ∝ π_k·F_k, q_k ∝ π_k·G_k,

        h″ = Var_w((1 − 2F_k)/s_k) − Var_p(G_k/s_k) − Var_q(F_k/s_k)
             + Σ (p_k + q_k − 2w_k)·F_k·G_k/s_k².

    On an interval of length δ with h″ ≤ M, h is at least the smaller of its ends less M·δ²/8. F_k
    is monotone and F_k·G_k has one peak, so both have exact bounds on an interval. A weight is at
    most its largest numerator over the sum of all least ones, and Var(v) ≤ Σ weight·max(v − c)² for
    any c. Intervals are halved while they could hold a value that is better than the best point by
    more than ``SLACK``.

    For x ≥ μ_k + 88·s_k for all k, F_k = 1 to within e^−88. The slope is then Σ q_k/s_k, which
    falls to 1/max s_k as q moves to the widest component. The left side is the mirror image.
    """
    z = torch.tensor(START, dtype=mean.dtype, device=mean.device)
    grid = (mean[:, None] + z[:, None] * torch.exp(-log_rate[:, None])).flatten(0, 1).sort(0).values
    mixture, tail = (log_pi, mean, log_rate), log_rate.amin(0)
    low = torch.minimum(-_largest(grid, mixture, -1), tail)
    high = torch.maximum(_largest(grid, mixture, 1), tail)
    return low.exp(), torch.minimum(high, log_rate.amax(0)).exp()


def _largest(grid: Tensor, mixture: Mixture, sign: int) -> Tensor:
    """An upper bound on sign·h between the ends of the grid (points, n), at most ``SLACK`` above
    the supremum."""
    log_pi, mean, log_rate = mixture
    heights = sign * mixture_logit(grid, log_pi[:, None], mean[:, None], log_rate[:, None])[1]
    best, n = heights.amax(0), grid.shape[1]
    rows = torch.arange(n, device=grid.device).expand(grid.shape[0] - 1, n).flatten()
    a, b, at_a, at_b = (v.flatten() for v in (grid[:-1], grid[1:], heights[:-1], heights[1:]))
    for _ in range(ROUNDS):
        bound = torch.maximum(at_a, at_b)
        bound = (
            bound + _bend(a, b, tuple(part[:, rows] for part in mixture), sign) * (b - a) ** 2 / 8
        )
        open_ = bound > best[rows] + SLACK
        if not open_.any():
            return best + SLACK
        a, b, at_a, at_b, rows, bound = (v[open_] for v in (a, b, at_a, at_b, rows, bound))
        middle = a + (b - a) / 2
        height = sign * mixture_logit(middle, *(part[:, rows] for part in mixture))[1]
        best = best.scatter_reduce(0, rows, height, "amax")
        a, b = torch.cat((a, middle)), torch.cat((middle, b))
        at_a, at_b, rows = torch.cat((at_a, height)), torch.cat((height, at_b)), rows.repeat(2)
    return best.scatter_reduce(0, rows[: len(bound)], bound, "amax") + SLACK


def _bend(a: Tensor, b: Tensor, mixture: tuple[Tensor, ...], sign: int) -> Tensor:
    """An upper bound on −sign·h″ over [a, b], at least 0."""
    log_pi, mean, log_rate = mixture
    rate = torch.exp(log_rate)
    za, zb = (a - mean) * rate, (b - mean) * rate
    peak = torch.minimum(torch.maximum(torch.zeros_like(za), za), zb)
    (fa, ga), (fb, gb), (fp, gp) = ((logsigmoid(z), logsigmoid(-z)) for z in (za, zb, peak))
    square = rate * rate * (fp + gp).exp()  # sup F_k·G_k/s_k²
    start = log_pi + log_rate
    w = _weight(start + fp + gp, start + torch.minimum(fa + ga, fb + gb))
    p, q = _weight(log_pi + fb, log_pi + fa), _weight(log_pi + ga, log_pi + gb)
    if sign > 0:
        falling = _variance(p, ga.exp() * rate, gb.exp() * rate) + _variance(
            q, fa.exp() * rate, fb.exp() * rate
        )
        return falling + 2 * (w * square).sum(0)
    return _variance(w, -torch.tanh(za / 2) * rate, -torch.tanh(zb / 2) * rate) + (
        (p + q) * square
    ).sum(0)


def _weight(most: Tensor, least: Tensor) -> Tensor:
    """An upper bound on a share, from the logarithms of its largest numerator and of all least
    ones."""
    return (most - torch.logsumexp(least, 0)).clamp(max=0).exp()


def _variance(weight: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """An upper bound on Var(v) for v between ``first`` and ``last``, by its deviations from the
    weighted mean of the ends."""
    centre = (weight * (first + last)).sum(0) / (2 * weight.sum(0))
    return (weight * torch.maximum((first - centre) ** 2, (last - centre) ** 2)).sum(0)
