"""Planted faults in couplings: each the smallest change to a sound one, ``Exp``."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

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


class CapsScale(Exp):
    """The inverse caps the scale that the forward pass applies (nflows issue 49)."""

    def inverse(self, y, params):
        return (y - params[1]) / params[0].exp().clamp(max=1.001), -params[0].expand_as(y).clone()


class CrashesInTheTails(Exp):
    """Takes the largest element inside the box, which does not exist when a whole batch lies outside (nflows issue 23)."""

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


class ComplexValued(Exp):
    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return torch.complex(x, 0 * x), log_slope


class DrawsRandom(Exp):
    """Draws from the global generator and does not even use it."""

    def forward(self, x, params):
        torch.rand(1)
        return super().forward(x, params)


class NumbersRows(Exp):
    """Row i gets i·1e-3."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        rows = torch.arange(x.shape[0]).to(x).reshape(-1, *[1] * (x.ndim - 1))
        return y + 1e-3 * rows, log_slope


class CountsRows(Exp):
    """Large batches take another path, which is off by 1e-3."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + (1e-3 if x.shape[0] > 8 else 0), log_slope


class ViewsInput(Exp):
    """view, where reshape was meant."""

    def forward(self, x, params):
        return super().forward(x.view(-1).view(x.shape), params)


class WritesCondition(Exp):
    """In place on the condition: the value does not change, but an expanded one cannot be written."""

    def forward(self, x, params):
        if not params.requires_grad:
            params.mul_(1)
        return super().forward(x, params)


class MixesElements(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + 0 * x.sum(-1, keepdim=True), log_slope


class OverflowsInHalf(Exp):
    """Goes through x·1e5, which float16 cannot hold."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + ((x * 1e5) * 1e-5 - x) * 0, log_slope


class NeedsLinearAlgebra(Exp):
    """Uses an operation that narrow types do not have."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y * torch.linalg.det(torch.eye(2).to(x)), log_slope


class MixedPrecisionCrash(Exp):
    """Writes the result of a matrix product, which autocast narrows, into a tensor that it does not (glasflow issue 65)."""

    def forward(self, x, params):
        out = torch.empty_like(x.reshape(-1, 1))
        out[out > -torch.inf] = 0.0
        everywhere = torch.ones_like(out, dtype=torch.bool)
        out[everywhere] = linear(x.reshape(-1, 1), torch.ones(1, 1).to(x))[everywhere]
        return super().forward(out.reshape(x.shape), params)


class DetachedScale(Exp):
    """The value is right, the gradient for the scale is missing."""

    def forward(self, x, params):
        return x * params[0].detach().exp() + params[1], params[0].expand_as(x).clone()


class BadBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return 1.01 * grad


class WrongBackward(Exp):
    """A hand-written gradient of the shift that is 1 % off; it has no forward mode either."""

    def forward(self, x, params):
        return x * params[0].exp() + BadBackward.apply(params[1]), params[0].expand_as(x).clone()


class Branches(Exp):
    """Python's if on the values."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return (y if (x > 1e10).all() and x.numel() else y + 0), log_slope


class NoticesCompilation(Exp):
    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return (y + 1 if torch.compiler.is_compiling() else y), log_slope


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
        return torch.where(x > 0, 1.01 * x, x), torch.where(x > 0, torch.full_like(x, 1.01).log(), torch.zeros_like(x))

    def inverse(self, y, params):
        return torch.where(y > 0, y / 1.01, y), torch.where(y > 0, -torch.full_like(y, 1.01).log(), torch.zeros_like(y))


class DensityOff(Exp):
    """log_det is 0.1 too large near 0."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y, log_slope + 0.1 * (x.abs() < 1)


class Accumulates(Exp):
    """Adds to the log_det of the last call."""

    def __init__(self):
        super().__init__()
        self.total = 0.0

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        self.total = self.total + float(log_slope.detach().mean()) if x.numel() else self.total
        return y, log_slope + self.total


class SinglePrecision(Exp):
    """float64 callers get float32 numbers in float64 tensors."""

    def inverse(self, y, params):
        x, log_slope = super().inverse(y.float(), params.float())
        return x.to(y), log_slope.to(y)


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
