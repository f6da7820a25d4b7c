"""Mixtures of smooth ramps: infinitely differentiable, and the identity outside a box."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.couplings.amplitude import amplitude
from invbench.couplings.bins import weights
from invbench.couplings.checked_elementwise import shift
from invbench.couplings.iterated import Iterated, Problem
from invbench.couplings.root import halley_slope
from invbench.registry import coupling

__all__ = ["SmoothBump"]

EDGE = 1e-3  # R(1e-3) = e^-999 is 0 in every dtype
THIRD = 97.0  # max |R‴| = 96.7
POINTS = 513

Mixture = tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]


def _ramp(tau: Tensor) -> tuple[Tensor, Tensor]:
    """(R, R′) for R(τ) = ρ(τ)/(ρ(τ) + ρ(1 − τ)) = sigmoid(1/(1 − τ) − 1/τ), ρ(τ) = e^(−1/τ).
    max R′ = R′(1/2) = 2."""
    tau = tau.clamp(EDGE, 1 - EDGE)
    near, far = 1 / tau, 1 / (1 - tau)
    up, down = torch.sigmoid(far - near), torch.sigmoid(near - far)
    return up, up * down * (near * near + far * far)


@coupling("smooth-bump")
class SmoothBump(Iterated):
    """y = x + A·(Σ_i π_i·R((x − l_i)/w_i) − R((x + B)/(2B))) + t,  R the smooth ramp from 0 to 1,
    M = 4 ramps, B = 3.

    Köhler et al. mix such ramps on a compact interval. Here the ramp of the whole box is
    subtracted, so that c(x) = x + t outside it, with all derivatives. −(1 − κ)·w₀/2 < A < (1 − κ)·B
    with the smallest width w₀ = 2B·floor, so c′ ≥ κ = 0.1 for either sign, since R′ ≤ 2. c′ is at
    most 1 + (1 − κ)/floor, and no value moves by more than (1 − κ)·B; one narrow ramp at the edge
    approaches both.

    Parameters, raw: M logits of π, M places l = −B + (2B − w)·sigmoid, M widths w = 2B·(floor + (1
    − floor)·sigmoid), A, t. Zero parameters give A = 0, the identity. The inverse is a root between
    y − t ± |A|.
    """

    steps = 5
    tail_slopes_equal = True
    metadata = {
        "citation": "Köhler, Krämer, Noé: Smooth Normalizing Flows, NeurIPS 2021",
        "year": 2021,
        "family": "smooth",
        "formula": "y = x + A·(mixture of 4 smooth ramps − ramp of the box) + t, c′ ≥ 0.1",
    }

    def __init__(
        self, components: int = 4, box: float = 3.0, floor: float = 0.05, least: float = 0.1
    ) -> None:
        super().__init__()
        if not (isinstance(components, int) and components >= 1):
            raise ValueError(
                f"smooth-bump: components must be a positive integer, got {components!r}"
            )
        if not (box > 0 and 0 < floor < 1 and 0 < least < 1):
            raise ValueError(
                f"smooth-bump: {box=} must be positive, {floor=} and {least=} lie between 0 and 1"
            )
        self.components, self.box, self.floor, self.least = (
            components,
            float(box),
            float(floor),
            float(least),
        )
        self.n_params = 3 * components + 2
        self.slope_range = (least, 1 + (1 - least) / floor)  # type: ignore[misc]
        self.displacement = (1 - least) * self.box  # type: ignore[misc]

    def _mixture(self, params: Tensor) -> Mixture:
        """(A, shares π, left ends, widths) of the ramps; the last ramp is the box's, with π =
        −1."""
        raw, m = params.unbind(0), self.components
        shares = weights(raw[:m])
        widths = [
            2 * self.box * (self.floor + (1 - self.floor) * torch.sigmoid(r))
            for r in raw[2 * m : 3 * m]
        ]
        places = zip(widths, raw[m : 2 * m], strict=True)
        left = [(2 * self.box - w) * torch.sigmoid(r) - self.box for w, r in places]
        most, least = (1 - self.least) * self.box, (1 - self.least) * self.box * self.floor
        size = amplitude(raw[3 * m], least, most)
        one = torch.ones_like(size)
        return size, [*shares, -one], [*left, -self.box * one], [*widths, 2 * self.box * one]

    def _moved(self, x: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
        """(c(x) − t, c′)."""
        size, shares, left, widths = mixture
        value, slope = torch.zeros_like(x), torch.zeros_like(x)
        inner = x.clamp(-self.box, self.box)
        for p, start, w in zip(shares, left, widths, strict=True):
            ramp, density = _ramp((inner - start) / w)
            value, slope = value + p * ramp, slope + p / w * density
        return x + size * value, 1 + size * slope

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = self._moved(x, self._mixture(params))
        return value + shift(params[-1]), torch.log(slope)

    def problem(self, y: Tensor, params: Tensor) -> Problem:
        """The mixture less the ramp of the box lies in (−1, 1), so x lies between y − t ± |A|."""
        v = y - shift(params[-1])
        mixture = self._mixture(params)
        size = mixture[0]
        given = v, size, *(part for column in mixture[1:] for part in column)

        def value(x: Tensor, v: Tensor, size: Tensor, *ramps: Tensor) -> tuple[Tensor, Tensor]:
            m = len(ramps) // 3
            inner = x.clamp(-self.box, self.box)
            value, slope, bend = x, torch.ones_like(x), torch.zeros_like(x)
            for p, left, w in zip(*(ramps[k : k + m] for k in (0, m, 2 * m)), strict=True):
                tau = ((inner - left) / w).clamp(EDGE, 1 - EDGE)
                both = 1 / (tau * (1 - tau))
                near, far = (1 - tau) * both, tau * both
                ramp = torch.sigmoid(far - near)
                rate = near * near + far * far
                density = ramp * (1 - ramp)
                share = size * p
                value = value + share * ramp
                share = share / w * density
                slope = slope + share * rate
                curve = (1 - 2 * ramp) * rate * rate + 2 * (far * far * far - near * near * near)
                bend = bend + share / w * curve
            return value, halley_slope(value - v, slope, bend)

        def finish(root: Tensor) -> Tensor:
            # a last step with the formula of ``encode``, as long as what the other may have rounded
            value, slope = self._moved(root, mixture)
            most = 16 * torch.finfo(v.dtype).eps * (root.abs() + v.abs())
            residual = torch.minimum(torch.maximum((v - value).nan_to_num(0.0), -most), most)
            return root + residual / slope

        return Problem(value, v, v - size.abs(), v + size.abs(), v, given, 0.0, finish)

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Certified over all x: the extremes over 513 points on every ramp, widened by how much c′
        can change between them.

        An extreme of c′ lies within w_i/1024 of a sample, for every ramp i that is not constant
        there, and c″ = 0 at it. So c′ differs from that at the sample by at most
        Σ |A·π_i|·max|R‴|/w_i³·(w_i/1024)²/2, which is below 0.5 % of the smallest slope.
        """
        dtype, shape = params.dtype, params.shape[1:]
        tau = torch.linspace(0, 1, POINTS, dtype=torch.float64)[:, None]
        found = []
        for some in params.double().flatten(1).split(1024, dim=1):
            size, shares, left, widths = mixture = self._mixture(some)
            x = torch.cat([start + w * tau for start, w in zip(left, widths, strict=True)])
            slopes = self._moved(x, mixture)[1]
            widening = sum((p / w).abs() for p, w in zip(shares, widths, strict=True)) * size.abs()
            widening = widening * THIRD / (2 * (2 * (POINTS - 1)) ** 2)
            found.append(torch.stack((slopes.amin(0) - widening, slopes.amax(0) + widening)))
        low, high = torch.cat(found, dim=1).reshape(2, *shape).to(dtype)
        return low.clamp(self.least, 1), high.clamp(1, self.slope_range[1])  # type: ignore[index]
