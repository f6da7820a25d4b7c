"""The conditional coupling layer and, with no kept half, the injector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.flows.conditioner import Conditioner
from invbench.flows.shapes import sum_events

__all__ = ["ConditionalCoupling"]


class ConditionalCoupling(nn.Module):
    """φ(x) = [x₁, c(x₂; NN(x₁, cond))] (Hong, Park, Chun, ICCV 2023, eq. 4); log_det = Σ log c′.

    x: (B, C) or (B, C, H, W); x₁ is its first ``kept`` channels. With ``kept = 0`` the condition
    alone transforms all channels, as in SRFlow's injector. ``cond``: (B, …) with the positions of
    x, or None when ``cond_channels = 0``. ``sees``: the channels of ``cond`` that the conditioner
    reads, all by default; ``cond_channels`` is their number. The conditioner maps
    kept + cond_channels channels to n_params·(C − kept). Raises ``ValueError`` unless
    0 ≤ kept < C.
    """

    def __init__(
        self,
        coupling: Elementwise,
        channels: int,
        kept: int,
        cond_channels: int,
        conditioner: Conditioner,
        sees: slice = slice(None),
    ) -> None:
        super().__init__()
        if not 0 <= kept < channels:
            raise ValueError(
                f"kept must lie in [0, {channels - 1}] for {channels} channels, got {kept}"
            )
        self.coupling = coupling
        self.kept = kept
        self.sees = sees
        self.network = conditioner(kept + cond_channels, coupling.n_params * (channels - kept))

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_half(x, cond, self.coupling.forward)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_half(z, cond, self.coupling.inverse)

    def _apply_half(self, v: Tensor, cond: Tensor | None, direction) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
        kept, moved = v[:, : self.kept], v[:, self.kept :]
        raw = self.network(self._inputs(kept, cond))
        params = raw.view(raw.shape[0], self.coupling.n_params, *moved.shape[1:]).movedim(1, 0)
        moved, log_slope = direction(moved, params)
        return torch.cat((kept, moved), dim=1), sum_events(log_slope)

    def _inputs(self, kept: Tensor, cond: Tensor | None) -> Tensor:
        if cond is None:
            return kept
        seen = cond[:, self.sees]
        # an injector reads the condition itself, without a copy per layer
        return torch.cat((kept, seen), dim=1) if self.kept else seen
