"""A conditional flow: named layers between data and noise, and an encoder g_θ of the condition."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.flows.split import Split

__all__ = ["ConditionalFlow"]


class ConditionalFlow(nn.Module):
    """x ↔ latents given a condition y.

    ``layers``
        name → layer, from data to noise; a ``Split`` sends half of the channels out as a latent.
    ``encoder``
        g_θ: y → features, which are resized (nearest) to the positions of each layer's input.
    ``base``
        y → the part of x that is known from y; it is subtracted before the first layer. None for 0.
    ``latent_shapes``
        y → shapes of the latents without the batch, in the order in which ``encode`` returns them.
    ``prior``
        g_θ(y) → a mean that is subtracted from the last latent; None for 0.

    The latents are standard normal: log q(x|y) = Σ log N(latent; 0, 1) + log_det.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        encoder: nn.Module,
        latent_shapes: Callable[[Tensor], list[tuple[int, ...]]],
        base: Callable[[Tensor], Tensor] | None = None,
        prior: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self.encoder = encoder
        self._latent_shapes = latent_shapes
        self._base = base
        self.prior = prior

    def features(self, y: Tensor) -> Tensor:
        """g_θ(y), which couplings are conditioned on and the OOD score uses."""
        return self.encoder(y)

    def conditions(self, y: Tensor) -> Resized:
        """g_θ(y) at the resolution of any layer: ``conditions(y).like(h)``."""
        return Resized(self.features(y))

    def encode(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Data → noise: (latents, log_det of shape (B,))."""
        h = x if self._base is None else x - self._base(y)
        cond = self.conditions(y)
        latents, log_det = [], x.new_zeros(x.shape[0])
        for layer in self.layers.values():
            if isinstance(layer, Split):
                h, eps, ld = layer(h)
                latents.append(eps)
            else:
                h, ld = layer(h, cond.like(h))
            log_det = log_det + ld
        return [*latents, h if self.prior is None else h - self.prior(cond.features)], log_det

    def decode(self, latents: list[Tensor], y: Tensor) -> Tensor:
        """Noise → data, not clamped."""
        ((_, x),) = deque(self.trace(latents, y), maxlen=1)  # keeps one tensor, not one per layer
        return x

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Decode step by step: (layer name, its output) from noise to data; the last one is x."""
        cond = self.conditions(y)
        *waiting, h = latents
        yield "latent", h
        if self.prior is not None:
            h = h + self.prior(cond.features)
            yield "prior", h
        layer: Any
        for name, layer in reversed(list(self.layers.items())):
            if isinstance(layer, Split):
                h, _ = layer.inverse(h, waiting.pop())
            else:
                h, _ = layer.inverse(h, cond.like(h))
            yield name, h
        yield "data", h if self._base is None else h + self._base(y)

    def sample_latents(
        self, n: int, y: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """n rows of latents ~ N(0, temperature²) for conditions of y's size. They are drawn on the
        CPU and moved to y's device and dtype."""
        return [
            (temperature * torch.randn(n, *shape, generator=generator)).to(y.device, y.dtype)
            for shape in self._latent_shapes(y)
        ]

    def log_prob(self, x: Tensor, y: Tensor) -> Tensor:
        """log q(x|y) in nats, (B,) (Hong, Park, Chun, ICCV 2023, eq. 3)."""
        latents, log_det = self.encode(x, y)
        log_normal = [-0.5 * (z.flatten(1) ** 2 + math.log(2 * math.pi)).sum(1) for z in latents]
        return torch.stack(log_normal).sum(0) + log_det


class Resized:
    """Features at any resolution; each is computed once."""

    def __init__(self, features: Tensor) -> None:
        self._by_size = {features.shape[2:]: features}
        self.features = features

    def like(self, h: Tensor) -> Tensor:
        """The features at the positions of h."""
        size = h.shape[2:]
        if size not in self._by_size:
            self._by_size[size] = F.interpolate(self.features, size=tuple(size), mode="nearest")
        return self._by_size[size]
