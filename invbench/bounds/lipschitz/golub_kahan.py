"""The largest singular value of a Jacobian from below: Golub–Kahan–Lanczos bidiagonalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.bounds.lipschitz.linear_map import LinearMap, Map
from invbench.bounds.lipschitz.witness import Witness

__all__ = ["gaussian_estimate", "largest_jacobian_norm"]

TINY = 1e-300


def _norm(v: Tensor) -> Tensor:
    """Norm per row in float64, (B, 1, …, 1); scaled first, so that large entries do not
    overflow."""
    wide = v.double().flatten(1)
    largest = wide.abs().amax(1, keepdim=True).clamp(min=TINY)
    return ((wide / largest).norm(dim=1, keepdim=True) * largest).view(-1, *[1] * (v.ndim - 1))


def _unit(v: Tensor) -> tuple[Tensor, Tensor]:
    """(v/‖v‖, ‖v‖) per row; a zero row stays zero."""
    size = _norm(v)
    return (v.double() / size.clamp(min=TINY)).to(v.dtype), size


def _against(v: Tensor, basis: list[Tensor]) -> Tensor:
    """v without its components along an orthonormal basis, per row. Gram–Schmidt is run twice,
    which is enough for orthogonality to rounding."""
    for _ in range(2):
        for b in basis:
            share = (v.double() * b.double()).flatten(1).sum(1).view(-1, *[1] * (v.ndim - 1))
            v = (v.double() - share * b.double()).to(v.dtype)
    return v


def largest_jacobian_norm(
    f: Map,
    x: Tensor,
    products: int = 30,
    restarts: int = 1,
    seed: int = 0,
    cond: Tensor | None = None,
) -> Witness:
    """σmax of J = ∂f/∂x at each row of x, from below (tier L0), by at most ``products`` products
    with J or Jᵀ.

    Golub–Kahan bidiagonalisation (1965) with full reorthogonalisation, from a random start. With
    ``restarts`` > 1 the products are shared out, and each run starts from the best direction so
    far. The value is ‖Jv‖/‖v‖ of a last product with the direction found, so it is attained,
    whatever the iteration did. It is NaN, no bound, for a row where f is not finite. ``cond`` goes
    into the witness. Raises ``ValueError`` for fewer than 3 products per run.

    σmax(J⁻¹) of a layer is the value for the map of its inverse, at z = f(x).
    """
    if products // restarts < 3:
        raise ValueError(
            f"{products} products are too few for {restarts} runs; 3 per run are the least"
        )
    jacobian = LinearMap(f, x)
    generator = torch.Generator().manual_seed(seed)
    # one random direction for all rows, so that a row's result does not depend on its batch
    start = (
        torch.randn(1, *x.shape[1:], generator=generator, dtype=torch.float64)
        .to(x)
        .expand_as(x)
        .contiguous()
    )
    for _ in range(restarts):
        start = _ritz(jacobian, start, (products // restarts - 1) // 2)
    v, _ = _unit(start)
    value = _norm(jacobian.times(v)).flatten() / _norm(v).flatten().clamp(min=TINY)
    return Witness(value.where(jacobian.finite, math.nan), jacobian.x.detach(), v, cond)


def _ritz(jacobian: LinearMap, start: Tensor, steps: int) -> Tensor:
    """The direction in the Krylov space of ``start`` in which ‖Jv‖/‖v‖ is largest."""
    left: list[Tensor] = []
    right: list[Tensor] = []
    diagonal, above = [], []
    v, _ = _unit(start)
    for _ in range(steps):
        right.append(v)
        u, alpha = _unit(_against(jacobian.times(v), left))
        left.append(u)
        v, beta = _unit(_against(jacobian.transposed(u), right))
        diagonal.append(alpha.flatten())
        above.append(beta.flatten())
    bidiagonal = torch.diag_embed(torch.stack(diagonal, 1))
    if steps > 1:
        bidiagonal = bidiagonal + torch.diag_embed(torch.stack(above[:-1], 1), offset=1)
    largest = bidiagonal.flatten(1).abs().amax(1).clamp(min=TINY)[:, None, None]
    _, _, vh = torch.linalg.svd((bidiagonal / largest).nan_to_num(0.0, 0.0, 0.0))
    shares = vh[:, 0]  # (B, steps)
    found = sum(
        shares[:, k].view(-1, *[1] * (start.ndim - 1)) * b.double().nan_to_num(0.0, 0.0, 0.0)
        for k, b in enumerate(right)
    )
    assert isinstance(found, Tensor)
    return found.to(start.dtype)


def gaussian_estimate(f: Map, x: Tensor, probes: int = 3, seed: int = 0) -> Tensor:
    """10·√(2/π)·max ‖Jω‖ over Gaussian probes ω, per row (tier E). NaN where f is not finite.

    It is less than σmax(J) with a probability of at most 10^−probes (Halko, Martinsson, Tropp, SIAM
    Review 2011, lemma 4.1): an estimate, neither a lower nor a certified upper bound.
    """
    jacobian = LinearMap(f, x)
    generator = torch.Generator().manual_seed(seed)
    sizes = [
        _norm(jacobian.times(torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)))
        for _ in range(probes)
    ]
    return (10 * math.sqrt(2 / math.pi) * torch.stack(sizes).amax(0).flatten()).where(
        jacobian.finite, math.nan
    )
