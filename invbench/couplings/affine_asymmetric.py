"""The affine coupling with an asymmetric soft clamp and logarithmic tails."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.registry import coupling

__all__ = ["AffineAsymmetric"]


@coupling("affine-asymmetric")
class AffineAsymmetric(CheckedElementwise):
    """c⁻¹(y) = g(e^b·(y − t)): an asymmetric soft clamp b of the log-scale, then logarithmic tails
    g.

        b(a) = (2/π)·α·atan(a/α),  α = 0.1 for a ≥ 0 and 2 for a < 0
        g(v) = sign(v)·(min(|v|, τ) + log(1 + max(|v| − τ, 0))),  τ = 100 (LOFT)

    So decoding expands by less than e^0.1 and contracts by less than e^2. Andrade samples by affine
    steps and one last g; here every coupling has both. Data → noise is c(x) = e^(−b)·g⁻¹(x) + t
    with g⁻¹(x) = sign(x)·(min(|x|, τ) + expm1(max(|x| − τ, 0))). It overflows beyond τ + 88 in
    float32, where no data lie.

    Parameters: (a, t). Zero parameters give the identity for |x| ≤ τ. Raises ``ValueError`` unless
    α, τ > 0.
    """

    n_params = 2
    displacement = float("inf")
    tail_slopes_equal = False
    metadata = {
        "citation": (
            "Andrade: Stable Training of Normalizing Flows for High-dimensional "
            "Variational Inference, 2024"
        ),
        "year": 2024,
        "family": "affine",
        "formula": (
            "c⁻¹(y) = LOFT((y − t)·e^b), b in (−2, 0.1) by arctangents, LOFT logarithmic beyond 100"
        ),
    }

    def __init__(self, stretch: float = 0.1, shrink: float = 2.0, tail: float = 100.0) -> None:
        super().__init__()
        if not (0 < stretch < 80 and 0 < shrink < 80 and 0 < tail < math.inf):
            raise ValueError(
                f"affine-asymmetric: {stretch=}, {shrink=} must lie between 0 and 80, {tail=} "
                f"be positive"
            )
        self.stretch, self.shrink, self.tail = float(stretch), float(shrink), float(tail)
        self.slope_range = (math.exp(-self.stretch), math.inf)  # type: ignore[misc]

    def _decoding_log_scale(self, a: Tensor) -> Tensor:
        alpha = torch.where(a >= 0, self.stretch, self.shrink).to(a.dtype)
        return 2 / math.pi * alpha * torch.atan(a / alpha)

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        b = self._decoding_log_scale(params[0])
        beyond = (x.abs() - self.tail).clamp(min=0)
        unsoftened = x.clamp(-self.tail, self.tail) + torch.sign(x) * torch.expm1(beyond)
        return unsoftened * torch.exp(-b) + shift(params[1]), beyond - b

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        b = self._decoding_log_scale(params[0])
        v = (y - shift(params[1])) * torch.exp(b)
        softened = torch.log1p((v.abs() - self.tail).clamp(min=0))
        return v.clamp(-self.tail, self.tail) + torch.sign(v) * softened, b - softened

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        low = torch.exp(-self._decoding_log_scale(params[0]))
        return low, torch.full_like(low, math.inf)

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        infinite = torch.full_like(params[0], math.inf)
        return infinite, infinite
