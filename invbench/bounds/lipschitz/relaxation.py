"""Linear bounds through the convolutional conditioner: tighter than intervals, at a higher cost.

Backward linear bounds as in CROWN (Zhang, Weng, Chen, Hsieh, Daniel, NeurIPS 2018). For a
pre-activation h between l < 0 < u, ReLU lies below the line u(h − l)/(u − l) and above 0 or h,
whichever is closer. So an output lies between two linear maps of the input patch that it sees, and
their extremes over a box are exact: A·centre ± |A|·radius. Intervals are wider because they forget,
at every layer, that inputs move together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.bounds.lipschitz.gain import Gain
from invbench.bounds.lipschitz.interval import Interval, U
from invbench.bounds.lipschitz.operator_norm import convolution_norm, matrix_norm
from invbench.flows import ConvConditioner

__all__ = ["Relaxed"]

CHUNK = 8  # outputs that are bounded at once


class Relaxed(nn.Module):
    """A ``ConvConditioner`` in float64 whose ``forward`` maps an ``Interval`` (B, C, H, W) to one
    that is no wider than by interval arithmetic."""

    def __init__(self, network: ConvConditioner) -> None:
        super().__init__()
        n = network.double()
        self.network = n
        scales = [norm.logs.exp() for norm in (n.first_norm, n.second_norm)]
        self.k1, self.b1 = (
            (n.first.weight * scales[0].view(-1, 1, 1, 1)).flatten(2),
            n.first_norm.bias * scales[0],
        )
        self.k2, self.b2 = (
            n.second.weight[:, :, 0, 0] * scales[1][:, None],
            n.second_norm.bias * scales[1],
        )
        last = (3 * n.logs).exp()
        self.k3, self.b3 = (n.head.weight * last.view(-1, 1, 1, 1)).flatten(2), n.head.bias * last  # type: ignore[operator]

    @torch.no_grad()
    def forward(self, x: Interval) -> Interval:
        n, shape = self.network, x.shape
        first = n.first_norm(n.first(x))[0]  # type: ignore[arg-type]
        second = n.second_norm(n.second(first.relu()))[0]
        radius = (x.hi - x.lo) / 2
        patches = [_patches(v, 5) for v in (x.lo + radius, radius)]
        inner = [v.view(v.shape[0], 5, 5, -1)[:, 1:4, 1:4].flatten(1, 2) for v in patches]
        ones = Lines(first)
        size = self._size(x, (first, second))
        ends = [self._second(ones, inner, upper) for upper in (False, True)]
        second = _meet(second, [_image(end, second.shape) for end in ends], size[0])
        out = n(x)
        twos = Lines(second)
        ends = [self._third(ones, twos, patches, upper) for upper in (False, True)]
        met = _meet(out, [_image(end, out.shape) for end in ends], size[1])
        assert met.shape[2:] == shape[2:]
        if out.gain is not None and x.gain is not None:
            met.gain = Gain(
                torch.full(
                    (out.shape[1],), min(out.gain.norm, self._jacobian(x.gain, ones, twos, met))
                )
            )
        return met

    def _second(self, ones: Lines, inner: list[Tensor], upper: bool) -> Tensor:
        """Bounds (k, P) on the second pre-activations at P positions, from the 3×3 patches (i, 9,
        P) of the input."""
        found = []
        for rows, bias in zip(self.k2.split(CHUNK), self.b2.split(CHUNK), strict=True):
            a, level = ones.through(rows[:, :, None], upper)
            level = level.sum(1) + bias[:, None] + torch.einsum("kmp,m->kp", a, self.b1)
            taps = torch.einsum("kmp,mif->kifp", a, self.k1)
            found.append(level + _extreme(taps, inner, upper))
        return torch.cat(found)

    def _third(self, ones: Lines, twos: Lines, patches: list[Tensor], upper: bool) -> Tensor:
        """Bounds (o, P) on the outputs, from the 5×5 patches (i, 25, P) of the input. Positions
        outside the image have lines of slope 0."""
        near_ones, near_twos = ones.patches(), twos.patches()
        found = []
        for row, bias in zip(self.k3, self.b3, strict=True):
            a, level = near_twos.through(row[:, :, None], upper)  # (k, 9, P)
            total = level.sum((0, 1)) + bias + torch.einsum("kdp,k->p", a, self.b2)
            a, level = near_ones.through(torch.einsum("kdp,km->mdp", a, self.k2), upper)
            total = total + level.sum((0, 1)) + torch.einsum("mdp,m->p", a, self.b1)
            taps = a.new_zeros(self.k1.shape[1], 5, 5, a.shape[-1])
            for d in range(9):
                seen = torch.einsum("mp,mif->ifp", a[:, d], self.k1).unflatten(1, (3, 3))
                taps[:, d // 3 : d // 3 + 3, d % 3 : d % 3 + 3] += seen
            found.append(total + _extreme(taps.flatten(1, 2)[None], patches, upper)[0])
        return torch.stack(found)

    def _size(self, x: Interval, hidden: tuple[Interval, ...]) -> list[Tensor]:
        """How much rounding may have moved the bounds above: 2·N·u·Σ|products|, N the total length
        of the sums that a product is part of."""
        width, inputs = self.k1.shape[:2]
        n = 2 * (25 * inputs + 11 * width + 30) * U
        size = F.conv2d(
            x.magnitude, self.k1.abs().unflatten(2, (3, 3)), padding=1
        ) + self.b1.abs().view(-1, 1, 1)
        size = torch.maximum(size, hidden[0].magnitude)
        # a line's value is at most twice the pre-activation's: slope at most 1, level at most |l|
        size = F.conv2d(2 * size, self.k2.abs()[:, :, None, None]) + self.b2.abs().view(-1, 1, 1)
        size = torch.maximum(size, hidden[1].magnitude)
        out = F.conv2d(
            2 * size, self.k3.abs().unflatten(2, (3, 3)), padding=1
        ) + self.b3.abs().view(-1, 1, 1)
        return [n * size, n * out]

    def _jacobian(self, seed: Gain, ones: Lines, twos: Lines, out: Interval) -> float:
        """A bound on ‖K₃D₂K₂D₁K₁‖ over all diagonal D within the slopes of the lines:
        D = diag(c) + diag(r)·E, with one c and r per channel and ‖E‖ ≤ 1.

        The product of a 1×1 kernel and a 3×3 kernel is again a convolution, and its norm is at most
        the product of the norms.
        """
        size = tuple(out.shape[2:])
        k1, k3 = (k.unflatten(2, (3, 3)) for k in (self.k1, self.k3))
        k1 = k1 * seed.settled().view(1, -1, 1, 1)
        (c1, r1), (c2, r2) = ones.spread(), twos.spread()

        def norm(kernel: Tensor) -> float:
            return convolution_norm(kernel, *size)  # type: ignore[call-arg]

        def before(matrix: Tensor, kernel: Tensor) -> Tensor:
            return torch.einsum("km,mixy->kixy", matrix, kernel)

        def after(kernel: Tensor, matrix: Tensor) -> Tensor:
            return torch.einsum("okxy,km->omxy", kernel, matrix)

        middle = self.k2 * c1
        start, whole = norm(k1), norm(before(middle, k1))
        straight = min(
            norm(after(k3 * c2.view(1, -1, 1, 1), middle)) * start,
            norm(k3 * c2.view(1, -1, 1, 1)) * whole,
        )
        bent = norm(after(k3 * c2.view(1, -1, 1, 1), self.k2 * r1)) * start
        return (
            straight
            + bent
            + norm(k3 * r2.view(1, -1, 1, 1)) * (whole + matrix_norm(self.k2 * r1) * start)
        )


class Lines:
    """low·h ≤ relu(h) ≤ high·h + level for h in an interval; each (channels, P), or (channels, 9,
    P) for patches."""

    def __init__(self, h: Interval) -> None:
        self.shape = h.shape
        lo, hi = h.lo, h.hi
        bends = (lo < 0) & (hi > 0)
        on = (lo >= 0).double()
        self.high = torch.where(bends, hi / (hi - lo).clamp(min=1e-300), on)
        self.level = torch.where(bends, -self.high * lo, 0.0)
        self.low = torch.where(bends, (hi > -lo).double(), on)
        self.kept = [v.movedim(1, 0).flatten(1) for v in (self.low, self.high, self.level)]

    def patches(self) -> Lines:
        """The lines of the nine neighbours; outside the image all are zero, as the padding is."""
        found = object.__new__(Lines)
        found.shape = self.shape
        found.kept = [_patches(v, 3) for v in (self.low, self.high, self.level)]
        return found

    def through(self, weight: Tensor, upper: bool) -> tuple[Tensor, Tensor]:
        """(slopes, levels) of an upper or lower bound on weight·relu(h): positive weights take the
        one line, negative weights the other."""
        low, high, level = self.kept
        rising, falling = weight.clamp(min=0), weight.clamp(max=0)
        if not upper:
            low, high, rising, falling = high, low, falling, rising
            return rising * low + falling * high, rising * level
        return rising * high + falling * low, rising * level

    def spread(self) -> tuple[Tensor, Tensor]:
        """(c, r) per channel such that relu′ lies in c ± r at every position."""
        least = (
            self.low.movedim(1, 0).flatten(1) * (self.level == 0).movedim(1, 0).flatten(1)
        ).amin(1)
        most = (self.high > 0).double().movedim(1, 0).flatten(1).amax(1)
        return (least + most) / 2, (most - least) / 2


def _patches(v: Tensor, k: int) -> Tensor:
    """The k×k patch that each position sees, zeros outside: (channels, k², B·H·W)."""
    return (
        F.unfold(v, k, padding=k // 2)
        .unflatten(1, (v.shape[1], k * k))
        .permute(1, 2, 0, 3)
        .flatten(2)
    )


def _image(v: Tensor, shape: torch.Size) -> Tensor:
    return v.view(shape[1], shape[0], *shape[2:]).movedim(0, 1)


def _extreme(taps: Tensor, patches: list[Tensor], upper: bool) -> Tensor:
    """The maximum or minimum of A·x over the box, (rows, P)."""
    centre, radius = patches
    spread = (taps.abs() * radius).sum((1, 2))
    return (taps * centre).sum((1, 2)) + (spread if upper else -spread)


def _meet(h: Interval, ends: list[Tensor], error: Tensor) -> Interval:
    """The part of h that lies between the linear bounds."""
    lo, hi = torch.maximum(h.lo, ends[0] - error), torch.minimum(h.hi, ends[1] + error)
    return Interval(lo, torch.maximum(lo, hi), h.gain)
