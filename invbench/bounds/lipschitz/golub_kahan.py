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
    """Norm per row in float64, shaped to broadcast; scaled, so that 1e30 does not overflow in
    float32."""
    wide = v.double().flatten(1)
    largest = wide.abs().amax(1, keepdim=True).clamp(min=TINY)
    return ((wide / largest).norm(dim=1, keepdim=True) * largest).view(-1, *[1] * (v.ndim - 1))


def _unit(v: Tensor) -> tuple[Tensor, Tensor]:
    """(v/‖v‖, ‖v‖) per row; a zero row stays zero."""
    size = _norm(v)
    return (v.double() / size.clamp(min=TINY)).to(v.dtype), size


def _against(v: Tensor, basis: list[Tensor]) -> Tensor:
    """v without its components along an orthonormal basis, per row; twice, as Gram–Schmidt needs
    it."""
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
    """σmax of J = ∂f/∂x at each row of x, from below, with at most ``products`` products with J or
    Jᵀ (tier L0).

    Golub and Kahan (1965) with full reorthogonalisation from a random start; with ``restarts`` > 1
    the products are shared out, and each run starts from the best direction so far. The value is ‖J
    v‖/‖v‖ of a last product with the direction found, so it is attained, whatever the iteration
    did. A row where f is not finite has the value NaN: no bound. Raises ``ValueError`` for fewer
    than 3 products per run.

    σmax(J⁻¹) of a layer is that of the map of its inverse, at z = f(x).
    """
    if products // restarts < 3:
        raise ValueError(
            f"{products} products are too few for {restarts} runs; 3 per run are the least"
        )
    jacobian = LinearMap(f, x)
    generator = torch.Generator().manual_seed(seed)
    # one random direction for all rows, so that a row's result does not depend on the batch it came
    # in
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
    """The direction in the Krylov space of ``start`` that J stretches most."""
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
    """10·sqrt(2/π)·max ‖J ω‖ over Gaussian probes ω, per row (tier E).

    At least σmax(J) but with probability at most 10^−probes (Halko, Martinsson, Tropp, SIAM Review
    2011, lemma 4.1). An estimate: neither a lower nor a certified upper bound. NaN where f is not
    finite.
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
