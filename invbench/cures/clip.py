"""The baseline that only hides: pixels cut to what a screen shows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.cures.cured import Bound, CuredFlow

__all__ = ["ClippedFlow"]


class ClippedFlow(CuredFlow):
    """x cut to [0, 1], NaN to 1/2: no error pixel by construction, and every artefact stays.

    It stands for any head that only limits its output, as x = sigmoid(u) does.
    """

    _changed = (0, 1)

    @property
    def activity(self) -> float:
        """The share of pixels that the last decode cut."""
        cut, values = self._changed
        return cut / max(values, 1)

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        for name, h in self.uncured.trace(latents, y):
            if name != "data":
                yield name, h
                continue
            x = torch.where(h.isnan(), torch.full_like(h, 0.5), h.clamp(0, 1))
            self._changed = (int((x != h).detach().sum()), h.numel())
            yield name, x

    def bound(self, dtype: torch.dtype = torch.float32) -> Bound:
        """|x| ≤ 1; of the layers nothing is known."""
        return Bound(1.0, torch.inf, {}, "")
