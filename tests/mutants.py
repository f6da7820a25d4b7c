"""Planted faults: one broken member per law, each the smallest change to a sound layer; and sound layers that look suspicious."""

from __future__ import annotations

import torch
from torch import nn

from invbench.couplings import Additive, Affine, ModifiedRQ
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


class WrongShape(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y, log_slope.sum(-1)


class ReturnsNone(Exp):
    def inverse(self, y, params):
        return None


class UpCasts(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y, log_slope.double() if x.dtype == torch.float32 else log_slope.float()


class Noisy(Exp):
    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return x * (1 + 1e-7 * torch.randn_like(x)), log_slope


class Remembers(Exp):
    """The inverse uses what the last forward call saw."""

    last = 0.0

    def forward(self, x, params):
        self.last = x.flatten()[0].item() if x.numel() else 0.0
        return super().forward(x, params)

    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return x + 0 * self.last + (1e-3 if self.last > 0 else 0), log_slope


class ChangesInput(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        if not x.requires_grad:
            x.mul_(1.0000001)
        return y, log_slope


class MixesRows(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + 0 * x.sum(), log_slope


class ReadsMemory(Exp):
    """Uses the layout instead of the values."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return (y if x.is_contiguous() else y * 1.001), log_slope


class NoEmptyBatch(Exp):
    def forward(self, x, params):
        assert x.max() < float("inf") or True
        return super().forward(x, params)


class RankTwoOnly(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return (y if x.ndim == 2 else y + 1), log_slope


class WhereGradient(Exp):
    """sqrt of a negative number in the branch that is not selected: the value is right, the gradient NaN."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + torch.where(x > 2, 0 * (x - 2).sqrt(), torch.zeros_like(x)), log_slope


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


# law -> mutants that it must kill
MUTANTS: dict[str, list[type[Elementwise]]] = {
    "round-trip-x": [WrongInverse, SmallBias, InverseStopsAtTen, Raises],
    "round-trip-z": [WrongInverse, SmallBias, LooseRoot],
    "log-det": [LogDetSign, LogDetEps],
    "inverse-log-det": [InverseLogDetSign],
    "finite": [Overflows, NanAtZero, Raises],
    "accuracy": [HalfPrecision],
    "monotone": [Wiggles],
    "shape": [WrongShape, ReturnsNone],
    "dtype": [UpCasts],
    "deterministic": [Noisy, Remembers, ChangesInput],
    "row-independence": [MixesRows],
    "layout": [ReadsMemory],
    "empty-batch": [NoEmptyBatch],
    "rank": [RankTwoOnly],
    "gradients-finite": [WhereGradient],
    "declared-slopes": [FalseRange, FalseBounds],
    "declared-displacement": [FalseDisplacement],
    "equal-tails": [Affine],
}


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
        return torch.where(x > 0, x * log_a.exp(), x), torch.where(x > 0, log_a, torch.zeros_like(x))

    def inverse(self, y, params):
        log_a = params[0].clamp(-5, 5)
        return torch.where(y > 0, y * (-log_a).exp(), y), torch.where(y > 0, -log_a, torch.zeros_like(y))


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


SOUND: list[type[Elementwise]] = [
    Exp,
    Additive,
    Affine,
    ModifiedRQ,
    TinyScale,
    Kink,
    LargeShift,
    Identity,
    Decreasing,
    WideBox,
]


class RotatedLayer(nn.Module):
    """Sound layer: x ↦ x·Q with Q orthogonal; ``broken`` breaks one thing."""

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0])
        self.broken = broken

    def forward(self, x, cond=None):
        z = x @ self.weight
        if self.broken == "mixes rows":
            z = z + 0 * x.mean(0, keepdim=True)
        log_det = x.new_zeros(x.shape[0])
        if self.broken == "log-det":
            log_det = log_det + 0.5
        return z, log_det.sum() if self.broken == "log-det shape" else log_det

    def inverse(self, z, cond=None):
        x = z @ self.weight.T
        if self.broken == "transposed":
            x = z @ self.weight
        log_det = z.new_zeros(z.shape[0])
        return x, log_det - (0.5 if self.broken == "log-det" else 0)
