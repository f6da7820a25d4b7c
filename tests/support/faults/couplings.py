"""Planted faults in what a coupling computes: each the smallest change to a sound one, ``Exp``."""

from __future__ import annotations

import torch

from invbench.couplings import ModifiedRQ
from invbench.couplings.base import Elementwise


class Exp(Elementwise):
    """Sound: y = exp(a) x + t."""

    n_params = 2

    def forward(self, x, params):
        return x * params[0].exp() + params[1], params[0].expand_as(x).clone()

    def inverse(self, y, params):
        return (y - params[1]) * (-params[0]).exp(), -params[0].expand_as(y).clone()


class WrongInverse(Exp):
    def inverse(self, y, params):
        return y * (-params[0]).exp() - params[1], -params[0]


class SmallBias(Exp):
    """An eps of 1e-4 in the inverse: the scale that cannot be undone (nflows issue 49's kind)."""

    def inverse(self, y, params):
        return (y - params[1]) / (params[0].exp() + 1e-4), -params[0]


class InverseStopsAtTen(Exp):
    def inverse(self, y, params):
        return ((y - params[1]) * (-params[0]).exp()).clamp(-10, 10), -params[0]


class LooseRoot(Exp):
    """The inverse stops within 1e-3 of the root, as a bisection with a loose tolerance does."""

    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return (x * 1000).round() / 1000, log_slope


class LogDetSign(Exp):
    def forward(self, x, params):
        return super().forward(x, params)[0], -params[0]

    def inverse(self, y, params):
        return super().inverse(y, params)[0], params[0]


class LogDetEps(Exp):
    """log(s + 1e-6) instead of log s."""

    def forward(self, x, params):
        return super().forward(x, params)[0], (params[0].exp() + 1e-6).log()

    def inverse(self, y, params):
        return super().inverse(y, params)[0], -((params[0].exp() + 1e-6).log())


class InverseLogDetSign(Exp):
    def inverse(self, y, params):
        return super().inverse(y, params)[0], params[0]


class Overflows(Exp):
    """x² on the way overflows where the result is representable."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + 0 * (x * x), log_slope


class NanAtZero(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y * (x / x), log_slope


class HalfPrecision(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return (y.to(torch.bfloat16).to(x.dtype) if x.dtype == torch.float32 else y), log_slope


class Wiggles(Exp):
    """A ripple steep enough to fold the line."""

    def forward(self, x, params):
        return x + 0.02 * (100 * x).sin(), torch.zeros_like(x)

    def inverse(self, y, params):
        return y - 0.02 * (100 * y).sin(), torch.zeros_like(y)


class FalseRange(Exp):
    slope_range = (0.5, 2.0)


class FalseBounds(Exp):
    def slope_bounds(self, params):
        return params[0].exp() * 0.5, params[0].exp() * 0.9


class FalseDisplacement(ModifiedRQ):
    def __init__(self):
        super().__init__()
        self.displacement = 0.3


class Raises(Exp):
    """An assertion on sampling, as in nflows issue 87."""

    def inverse(self, y, params):
        assert (y.abs() < 100).all(), "discriminant is negative"
        return super().inverse(y, params)


class CapsScale(Exp):
    """The inverse caps the scale that the forward pass applies (nflows issue 49)."""

    def inverse(self, y, params):
        return (y - params[1]) / params[0].exp().clamp(max=1.001), -params[0].expand_as(y).clone()


class CrashesInTheTails(Exp):
    """Takes the largest element inside the box, which does not exist when a whole batch lies
    outside (nflows issue 23)."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + 0 * (x[x.abs() < 3].max() if x.numel() else 0), log_slope


class ReverseMask(Elementwise):
    """Two slopes, and an inverse that looks up the piece with the knot of x (FrEIA issue 140)."""

    n_params = 1

    def forward(self, x, params):
        a = params[0].clamp(-3, 3)
        return torch.where(x > 1, 1 + a.exp() + (x - 1), x + a.exp()), torch.zeros_like(x)

    def inverse(self, y, params):
        a = params[0].clamp(-3, 3)
        return torch.where(y > 1, y - a.exp(), y - 1), torch.zeros_like(y)


class SaturatesElsewhere(Elementwise):
    """The raw scale is held to ±20 one way and to ±30 the other: the two agree wherever a small
    conditioner goes."""

    n_params = 2

    def forward(self, x, params):
        log_a = params[0].clamp(-20, 20) / 50
        return x * log_a.exp() + params[1], log_a.expand_as(x).clone()

    def inverse(self, y, params):
        log_a = params[0].clamp(-30, 30) / 50
        return (y - params[1]) * (-log_a).exp(), -log_a.expand_as(y).clone()


class Jumps(Elementwise):
    """Pieces that do not meet: 1e-4 apart at x = 1/2."""

    n_params = 1

    def forward(self, x, params):
        return x + 1e-4 * (x > 0.5) + 0 * params[0], torch.zeros_like(x)

    def inverse(self, y, params):
        return y - 1e-4 * (y > 0.50005) + 0 * params[0], torch.zeros_like(y)


class SaysSmooth(Elementwise):
    """A kink at 0, declared absent: a boundary slope that does not match the tail."""

    n_params = 1
    kinks = False

    def forward(self, x, params):
        return torch.where(x > 0, 1.01 * x, x), torch.where(
            x > 0, torch.full_like(x, 1.01).log(), torch.zeros_like(x)
        )

    def inverse(self, y, params):
        return torch.where(y > 0, y / 1.01, y), torch.where(
            y > 0, -torch.full_like(y, 1.01).log(), torch.zeros_like(y)
        )


class DensityOff(Exp):
    """log_det is 0.1 too large near 0."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y, log_slope + 0.1 * (x.abs() < 1)


class NaiveSoftplus(Elementwise):
    """log(1 + exp a) overflows for a = 128 in float32, though the result is 128."""

    n_params = 1

    def forward(self, x, params):
        s = 1e-3 + (1 + params[0].exp()).log()
        return x * s, s.log()

    def inverse(self, y, params):
        s = 1e-3 + (1 + params[0].exp()).log()
        return y / s, -s.log()


class RefusesExtremes(Exp):
    def forward(self, x, params):
        assert (params.abs() < 1e4).all(), "parameters out of range"
        return super().forward(x, params)
