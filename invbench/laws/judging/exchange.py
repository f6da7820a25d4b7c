"""Whether samples follow a density up to its constant: a reversible chain step must leave their
distribution unchanged."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy.stats import binom
from torch import Tensor

from invbench.laws.distributions.mass import Density

__all__ = ["KERNELS", "exchange"]

STEPS, MORE = 8, 2  # of a chain; more per dimension
MOST_STEPS = 32
MOST_COORDINATES, RANDOM = 8, 4
Step = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def _differences(x: Tensor, pool: Tensor, generator: torch.Generator) -> Tensor:
    """x + γ(a − b) with a, b two samples of a pool: jumps between modes as well as within (ter
    Braak 2006, differential evolution)."""
    n, d = x.shape
    a, b = (torch.randint(len(pool), (n,), generator=generator) for _ in range(2))
    sizes = torch.tensor([1.0, 2.38 / (2 * d) ** 0.5, 0.5 / d**0.5, 0.1], dtype=torch.float64)
    gamma = sizes[torch.randint(len(sizes), (n, 1), generator=generator)]
    return x + gamma * (pool[a] - pool[b])


def _walk(x: Tensor, pool: Tensor, generator: torch.Generator) -> Tensor:
    """x + s·σ·N(0, 1) with σ the quartiles' distance in the pool, s from 2⁰ … 2⁻³ or from 2⁰ …
    2⁻¹¹: the Metropolis random walk."""
    n, d = x.shape
    scale = 2 * (pool.quantile(0.75, 0) - pool.quantile(0.25, 0)) / d**0.5
    near, far = (torch.randint(most, (n, 1), generator=generator) for most in (4, 12))
    s = 2.0 ** -torch.where(torch.rand((n, 1), generator=generator) < 0.5, near, far).double()
    return x + s * scale * torch.randn((n, d), generator=generator, dtype=torch.float64)


KERNELS: dict[str, Step] = {"differences of samples": _differences, "random walk": _walk}


def exchange(
    density: Density,
    start: Tensor,
    pool: Tensor,
    kernel: str,
    generator: torch.Generator,
    exact: bool = True,
) -> tuple[float, str]:
    """(p-value, the function that moved most). ``start``: independent samples. ``pool``: other
    samples, which shape the steps.

    If x ~ p and x′ is reached by Metropolis–Hastings steps that are reversible for p, (x, x′) has
    the same law as (x′, x): f(x′) − f(x) is symmetric about 0 for every f, and of its n signs the
    positive ones are binomial(n, ½). Exact for any n, dimension and constant of p, and needs no
    gradients (Gandy and Scott 2020, arXiv:2001.06465, use the same). p is cut off outside the box
    of the pool; the p-value is Bonferroni's over the functions: log p, and coordinates and random
    directions with their distance from the median.
    """
    low, high = pool.amin(0), pool.amax(0)

    def log_p(rows: Tensor) -> Tensor:
        log_density = density.log_density(rows, exact)
        return log_density.masked_fill(
            ~((rows >= low) & (rows <= high)).all(1) | log_density.isposinf(), -torch.inf
        )

    x, log_x = start, log_p(start)
    x, log_x = x[log_x.isfinite()], log_x[log_x.isfinite()]
    before, log_before = x, log_x
    for _ in range(min(MOST_STEPS, STEPS + MORE * density.dim)):
        proposed = KERNELS[kernel](x, pool, generator)
        log_proposed = log_p(proposed)
        accepted = (
            torch.rand(len(x), generator=generator, dtype=torch.float64).log()
            < log_proposed - log_x
        )
        x, log_x = (
            torch.where(accepted[:, None], proposed, x),
            torch.where(accepted, log_proposed, log_x),
        )
    moved = {"log_prob": log_x - log_before}
    middle, scale = (
        pool.quantile(0.5, 0),
        (pool.quantile(0.75, 0) - pool.quantile(0.25, 0)).clamp_min(1e-300),
    )
    for name, w in _directions(pool.shape[1], generator):
        old, new = ((v - middle) / scale @ w for v in (before, x))
        moved[name] = new - old
        moved[f"|{name}|"] = new.abs() - old.abs()
    values = {name: _sign_test(v) for name, v in moved.items()}
    worst = min(values, key=lambda name: values[name])
    up = (moved[worst] > 0).double().sum().item() / max(
        1.0, (moved[worst] != 0).double().sum().item()
    )
    return min(
        1.0, values[worst] * len(values)
    ), f"{worst} rises in {up:.1%} of the steps that should be half"


def _directions(d: int, generator: torch.Generator) -> list[tuple[str, Tensor]]:
    eye = torch.eye(d, dtype=torch.float64)
    directions = [(f"x{k}", eye[k]) for k in range(min(d, MOST_COORDINATES))]
    if d > 1:
        w = torch.randn((RANDOM, d), generator=generator, dtype=torch.float64)
        directions += [(f"direction {k}", v / v.norm()) for k, v in enumerate(w)]
    return directions


def _sign_test(change: Tensor) -> float:
    """Two-sided p-value of the signs; zeros are left out."""
    up, n = int((change > 0).sum()), int((change != 0).sum())
    return float(min(1.0, 2 * binom.cdf(min(up, n - up), n, 0.5))) if n else 1.0
