"""The sum-of-squares polynomial coupling."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import shift
from invbench.couplings.iterated import Iterated, Problem
from invbench.couplings.root import halley_slope
from invbench.registry import coupling

__all__ = ["SumOfSquares"]

FLOOR = 1e-2
# Gauss–Legendre nodes and weights on [0, 1]: three points are exact for squares of quadratics
NODES, WEIGHTS = (
    tuple(((part + shift) / 2).tolist())
    for part, shift in zip(np.polynomial.legendre.leggauss(3), (1.0, 0.0), strict=True)
)
# of the Hilbert matrix ∫ u^(i+j) over [0, 1], i, j = 0, 1, 2: bounds on its eigenvalues
LEAST, MOST = 0.00268, 1.41
SMALLEST = 1e-30  # sizes and squares that have all their digits in float32


@coupling("sum-of-squares")
class SumOfSquares(Iterated):
    """y = t + ∫₀ˣ p(u) du, a polynomial of degree 5, with c′ = p(x) = ε + p₁(x)² + p₂(x)², p₁ and
    p₂ quadratic, ε = 0.01.

    Parameters: the coefficients (a₀, a₁, a₂) of p₁ and of p₂, and t. √(1 − ε) is added to a₀ of p₁,
    so that zero parameters give the identity. Coefficients saturate at ±1e4. The integral is
    x·Σ w_i·p(x·ξ_i) over three Gauss–Legendre points, which is exact for these degrees, and a sum
    of positive terms, where expanded coefficients would cancel.

    Slopes lie above ε and grow like x⁴. The inverse is a root (``problem``).
    """

    n_params = 7
    steps = 7
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
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            total = total + weight * self._slope(node * x, a)
        return x * total

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a = self._coefficients(params)
        return self._integral(x, a) + shift(params[6]), self._log_slope(x, a)

    def problem(self, y: Tensor, params: Tensor) -> Problem:
        """With α = (a₀, a₁x, a₂x²) and A_j = the sum of a_j² of p₁ and p₂, the integral is
        x·(ε + Σ αᵀHα), H the Hilbert matrix of order 3. Its eigenvalues lie in (λ, Λ) =
        (0.00268, 1.41), so for x > 0

            x·(ε + λ·Σ_j A_j·x^2j) ≤ v ≤ x·(ε + Λ·Σ_j A_j·x^2j).

        Each term on the left is at most v, and on the right one of the four is at least v/4, which
        brackets x by roots of monomials. x < 0 is the mirror image: the a₁ change sign.
        """
        v = y - shift(params[6])
        a = self._coefficients(params)
        side = torch.where(v < 0, -1.0, 1.0).to(v.dtype)
        size, largest = v.abs(), torch.finfo(v.dtype).max / 2
        tops, bottoms, guesses = [size / FLOOR], [size / (4 * FLOOR)], [size / FLOOR]
        for j, power in enumerate((1.0, 1 / 3, 1 / 5)):
            weight = a[j] * a[j] + a[j + 3] * a[j + 3]
            # a smaller weight has lost digits, or underflowed: no bound from above
            ratio = size / weight.clamp(min=SMALLEST)
            unknown = (weight < SMALLEST) | (ratio > largest)
            root = ratio.clamp(max=largest).pow(power)
            tops.append(torch.where(unknown, torch.inf, root * LEAST**-power))
            bottoms.append(root * (4 * MOST) ** -power)
            guesses.append(root * (2 * j + 1) ** power)
        high = reduce(torch.minimum, tops).clamp(max=largest)
        low = reduce(torch.minimum, bottoms).clamp(max=largest)
        low = torch.where(size < SMALLEST, torch.zeros_like(low), low)  # few digits are left there
        start = 1 / torch.sqrt(reduce(torch.add, [(1 / guess) ** 2 for guess in guesses]))
        mirrored = a[0], side * a[1], a[2], a[3], side * a[4], a[5]

        def finish(root: Tensor) -> Tensor:
            # a last step with the formula of ``encode``, as long as what the other may have rounded
            step = (size - self._integral(root, mirrored)) / self._slope(root, mirrored)
            most = 16 * torch.finfo(v.dtype).eps * root
            step = torch.minimum(torch.maximum(step.nan_to_num(0.0), -most), most)
            return side * (root + step)

        return Problem(_value_and_slope, size, low, high, start, (size, *mirrored), 0.0, finish)

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


def _value_and_slope(x: Tensor, v: Tensor, *a: Tensor) -> tuple[Tensor, Tensor]:
    """(c, the slope of a step of Halley's method to c = v) at x, for c = ∫₀ˣ p.

    With Legendre's polynomials on [0, 1], which are orthogonal, u = a₁x and w = a₂x²,
    ∫₀ˣ (a₀ + a₁τ + a₂τ²)² dτ = x·((a₀ + u/2 + w/3)² + (u + w)²/12 + w²/180).
    """
    total, slope, bend = torch.full_like(x, FLOOR), torch.full_like(x, FLOOR), torch.zeros_like(x)
    for a0, a1, a2 in (a[:3], a[3:]):
        w = a2 * x
        rate = a1 + 2 * w
        u, w = a1 * x, w * x
        mean, line, end = a0 + u / 2 + w / 3, u + w, a0 + u + w
        total = total + mean * mean + line * line / 12 + w * w / 180
        slope, bend = slope + end * end, bend + 2 * end * rate
    value = x * total
    return value, halley_slope(value - v, slope, bend)
