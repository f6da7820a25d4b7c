"""Planted faults in how a coupling behaves: shapes, types, state, layouts, gradients."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from tests.support.faults.couplings import Exp


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
    """sqrt of a negative number in the branch that is not selected: the value is right, the
    gradient NaN."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + torch.where(x > 2, 0 * (x - 2).sqrt(), torch.zeros_like(x)), log_slope


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
    """In place on the condition: the value does not change, but an expanded one cannot be
    written."""

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
    """Writes the result of a matrix product, which autocast narrows, into a tensor that it does not
    (glasflow issue 65)."""

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
