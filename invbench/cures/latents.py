"""Cures of the latents: a lower temperature, and latents cut at a limit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.bounds import certify
from invbench.cures.cured import Bound, CuredFlow
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

__all__ = ["CooledFlow", "TruncatedFlow"]


class CooledFlow(CuredFlow):
    """Latents are drawn at the temperature ``tau``, whatever is asked for; 0 ≤ tau.

    What a decode does is not changed: whoever chooses the latents is not held by it. Raises
    ``UsageError`` for a temperature below 0.
    """

    def __init__(self, flow: ConditionalFlow, tau: float = 0.5) -> None:
        super().__init__(flow)
        if not 0 <= tau < math.inf:
            raise UsageError(f"the temperature tau must be 0 or more, got {tau!r}")
        self.tau = float(tau)

    def sample_latents(
        self, n: int, y: Tensor, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """n rows of latents ~ N(0, tau²)."""
        return self.uncured.sample_latents(n, y, self.tau, generator)


class TruncatedFlow(CuredFlow):
    """Every latent is cut to [−limit, limit] before the decode, limit > 0 in units of the standard
    normal (the truncation trick of Brock, Donahue, Simonyan, ICLR 2019, by cutting).

    Draws and chosen latents are cut alike. Raises ``UsageError`` for a limit that is not positive.
    """

    def __init__(self, flow: ConditionalFlow, limit: float = 1.5) -> None:
        super().__init__(flow)
        if not 0 < limit < math.inf:
            raise UsageError(f"the limit of latents must be positive, got {limit!r}")
        self.limit = float(limit)
        self._cut = (0, 1)

    @property
    def activity(self) -> float:
        """The share of latents that the last decode cut."""
        cut, values = self._cut
        return cut / max(values, 1)

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        kept = [z.clamp(-self.limit, self.limit) for z in latents]
        self._cut = (
            sum(int((z.detach().abs() > self.limit).sum()) for z in latents),
            sum(z.numel() for z in latents),
        )
        yield from self.uncured.trace(kept, y)

    def bound(self, dtype: torch.dtype = torch.float32) -> Bound:
        """The certificate of the flow for |z| ≤ limit, which holds for any latents here."""
        found = certify(self.uncured, self.limit, temperature=1.0)
        layers = {layer.name: layer.max_abs for layer in found.layers}
        return Bound(found.max_abs, found.max_intermediate, layers, found.reason)
