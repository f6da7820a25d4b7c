"""The unconstrained monotonic neural network (UMNN): the integral of a positive network."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from invbench.couplings.checked_elementwise import CheckedElementwise, shift
from invbench.couplings.exponential_root import exponential_root
from invbench.couplings.root import through_root
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
    linearly or falls to ε. The inverse is closed but for a root of z + k·(e^z − 1) (``_outward``).
    """

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
            side = torch.where(v < 0, -1.0, 1.0).to(v.dtype)
            a, w, b, c = self._network(params)
            x = side * self._outward(v.abs(), (a, side * w, b, c))
            x = torch.where(v.isfinite(), x, v)
        return through_root(
            x,
            y,
            lambda x: self.encode(x, params),
            lambda x: torch.log(self._slope(self._preactivation(x, self._network(params)))),
        )

    def _outward(self, v: Tensor, network: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        """x ≥ 0 with ε·x + (1 − ε)·∫₀ˣ (1 + elu(N)) = v ≥ 0: through the pieces until one holds it.

        On it N = A·d + N₀ at the distance d from its start, and what is left of v is
        g₀d + (1 − ε)·A·d²/2, g₀ = ε + (1 − ε)(1 + N₀), where N ≥ 0, a quadratic; and where N ≤ 0
        ε·d + (1 − ε)·e^N₀·(e^(Ad) − 1)/A, an ``exponential_root`` for z = A·d.
        """
        v = v.clamp(max=torch.finfo(v.dtype).max / 2**50)  # products with N stay finite
        start, passed = torch.zeros_like(v), torch.zeros_like(v)
        rate, level = torch.zeros_like(v), torch.zeros_like(v)
        left, total = start, passed
        for end in [*_ascending(self._positive_breakpoints(*network[1:3])), None]:
            middle = 2 * left + 1 if end is None else left / 2 + end / 2
            rise, at_zero = self._line(middle, network)
            beyond = v >= total
            begins = rise * left + at_zero
            start, passed = torch.where(beyond, left, start), torch.where(beyond, total, passed)
            rate, level = torch.where(beyond, rise, rate), torch.where(beyond, begins, level)
            if end is not None:
                length = end - left
                mean = self._piece(length, begins, rise * end + at_zero)
                left, total = end, total + FLOOR * length + (1 - FLOOR) * mean
        rest = whole = v - passed
        first = level
        # the piece ends where N = 0, if that lies ahead
        crosses = rate * level < 0
        part = torch.where(crosses, -level / torch.where(crosses, rate, 1.0), 0.0)
        mean = torch.where(
            level > 0, part * (1 + level / 2), -torch.expm1(level.clamp(max=0)) / rate
        )
        inner = FLOOR * part + (1 - FLOOR) * mean
        after = crosses & (rest > inner)
        distance, rest = torch.where(after, part, 0.0), torch.where(after, rest - inner, rest)
        level = torch.where(after, 0.0, level)
        grows = (level > 0) | ((level == 0) & (rate > 0))
        slope = FLOOR + (1 - FLOOR) * (1 + level)
        root = torch.sqrt((slope * slope + 2 * (1 - FLOOR) * rate * rest).clamp(min=0))
        linear = 2 * rest / (slope + root)
        log_k = level.clamp(max=0) + math.log((1 - FLOOR) / FLOOR)
        rho = torch.where(grows, 0.0, rate * (rest / FLOOR))
        flat = rho.abs() < torch.finfo(v.dtype).tiny  # of a rate that is 0, or a rest
        z = exponential_root(log_k, rho)
        bent = torch.where(
            flat, rest / FLOOR / (1 + torch.exp(log_k)), z / torch.where(flat, 1.0, rate)
        )
        distance = distance + torch.where(grows, linear, bent)
        # ``_piece`` has a series for N that hardly changes, good to 2e-9, and is what is inverted
        last = first + rate * distance
        value = FLOOR * distance + (1 - FLOOR) * self._piece(distance, first, last)
        most = 1e-8 * distance
        step = torch.minimum(torch.maximum((whole - value) / self._slope(last), -most), most)
        return start + distance + step

    def _positive_breakpoints(self, w: Tensor, b: Tensor) -> list[Tensor]:
        """−b/w of every rectifier, those that are not positive as 0."""
        flat = w == 0
        places = -b / torch.where(flat, torch.ones_like(w), w)
        return list(torch.where(flat, torch.zeros_like(w), places).clamp(min=0).unbind(0))

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


def _ascending(values: list[Tensor]) -> list[Tensor]:
    """Sorted, elementwise, by exchanges of neighbours: unlike torch.sort they fuse in a kernel."""
    values = list(values)
    for end in range(len(values) - 1, 0, -1):
        for k in range(end):
            a, b = values[k], values[k + 1]
            values[k], values[k + 1] = torch.minimum(a, b), torch.maximum(a, b)
    return values
