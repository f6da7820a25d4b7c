"""Jacobians by autograd, and their determinants with a bound of the error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from invbench.laws.judging.conditioning import unit_roundoff

__all__ = ["LARGE", "SAFETY", "UNSURE", "Map", "U", "determinants", "gradient_of", "jacobian"]

U = unit_roundoff(torch.float64)
SAFETY = 32.0  # of a bound of an entry of J
BATCHED, MOST = 24, 2**24  # elements above which columns go together; numbers of their gradients
LARGE = 160  # elements, above which singular values cost more than they tell
POWERS, UNSURE = 6, 0.25  # a relative error of differences above which they say nothing
Map = Callable[[Tensor], Tensor]


def jacobian(function: Map, x: Tensor) -> Tensor:
    """∂f/∂x per row, by autograd: (B, D_out, D_in)."""
    x = x.detach().clone().requires_grad_()
    z = function(x).flatten(1)
    if z.shape[1] > BATCHED and z.requires_grad:
        try:
            return _batched(z, x)
        except RuntimeError:
            pass  # an operation that does not take many gradients at once
    return torch.stack([gradient_of(column.sum(), x).flatten(1) for column in z.unbind(1)], 1)


def _batched(z: Tensor, x: Tensor) -> Tensor:
    """Many columns in one backward pass."""
    rows, d = z.shape
    chunk = max(1, min(d, MOST // (rows * max(d, x[0].numel()))))
    columns = []
    for some in torch.eye(d, dtype=z.dtype).split(chunk):
        (gradient,) = torch.autograd.grad(
            z,
            x,
            some[:, None].expand(-1, rows, d),
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        columns.append(
            torch.zeros(len(some), *x.shape, dtype=x.dtype) if gradient is None else gradient
        )
    return torch.cat(columns).movedim(0, 1).flatten(2)


def gradient_of(scalar: Tensor, x: Tensor) -> Tensor:
    if not scalar.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(scalar, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if gradient is None else gradient


def determinants(j: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(sign, log|det|, bound of its error) per row, for matrices whose entries are off by ``noise``
    (per row) and by 32u of their size.

    Elements that do not depend on each other form blocks, and each block counts for itself: pixels
    do not add to each other's conditioning.
    """
    if j.shape[1] <= BATCHED:
        return _of_blocks(j, noise)
    links = (j != 0).any(0)
    blocks = _blocks(links)
    sizes = {len(b) for b in blocks}
    sign, value, error = torch.ones_like(noise), torch.zeros_like(noise), torch.zeros_like(noise)
    for size in sizes:
        index = torch.stack([torch.from_numpy(b) for b in blocks if len(b) == size])
        part = j[:, index[:, :, None], index[:, None, :]].flatten(0, 1)
        of_blocks = _of_blocks(part, noise[:, None].expand(-1, len(index)).flatten())
        s, v, e = (f.reshape(len(j), len(index)) for f in of_blocks)
        sign, value, error = sign * s.prod(1), value + v.sum(1), error + e.sum(1)
    return sign, value, error


def _blocks(links: Tensor) -> list[Any]:
    """The sets of elements that are linked, as index arrays."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(csr_matrix(links.numpy()), directed=False)
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)


def _of_blocks(j: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    d = j.shape[1]
    if d == 1:
        slope = j[:, 0, 0]
        return slope.sign(), slope.abs().log(), noise / slope.abs() + SAFETY * U
    sign, value = torch.linalg.slogdet(j)
    largest, least = _singular(j)
    return sign, value, d * (SAFETY * U * largest + noise) / least


def _singular(j: Tensor) -> tuple[Tensor, Tensor]:
    """(largest, smallest singular value) per row. For large matrices the norm, and a quarter of a
    power iteration with the LU factors."""
    finite = j.flatten(1).isfinite().all(1)
    safe = torch.where(finite[:, None, None], j, torch.eye(j.shape[1]).to(j))
    if j.shape[1] <= LARGE:
        values = torch.linalg.svdvals(safe)
        largest, least = values[:, 0], values[:, -1]
    else:
        largest = torch.linalg.matrix_norm(safe)
        factors = torch.linalg.lu_factor_ex(safe)
        v = torch.ones(*safe.shape[:2], 1, dtype=safe.dtype)
        size = torch.ones(len(safe), 1, 1, dtype=safe.dtype)
        for _ in range(POWERS):
            v = torch.linalg.lu_solve(
                factors.LU, factors.pivots, v / v.norm(dim=1, keepdim=True), adjoint=True
            )
            v = torch.linalg.lu_solve(factors.LU, factors.pivots, v)
            size = v.norm(dim=1, keepdim=True)
        least = (1 / size.sqrt() / 4).flatten().nan_to_num(nan=0.0, posinf=0.0)
    return largest, torch.where(finite, least, torch.zeros_like(least))
