"""The Jacobian of a map at a point as a linear operator: products with it and with its transpose,
without the matrix."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from invbench.flows import ConditionalFlow

__all__ = ["LinearMap", "decoder", "encoder", "full_jacobian"]

Map = Callable[[Tensor], Tensor]


class LinearMap:
    """J = ∂f/∂x at x, one per row: f maps (B, …) to (B, …), and its rows are independent.

    ``times(v)`` is J v and ``transposed(u)`` is Jᵀ u; v has the shape of x, u that of f(x). J v is
    computed as the derivative of u ↦ Jᵀ u, so f need only be twice differentiable by autograd. That
    includes the custom functions of the couplings.
    """

    def __init__(self, f: Map, x: Tensor) -> None:
        with torch.enable_grad():
            self.x = x.detach().clone().requires_grad_()
            self.y = f(self.x)
            self._u = torch.zeros_like(self.y).requires_grad_()
            self._pulled = self._gradient(self.y, self.x, self._u, create_graph=True)
        # rows where the product means something
        self.finite = self.y.detach().flatten(1).isfinite().all(1) & x.flatten(1).isfinite().all(1)

    @staticmethod
    def _gradient(of: Tensor, by: Tensor, weights: Tensor, create_graph: bool = False) -> Tensor:
        if not of.requires_grad:
            return torch.zeros_like(by)
        (found,) = torch.autograd.grad(
            of, by, weights, retain_graph=True, create_graph=create_graph, materialize_grads=True
        )
        return found

    def times(self, v: Tensor) -> Tensor:
        return self._gradient(self._pulled, self._u, v).detach()

    def transposed(self, u: Tensor) -> Tensor:
        return self._gradient(self.y, self.x, u).detach()


def full_jacobian(f: Map, x: Tensor) -> Tensor:
    """J per row, (B, outputs, inputs), by one product with Jᵀ per output: for small events."""
    found = LinearMap(f, x)
    rows = []
    for index in range(found.y[0].numel()):
        u = torch.zeros_like(found.y).flatten(1)
        u[:, index] = 1
        rows.append(found.transposed(u.view_as(found.y)).flatten(1))
    return torch.stack(rows, 1)


def decoder(flow: ConditionalFlow, latents: list[Tensor], y: Tensor) -> tuple[Map, Tensor]:
    """(the map from all latents, as one row of D numbers, to x; the latents as such rows, (B,
    D))."""
    shapes = [z.shape[1:] for z in latents]
    sizes = [z[0].numel() for z in latents]

    def decode(flat: Tensor) -> Tensor:
        parts = flat.split(sizes, 1)
        return flow.decode(
            [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)], y
        )

    return decode, torch.cat([z.flatten(1) for z in latents], 1)


def encoder(flow: ConditionalFlow, y: Tensor) -> Map:
    """The map from x to all latents, as one row of D numbers."""

    def encode(x: Tensor) -> Tensor:
        return torch.cat([z.flatten(1) for z in flow.encode(x, y)[0]], 1)

    return encode
