"""The sum-of-squares polynomial coupling."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.root import monotone_root, through_root
from invbench.registry import coupling

__all__ = ["SumOfSquares"]

FLOOR = 1e-2
# Gauss–Legendre nodes and weights on [0, 1]: three points are exact for squares of quadratics
NODES, WEIGHTS = (
    (part + shift) / 2
    for part, shift in zip(np.polynomial.legendre.leggauss(3), (1.0, 0.0), strict=True)
)


@coupling("sum-of-squares")
class SumOfSquares(CheckedElementwise):
    """y = t + ∫₀ˣ p(u) du, a polynomial of degree 5, with c′ = p(x) = ε + p₁(x)² + p₂(x)², p₁ and
    p₂ quadratic, ε = 0.01.

    Parameters: the coefficients (a₀, a₁, a₂) of p₁ and of p₂, and t. √(1 − ε) is added to a₀ of p₁,
    so that zero parameters give the identity. Coefficients saturate at ±1e4. The integral is
    x·Σ w_i·p(x·ξ_i) over three Gauss–Legendre points, which is exact for these degrees, and a sum
    of positive terms, where expanded coefficients would cancel.

    Slopes lie above ε and grow like x⁴. The inverse is a root between 0 and (y − t)/ε.
    """

    n_params = 7
    closed_inverse = False
    slope_range = (FLOOR, math.inf)
    displacement = math.inf
    tail_slopes_equal = False
    metadata = {
        "citation": "Jaini, Selby, Yu: Sum-of-Squares Polynomial Flow, ICML 2019",
        "year": 2019,
        "family": "polynomial",
        "formula": "y = t + ∫₀ˣ (0.01 + p₁² + p₂²), p₁, p₂ quadratic",
    }

    def _coefficients(self, params: Tensor) -> tuple[Tensor, ...]:
        a = params[:6].clamp(-1e4, 1e4).unbind(0)
        return (a[0] + math.sqrt(1 - FLOOR), *a[1:])

    def _slope(self, x: Tensor, a: tuple[Tensor, ...]) -> Tensor:
        first = (a[2] * x + a[1]) * x + a[0]
        second = (a[5] * x + a[4]) * x + a[3]
        return FLOOR + first * first + second * second

    def _log_slope(self, x: Tensor, a: tuple[Tensor, ...]) -> Tensor:
        """log p = 4·log s + log(p/s⁴), with s = |x| where a quadratic overflows and 1 elsewhere.

        In float32 x² overflows from 2⁶⁴ on and x⁴ from 2³² on; their logarithms do not. The
        quadratics are scaled by their size before they are squared. s and the size cancel, so they
        carry no gradient.
        """
        with torch.no_grad():
            overflows = ~(((a[2] * x + a[1]) * x).isfinite() & ((a[5] * x + a[4]) * x).isfinite())
            s = torch.where(overflows & x.isfinite(), x.abs(), torch.ones_like(x))
        unit, inverse = x / s, 1 / s
        first = (a[2] * unit + a[1] * inverse) * unit + a[0] * inverse * inverse
        second = (a[5] * unit + a[4] * inverse) * unit + a[3] * inverse * inverse
        least = (inverse * inverse).clamp(min=torch.finfo(x.dtype).tiny)
        size = torch.maximum(torch.maximum(first.abs(), second.abs()), least).detach()
        first, second, rest = first / size, second / size, inverse * inverse / size
        return (
            4 * torch.log(s)
            + 2 * torch.log(size)
            + torch.log(FLOOR * rest * rest + first * first + second * second)
        )

    def _integral(self, x: Tensor, a: tuple[Tensor, ...]) -> Tensor:
        total = torch.zeros_like(x)
        for node, weight in zip(NODES.tolist(), WEIGHTS.tolist(), strict=True):
            total = total + weight * self._slope(node * x, a)
        return x * total

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a = self._coefficients(params)
        return self._integral(x, a) + shift(params[6]), self._log_slope(x, a)

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v = y - shift(params[6])
        with torch.no_grad():
            a = self._coefficients(params)
            largest = torch.finfo(v.dtype).max / 2
            bound = (v / FLOOR).clamp(-largest, largest)
            x = monotone_root(
                lambda x, *a: (self._integral(x, a), self._slope(x, a)),
                v,
                torch.zeros_like(v),
                bound,
                given=a,
            )
        return through_root(x, y, lambda x: self.encode(x, params))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """inf c′ is the least p at the real roots of the cubic p′; sup c′ is infinite, or p where p
        is constant."""
        dtype = params.dtype
        a = self._coefficients(params.double())
        low = self._slope(torch.zeros_like(a[0]), a)
        for x in self._critical(a):
            low = torch.minimum(low, self._slope(x, a))
        constant = (a[1] == 0) & (a[2] == 0) & (a[4] == 0) & (a[5] == 0)
        return low.to(dtype), torch.where(constant, low, math.inf).to(dtype)

    def _critical(self, a: tuple[Tensor, ...]) -> list[Tensor]:
        """The real parts of the roots of p′/2 = c₃x³ + c₂x² + c₁x + c₀. Any real point is a valid
        candidate for the least p.

        They are eigenvalues of a companion matrix: that of p′ or that of its reversal, whichever
        has the larger leading coefficient.
        """
        c3 = 2 * (a[2] ** 2 + a[5] ** 2)
        c2 = 3 * (a[1] * a[2] + a[4] * a[5])
        c1 = a[1] ** 2 + 2 * a[0] * a[2] + a[4] ** 2 + 2 * a[3] * a[5]
        c0 = a[0] * a[1] + a[3] * a[4]
        reverse = c0.abs() > c3.abs()
        lead, *rest = (
            torch.where(reverse, p, q) for p, q in ((c0, c3), (c1, c2), (c2, c1), (c3, c0))
        )
        safe = torch.where(lead == 0, torch.ones_like(lead), lead)
        matrix = torch.zeros(*lead.shape, 3, 3, dtype=torch.float64)
        matrix[..., 0, :] = -torch.stack(rest, -1) / safe[..., None]
        matrix[..., 1, 0] = matrix[..., 2, 1] = 1
        roots = torch.linalg.eigvals(matrix.nan_to_num(0.0, 0.0, 0.0)).unbind(-1)
        found = []
        for root in roots:
            inverted = torch.where(reverse & (root.abs() > 0), 1 / root, root)
            x = inverted.real.nan_to_num(0.0, 0.0, 0.0)
            # Newton's method polishes double roots and small leading coefficients
            for _ in range(2):
                gradient = (3 * c3 * x + 2 * c2) * x + c1
                step = (((c3 * x + c2) * x + c1) * x + c0) / torch.where(
                    gradient == 0, torch.ones_like(x), gradient
                )
                x = torch.where((gradient != 0) & (step.abs() < 0.1 * (1 + x.abs())), x - step, x)
            found.append(x)
        return found

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        _, high = self.slope_bounds(params)
        return high, high
