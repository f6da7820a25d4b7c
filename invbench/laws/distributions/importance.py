"""The integral of a density in a few dimensions by importance sampling from a mixture of Student's
t laid over its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.laws.distributions.mass import Density

__all__ = ["Proposal", "Weighted", "weigh"]

# (centres, neighbours that shape each, degrees of freedom of a kernel, shares of kernels, of the
# whole's t₅, of its Cauchy)
PROPOSALS = ((128, 48, 5.0, (0.5, 0.35, 0.15)), (192, 64, 3.0, (0.4, 0.35, 0.25)))
STRETCH = 1.5  # kernels are so many times as wide as their neighbours
LEAST_SIZE = 400.0  # effective sample size below which nothing is decided
MOST_SHARE = 0.02  # the largest weight over their sum, above which nothing is decided
# share of samples whose weight is above the largest one drawn, above which mass was missed
MOST_UNSEEN = 0.02


class Proposal:
    """q(x) = Σₖ αₖ t_ν(x; cₖ, Σₖ): kernels around samples, shaped by their neighbours, and two of
    the size of the whole."""

    def __init__(self, rows: Tensor, which: int, generator: torch.Generator) -> None:
        count, neighbours, freedom, shares = PROPOSALS[which]
        n = len(rows)
        chosen = rows[torch.randperm(n, generator=generator)[:count]]
        scale = (rows.quantile(0.84, 0) - rows.quantile(0.16, 0)).clamp_min(1e-300) / 2
        nearest = (
            torch.cdist(chosen / scale, rows / scale)
            .topk(min(n, neighbours), largest=False)
            .indices
        )
        near = rows[nearest] - rows[nearest].mean(1, keepdim=True)
        local = near.transpose(1, 2) @ near / near.shape[1] * STRETCH**2
        local = local + torch.diag_embed(
            1e-3 * torch.diagonal(local, dim1=1, dim2=2) + 1e-12 * scale**2
        )
        middle = rows.quantile(0.5, 0)
        unit = ((rows - middle) / scale).clamp(-4, 4)
        whole = unit.T @ unit / n * scale[:, None] * scale + torch.diag(1e-6 * scale**2)
        self.centres = torch.cat([chosen, middle[None], middle[None]])
        self.roots = torch.linalg.cholesky(torch.cat([local, whole[None], 4 * whole[None]]))
        self.freedom = torch.tensor([freedom] * len(chosen) + [5.0, 1.0], dtype=torch.float64)
        kernels = torch.full((len(chosen),), shares[0] / len(chosen), dtype=torch.float64)
        self.shares = torch.cat([kernels, torch.tensor(shares[1:], dtype=torch.float64)])

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        k = torch.multinomial(self.shares, n, replacement=True, generator=generator)
        z = torch.randn((n, self.centres.shape[1]), generator=generator, dtype=torch.float64)
        v = self.freedom[k]
        # χ² of v degrees: a sum of squares, v being whole
        squares = torch.randn((n, 5), generator=generator, dtype=torch.float64).square()
        chi = torch.where(torch.arange(5) < v[:, None], squares, 0).sum(1)
        return (
            self.centres[k] + (self.roots[k] @ (z / (chi / v).sqrt()[:, None])[:, :, None])[:, :, 0]
        )

    def log_density(self, x: Tensor) -> Tensor:
        return torch.cat([self._log_density(part) for part in x.split(4096)])

    def _log_density(self, x: Tensor) -> Tensor:
        d, v = x.shape[1], self.freedom[:, None]
        away = (x[None] - self.centres[:, None]).transpose(1, 2)
        distance = torch.linalg.solve_triangular(self.roots, away, upper=False).square().sum(1)
        log_det = torch.diagonal(self.roots, dim1=1, dim2=2).log().sum(1)[:, None]
        constant = (
            torch.lgamma((v + d) / 2) - torch.lgamma(v / 2) - d / 2 * (v * math.pi).log() - log_det
        )
        return torch.logsumexp(
            self.shares.log()[:, None] + constant - (v + d) / 2 * (distance / v).log1p(), 0
        )


@dataclass(frozen=True)
class Weighted:
    """Points of q with weights p/q and log p. ``total`` ± ``error`` = ∫ p with its standard error;
    ``hull``: the same over the box of the samples. ``unseen``: the share of samples with a weight
    above every one drawn, which estimates the missed mass. ``problem``: why the weights are not to
    be trusted, or empty."""

    total: float
    error: float
    hull: float
    hull_error: float
    size: float
    points: Tensor
    weights: Tensor
    logs: Tensor
    problem: str
    unseen: float = 0.0

    def of(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(∫ f p / ∫ p over the hull, its standard error) for functions given at the points,
        (points, functions)."""
        share = self.weights / self.weights.sum()
        mean = share @ values
        return mean, (share[:, None] * (values - mean)).square().sum(0).sqrt()


def weigh(
    density: Density,
    fit: Tensor,
    fresh: Tensor,
    n: int,
    which: int,
    generator: torch.Generator,
    exact: bool = True,
) -> Weighted:
    """Importance sampling with n points. ``fit``: the samples that shape q. ``fresh``: others,
    which show what q has missed."""
    q = Proposal(fit, which, generator)
    x = q.sample(n, generator)
    log_p = density.log_density(x, exact)
    log_w = log_p - q.log_density(x)
    w = log_w.exp()
    low, high = fit.amin(0), fit.amax(0)
    in_hull = ((x >= low) & (x <= high)).all(1)
    total, hull = w.mean().item(), (w * in_hull).mean().item()
    size = (w.sum().square() / w.square().sum()).item() if total > 0 else 0.0
    unseen = (
        (density.log_density(fresh, exact) - q.log_density(fresh) > log_w.max())
        .double()
        .mean()
        .item()
    )
    problem = ""
    if not math.isfinite(total) or not total > 0:
        problem = f"importance sampling gives {total:g}"
    elif size < LEAST_SIZE or (w.max() / w.sum()).item() > MOST_SHARE:
        problem = f"importance sampling has an effective sample size of {size:.0f} of {n}"
    elif unseen > MOST_UNSEEN:
        problem = f"importance sampling has not seen where {unseen:.1%} of the samples lie"
    errors = ((v.std() / n**0.5).item() for v in (w, w * in_hull))
    return Weighted(
        total, next(errors), hull, next(errors), size, x, w * in_hull, log_p, problem, unseen
    )
