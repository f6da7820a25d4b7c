"""The base class of the affine couplings that bound their log-scale."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift

__all__ = ["LogAffine"]


class LogAffine(CheckedElementwise):
    """y = s(a)·x + t,  log c′ = log s(a).  Parameters: (a, t). A design states ``log_scale``."""

    n_params = 2
    displacement = float("inf")
    tail_slopes_equal = False

    def log_scale(self, a: Tensor) -> Tensor:
        """log s(a), so small that exp(log s) loses only a bit or two."""
        raise NotImplementedError

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_s = self.log_scale(params[0])
        return x * torch.exp(log_s) + shift(params[1]), log_s

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_s = self.log_scale(params[0])
        return (y - shift(params[1])) * torch.exp(-log_s), -log_s

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        s = torch.exp(self.log_scale(params[0]))
        return s, s

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.slope_bounds(params)
