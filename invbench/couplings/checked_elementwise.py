"""The base class of the built-in designs: it checks inputs, and computes half precision in
float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from invbench.couplings.base import Elementwise
from invbench.errors import UsageError

__all__ = ["CheckedElementwise", "shift"]

Formula = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def shift(t: Tensor) -> Tensor:
    """t, with ±Inf turned into NaN: an infinite shift has no inverse, and NaN cannot be taken for a
    large value."""
    return torch.addcmul(t, t, t.new_zeros(()))


class CheckedElementwise(Elementwise):
    """A coupling that states its formula in ``encode`` (data → noise) and ``decode``, for float32
    and float64.

    ``forward`` and ``inverse`` check the inputs, compute float16 and bfloat16 in float32, and round
    once at the end. They raise ``UsageError`` unless x and params are of floating dtypes and params
    has the shape (n_params, *x.shape).

    ``working``: the least precise dtype of the computation; float64 where a rounded parameter is
    raised to a large power. ``closed_inverse``: ``decode`` does not iterate, so it can be compiled.
    """

    working: ClassVar[torch.dtype] = torch.float32
    closed_inverse: ClassVar[bool] = True

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(c(x), log c′(x))."""
        raise NotImplementedError

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(c⁻¹(y), −log c′(c⁻¹(y)))."""
        raise NotImplementedError

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """(c′(−∞), c′(+∞)) per element; 0 or Inf where a tail is not linear."""
        one = torch.ones_like(params[0])
        return one, one

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._computed(self.encode, x, params)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._computed(self.decode, y, params)

    def _computed(self, formula: Formula, v: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        name = type(self).__name__
        for what, tensor in (("the input", v), ("params", params)):
            if not tensor.is_floating_point():
                raise UsageError(f"{name}: {what} must be of a floating dtype, got {tensor.dtype}")
        if params.shape != (self.n_params, *v.shape):
            expected = (self.n_params, *v.shape)
            raise UsageError(
                f"{name}: params must have shape (n_params, *x.shape) = {expected}, got "
                f"{tuple(params.shape)}"
            )
        dtype = v.dtype
        wide = torch.promote_types(torch.promote_types(dtype, params.dtype), self.working)
        value, log_slope = formula(v.to(wide), params.to(wide))
        return value.to(dtype), log_slope.to(dtype)
