"""A cure of rounding: decode in float64."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from invbench.cures.cured import CuredFlow
from invbench.flows import ConditionalFlow

__all__ = ["WideFlow"]


class WideFlow(CuredFlow):
    """The decode runs in float64, and x is handed over in the dtype of the latents.

    The weights are copied at the first decode, and again on another device.
    """

    def __init__(self, flow: ConditionalFlow) -> None:
        super().__init__(flow)
        self._wide: tuple[ConditionalFlow, ...] = ()

    def trace(self, latents: list[Tensor], y: Tensor) -> Iterator[tuple[str, Tensor]]:
        if not self._wide or next(self._wide[0].parameters(), y).device != y.device:
            self._wide = (copy.deepcopy(self.uncured).double(),)
        (wide,) = self._wide
        with torch.autocast(y.device.type, enabled=False):
            for name, h in wide.trace([z.double() for z in latents], y.double()):
                yield name, h.to(y.dtype)
