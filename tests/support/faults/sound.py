"""Sound couplings and layers that look suspicious: no law of soundness may accuse them."""

from __future__ import annotations

import torch
from torch import nn

from invbench.couplings import RQ, Additive, Affine, ModifiedRQ
from invbench.couplings.base import Elementwise
from tests.support.faults.couplings import Exp


class TinyScale(Exp):
    """Scales of 1e-4: ill-conditioned and sound."""

    def forward(self, x, params):
        return 1e-4 * x + params[1], torch.full_like(x, 1e-4).log()

    def inverse(self, y, params):
        return (y - params[1]) / 1e-4, -torch.full_like(y, 1e-4).log()


class Kink(Elementwise):
    """Slope a for x > 0, 1 for x < 0."""

    n_params = 1

    def forward(self, x, params):
        log_a = params[0].clamp(-5, 5)
        return torch.where(x > 0, x * log_a.exp(), x), torch.where(
            x > 0, log_a, torch.zeros_like(x)
        )

    def inverse(self, y, params):
        log_a = params[0].clamp(-5, 5)
        return torch.where(y > 0, y * (-log_a).exp(), y), torch.where(
            y > 0, -log_a, torch.zeros_like(y)
        )


class SaturatesFarOut(Elementwise):
    """The raw scale is held to ±100, in both directions alike."""

    n_params = 2

    def forward(self, x, params):
        log_a = params[0].clamp(-100, 100) / 50
        return x * log_a.exp() + params[1], log_a.expand_as(x).clone()

    def inverse(self, y, params):
        log_a = params[0].clamp(-100, 100) / 50
        return (y - params[1]) * (-log_a).exp(), -log_a.expand_as(y).clone()


class LargeShift(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + 1e4, log_slope

    def inverse(self, y, params):
        return super().inverse(y - 1e4, params)


class Identity(Elementwise):
    n_params = 1

    def forward(self, x, params):
        return x.clone(), torch.zeros_like(x)

    def inverse(self, y, params):
        return y.clone(), torch.zeros_like(y)


class Decreasing(Elementwise):
    """y = −x + t: monotone downwards."""

    n_params = 1

    def forward(self, x, params):
        return params[0] - x, torch.zeros_like(x)

    def inverse(self, y, params):
        return params[0] - y, torch.zeros_like(y)


class WideBox(ModifiedRQ):
    """Steep knots in a wide box: large κ, small T."""

    def __init__(self):
        super().__init__(box=8.0)


class HugeScale(Exp):
    """Scales of 1e4."""

    def forward(self, x, params):
        return 1e4 * x + params[1], torch.full_like(x, 1e4).log()

    def inverse(self, y, params):
        return (y - params[1]) / 1e4, -torch.full_like(y, 1e4).log()


class ManyBins(RQ):
    """32 bins in a box of ±1: steep and narrow."""

    def __init__(self):
        super().__init__(bins=32, box=1.0)


class OwnWeight(Elementwise):
    """A coupling with a weight of its own beside the conditioner's outputs."""

    n_params = 1

    def __init__(self):
        super().__init__()
        self.log_s = nn.Parameter(torch.tensor(0.3))

    def forward(self, x, params):
        return x * self.log_s.exp() + params[0], self.log_s.expand_as(x)

    def inverse(self, y, params):
        return (y - params[0]) * (-self.log_s).exp(), -self.log_s.expand_as(y)


class GoodBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad


class HandWrittenGradient(Exp):
    """A custom autograd.Function, with the right gradient and no forward mode."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return GoodBackward.apply(y), log_slope


class Softened(Elementwise):
    """y = x + a·tanh(x), |a| < 1: no closed inverse, bisection to the last bit."""

    n_params = 1

    def forward(self, x, params):
        a = 0.9 * params[0].tanh()
        t = x.tanh()
        return x + a * t, torch.log1p(a * (1 - t * t))

    def inverse(self, y, params):
        with torch.no_grad():
            low, high = y - 1, y + 1
            for _ in range(60):
                middle = (low + high) / 2
                left = self.forward(middle, params)[0] >= y
                low, high = torch.where(left, low, middle), torch.where(left, middle, high)
            x = (low + high) / 2
        value, log_slope = self.forward(x, params)
        if torch.is_grad_enabled():
            x = x + ((y - y.detach()) - (value - value.detach())) * (-log_slope.detach()).exp()
            log_slope = self.forward(x, params)[1]
        return x, -log_slope


SOUND: list[type[Elementwise]] = [
    Exp,
    Additive,
    Affine,
    ModifiedRQ,
    TinyScale,
    Kink,
    SaturatesFarOut,
    LargeShift,
    Identity,
    Decreasing,
    WideBox,
    HugeScale,
    ManyBins,
    OwnWeight,
    HandWrittenGradient,
    Softened,
]
