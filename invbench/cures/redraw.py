"""A cure after the decode: draw again where a sample explodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.cures.cured import CuredFlow, error_rows
from invbench.errors import UsageError
from invbench.flows import ConditionalFlow

__all__ = ["RedrawnFlow"]


class RedrawnFlow(CuredFlow):
    """A sample with an error pixel (> 1.5, < −0.5 or not finite) is decoded again from fresh
    latents ~ N(0, tau²), at most ``tries`` times; the last one stays.

    Fresh latents come from a stream of the row's own latents, so that a result depends neither on
    the batch nor on the order. A condition of which no latent decodes stays as it was. Raises
    ``UsageError`` for a negative number of tries or a temperature below 0.
    """

    def __init__(self, flow: ConditionalFlow, tries: int = 4, tau: float = 0.9) -> None:
        super().__init__(flow)
        if int(tries) < 0 or not tau >= 0:
            raise UsageError(
                f"tries and tau must be 0 or more, got tries={tries!r} and tau={tau!r}"
            )
        self.tries, self.tau = int(tries), float(tau)
        self._drawn = (0, 1)

    @property
    def activity(self) -> float:
        """Draws beyond the first, per sample of the last decode."""
        again, samples = self._drawn
        return again / max(samples, 1)

    def decode(self, latents: list[Tensor], y: Tensor) -> Tensor:
        x, _ = self._until_it_decodes(latents, y)
        return x

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The trace of the draw that stays."""
        _, kept = self._until_it_decodes(latents, y)
        yield from self.uncured.trace(kept, y)

    def _until_it_decodes(self, latents: list[Tensor], y: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(x, the latents of each row that it was decoded from)."""
        kept, again = list(latents), 0
        x = self.uncured.decode(kept, y)
        rows = error_rows(x).nonzero().flatten()
        for attempt in range(self.tries):
            if not len(rows):
                break
            fresh = self._fresh([z[rows] for z in latents], attempt)
            kept = [z.index_copy(0, rows, new) for z, new in zip(kept, fresh, strict=True)]
            again += len(rows)
            redone = self.uncured.decode(fresh, y[rows])
            x = x.index_copy(0, rows, redone)
            rows = rows[error_rows(redone)]
        self._drawn = (again, len(y))
        return x, kept

    def _fresh(self, latents: list[Tensor], attempt: int) -> list[Tensor]:
        """New latents of rows, each from a stream of the row's own."""
        drawn = []
        for row in range(len(latents[0])):
            own = latents[0][row].detach().float().cpu().contiguous().numpy().tobytes()
            seed = hashlib.sha256(own + attempt.to_bytes(4, "big")).digest()[:7]
            generator = torch.Generator().manual_seed(int.from_bytes(seed, "big"))
            drawn.append(
                [self.tau * torch.randn(z.shape[1:], generator=generator) for z in latents]
            )
        return [
            torch.stack(part).to(z)
            for part, z in zip(zip(*drawn, strict=True), latents, strict=True)
        ]
