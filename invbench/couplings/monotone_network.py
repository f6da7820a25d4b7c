"""The unconstrained monotonic neural network (UMNN): the integral of a positive network."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.root import monotone_root, through_root
from invbench.registry import coupling

__all__ = ["MonotoneNetwork"]

FLOOR = 1e-2


@coupling("monotone-network")
class MonotoneNetwork(CheckedElementwise):
    """y = t + ∫₀ˣ g(u) du,  c′ = g = ε + (1 − ε)·(1 + elu(N)),  ε = 0.01,
    N(u) = c + Σ_k v_k·relu(w_k·u + b_k).

    The integrand is that of UMNN (a network, then ELU + 1), with one hidden layer of H = 4
    rectifiers whose weights come from the conditioner. N is linear between its H breakpoints
    −b_k/w_k. So the integral is a sum of closed forms instead of a quadrature: over a piece of
    length ℓ on which N goes from A to B, ∫elu(N) + 1 is ℓ·(1 + (A + B)/2) where N ≥ 0, and
    ℓ·e^A·expm1(B − A)/(B − A) where N ≤ 0. All pieces between 0 and x contribute with the sign of
    x, so nothing cancels.

    Parameters, raw: v, w, b (H each), c, t; ±1 is added to w_k and ±1/2 to b_k, so that the
    rectifiers differ. v, w, b saturate at ±1e3. Zero parameters give the identity. N is monotone on
    each piece, so the extremes of c′ lie at the breakpoints and in the tails, where c′ grows
    linearly or falls to ε. The inverse is a root between 0 and (y − t)/ε.
    """

    closed_inverse = False
    working = torch.float64
    slope_range = (FLOOR, math.inf)
    displacement = math.inf
    tail_slopes_equal = False
    metadata = {
        "citation": "Wehenkel, Louppe: Unconstrained Monotonic Neural Networks, NeurIPS 2019",
        "year": 2019,
        "family": "network",
        "formula": (
            "y = t + ∫₀ˣ (ELU(N(u)) + 1) du, N a ReLU network with weights from the conditioner"
        ),
    }

    def __init__(self, hidden: int = 4) -> None:
        super().__init__()
        if not (isinstance(hidden, int) and hidden >= 1):
            raise ValueError(f"monotone-network: hidden must be a positive integer, got {hidden!r}")
        self.hidden = hidden
        self.n_params = 3 * hidden + 2

    def _network(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(v, w, b, c); the first three (H, …), with the offsets added."""
        h = self.hidden
        index = torch.arange(h, device=params.device).reshape(h, *[1] * (params.ndim - 1))
        sign = 1.0 - 2.0 * (index % 2)
        v, w, b = (
            params[:h].clamp(-1e3, 1e3),
            params[h : 2 * h].clamp(-1e3, 1e3) + sign,
            params[2 * h : 3 * h].clamp(-1e3, 1e3),
        )
        half = torch.where(index % 4 < 2, 0.5, -0.5)
        return v, w, b + half.to(b.dtype), params[3 * h].clamp(-1e3, 1e3)

    def _breakpoints(self, w: Tensor, b: Tensor) -> Tensor:
        """−b/w, sorted along the first axis; 0 in place of that of a rectifier with w = 0."""
        flat = w == 0
        places = torch.where(
            flat, torch.zeros_like(w), -b / torch.where(flat, torch.ones_like(w), w)
        )
        return torch.sort(places.detach(), 0).values

    def _line(
        self, u: Tensor, network: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """(A, B) with N = A·u + B around u. Sums of the slopes first: for large u the sum of the
        rectifiers would cancel."""
        v, w, b, c = network
        on = v * (w * u + b > 0)
        return (on * w).sum(0), c + (on * b).sum(0)

    def _preactivation(self, u: Tensor, network: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        rise, at_zero = self._line(u.detach(), network)
        return rise * u + at_zero

    def _piece(self, length: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """∫ (1 + elu(N)) over a piece on which N goes linearly from ``start`` to ``end``."""
        rise = end - start
        crosses = (start > 0) != (end > 0)
        # share of the piece on which N > 0
        steep = torch.where(crosses, rise.abs(), torch.ones_like(rise))
        positive = torch.where(
            crosses, torch.maximum(start, end) / steep, (start > 0).to(rise.dtype)
        )
        # relu, unlike clamp, has the gradient 0 at 0: N = 0 counts as negative, as in ``crosses``
        above = positive * (1 + (torch.relu(start) + torch.relu(end)) / 2)
        low, high = torch.minimum(start, end).clamp(max=0), torch.maximum(start, end).clamp(max=0)
        fall = high - low
        mean = torch.exp(high) * torch.where(
            fall < 1e-4, 1 - fall / 2, -torch.expm1(-fall) / fall.clamp(min=1e-4)
        )
        return length * (above + (1 - positive) * mean)

    def _integral(
        self, x: Tensor, network: tuple[Tensor, Tensor, Tensor, Tensor], points: Tensor
    ) -> Tensor:
        """ε·x + (1 − ε)·∫₀ˣ (1 + elu(N)), over the pieces between 0 and x."""
        # minimum and maximum would halve the derivatives at x = 0
        low, high = (
            torch.where(x < 0, x, torch.zeros_like(x)),
            torch.where(x < 0, torch.zeros_like(x), x),
        )
        at = [
            low,
            *(
                torch.minimum(torch.maximum(p, low.detach()), high.detach())
                for p in points.unbind(0)
            ),
            high,
        ]
        total = torch.zeros_like(x)
        for start, end in itertools.pairwise(at):
            # The middle of the piece tells which rectifiers are on. N is continuous, so a move of
            # the breakpoints does not change the integral, and they need no gradient.
            rise, at_zero = self._line((start / 2 + end / 2).detach(), network)
            total = total + self._piece(end - start, rise * start + at_zero, rise * end + at_zero)
        return FLOOR * x + (1 - FLOOR) * torch.where(x < 0, -total, total)

    def _slope(self, preactivation: Tensor) -> Tensor:
        return FLOOR + (1 - FLOOR) * (1 + torch.nn.functional.elu(preactivation))

    def encode(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        network = self._network(params)
        y = self._integral(x, network, self._breakpoints(*network[1:3]))
        return y + shift(params[-1]), torch.log(self._slope(self._preactivation(x, network)))

    def decode(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        v = y - shift(params[-1])
        with torch.no_grad():
            network = self._network(params)
            points = self._breakpoints(*network[1:3])
            largest = torch.finfo(v.dtype).max / 2
            bound = (v / FLOOR).clamp(-largest, largest)
            # the root lies between the breakpoints whose images enclose v
            v_, w_, b_, c_ = network
            wide = (v_[:, None], w_[:, None], b_[:, None], c_)
            images = self._integral(points, wide, points[:, None])
            low = torch.where(images <= v, points, -torch.inf).amax(0).maximum(bound.clamp(max=0))
            high = torch.where(images >= v, points, torch.inf).amin(0).minimum(bound.clamp(min=0))

            def value(x: Tensor, points: Tensor, *network: Tensor) -> tuple[Tensor, Tensor]:
                weights = (network[0], network[1], network[2], network[3])
                return self._integral(x, weights, points), self._slope(
                    self._preactivation(x, weights)
                )

            x = monotone_root(value, v, low, high, given=(points, *network))
        return through_root(x, y, lambda x: self.encode(x, params))

    def slope_bounds(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Exact over all x, from the breakpoints and the tails."""
        network = self._network(params)
        at = self._breakpoints(*network[1:3])
        values = torch.stack([self._slope(self._preactivation(u, network)) for u in at.unbind(0)])
        tails = torch.stack(self.tail_slopes(params))
        values = torch.cat((values, tails))
        return values.amin(0), values.amax(0)

    def tail_slopes(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """ε where N falls, Inf where it grows, and g of its constant value where the growing
        rectifiers cancel."""
        v, w, b, c = self._network(params)
        found = []
        for side in (-1.0, 1.0):
            growing = side * w > 0
            rate = (v * w.abs() * growing).sum(0)
            level = c + (
                v * torch.where(growing, b, torch.where(w == 0, torch.relu(b), torch.zeros_like(b)))
            ).sum(0)
            found.append(
                torch.where(
                    rate > 0, math.inf, torch.where(rate < 0, FLOOR, self._slope(level))
                ).to(c.dtype)
            )
        return found[0], found[1]
