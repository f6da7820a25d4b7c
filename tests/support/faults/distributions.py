"""Distributions with a planted fault, by the law that must kill it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributions as td

from tests.support.faults.distributions_sound import (
    CONDITION,
    SOUND_DISTRIBUTIONS,
    Conditional,
    Flow,
    TwoModes,
    Whole,
    WithLogProb,
    distribution_target,
    seeded,
)

__all__ = ["DISTRIBUTION_MUTANTS", "SOUND_DISTRIBUTIONS", "Whole", "distribution_target"]


class NoConstant(Flow):
    """The base lacks −d/2·log 2π."""

    def base(self, z: Tensor) -> Tensor:
        return -0.5 * (z**2).sum(1)


class NoConstantInSix(NoConstant):
    dim = 6


class LogDetSign(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self.encode(x)
        return self.base(z) - log_det


class LogDetSignInFour(LogDetSign):
    dim = 4


class NoLogDet(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return self.base(self.encode(x)[0])


class OffInFloat32(Flow):
    """A log-det wrong by 1 in float32 alone."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + float(x.dtype == torch.float32)


class Summed(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x).sum()


class Column(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x)[:, None]


class SqueezesOneRow(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x).squeeze()


class SampleTransposed(Flow):
    def sample(self, n: int) -> Tensor:
        return super().sample(n).T


class NoSampleShape(td.Normal):
    """sample ignores the sample shape beyond its first number."""

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return super().sample(sample_shape[:1])


class Cooler(Flow):
    """sample at temperature 0.9."""

    def noise(self, n: int) -> Tensor:
        return 0.9 * super().noise(n)


class CoolerInTen(Cooler):
    dim = 10


class CoolerInFour(Cooler):
    dim = 4


class UniformBase(Flow):
    """sample of another base, of the same mean and variance."""

    def noise(self, n: int) -> Tensor:
        return (2 * torch.rand(n, self.dim, dtype=self.shift.dtype) - 1) * math.sqrt(3)


class SamplesBackwards(Flow):
    def sample(self, n: int) -> Tensor:
        with torch.no_grad():
            return self.encode(self.noise(n))[0]


class HalfSampled(Flow):
    def noise(self, n: int) -> Tensor:
        return super().noise(n).abs()


class BoxSampled(nn.Module):
    """Within the box that its samples span they follow log_prob, which has a quarter of its mass
    outside."""

    def log_prob(self, x: Tensor) -> Tensor:
        return (-0.5 * x**2 - 0.5 * math.log(2 * math.pi)).sum(1)

    def sample(self, n: int) -> Tensor:
        inside = 0.0668 + (1 - 2 * 0.0668) * torch.rand(n, 2)  # |x| < 1.5
        return math.sqrt(2) * torch.erfinv(2 * inside - 1)


class WrongModes(TwoModes):
    """Two modes far apart, of weights 0.3 and 0.7 in log_prob, sampled evenly."""

    share = 0.5


class NanInTheMiddle(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        z = self.encode(x)[0]
        return super().log_prob(x) + 0 * (z[:, 0].abs() - 0.05).sqrt()


class RefusesSome(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        if (self.encode(x)[0][:, 0] > 2.5).any():
            raise ValueError("beyond the tail bound")
        return super().log_prob(x)


class UpCasts(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return (
            super().log_prob(x).double()
            if x.dtype == torch.float32
            else super().log_prob(x).float()
        )


class LeavesSupport(Flow):
    """Declared positive, and log_prob is that of exp(normal), but a tenth of the samples lack the
    exp."""

    def log_prob(self, x: Tensor) -> Tensor:
        y = x.abs().clamp_min(1e-30).log()
        return super().log_prob(y) - y.sum(1)

    def sample(self, n: int) -> Tensor:
        y = super().sample(n)
        return torch.where(torch.arange(n)[:, None] % 10 == 3, y, y.exp())


class WithWrongLogProb(WithLogProb):
    sign = 1.0


class Remembers(Flow):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def log_prob(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().log_prob(x) + 0.01 * (self.calls % 2)


class MixesRows(Flow):
    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x - 0.1 * (x.mean(0, keepdim=True) - self.shift))


class Ignores(Conditional):
    def heads(self, context: Tensor) -> tuple[Tensor, Tensor]:
        return super().heads(torch.zeros_like(context))


class SampleIgnores(Conditional):
    def sample(self, num_samples: int, context: Tensor | None = None) -> Tensor:
        return super().sample(num_samples, torch.zeros_like(context))


class MixesConditions(Conditional):
    def log_prob(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return super().log_prob(inputs, context.mean(0, keepdim=True).expand_as(context))


class BlocksSwapped(Conditional):
    """The blocks of several conditions come in the wrong order."""

    def sample(self, num_samples: int, context: Tensor | None = None) -> Tensor:
        return super().sample(num_samples, context).flip(0)


class CoupledBatch(td.Normal):
    """The elements of a batch reach one another."""

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value + 0.1 * value.roll(1, -1))


PLANE = {"event_shape": (2,)}


def _pair() -> td.Distribution:
    return CoupledBatch(torch.tensor([0.0, 4.0]), torch.tensor([1.0, 2.0]))


# law → faults that it must kill
DISTRIBUTION_MUTANTS: dict[str, dict[str, Whole]] = {
    "log-prob-shape": {
        "summed to one number": seeded(Summed),
        "a column": seeded(Column, **PLANE),
        "squeezes one row": seeded(SqueezesOneRow),
        "sample transposed": seeded(SampleTransposed, **PLANE),
        "sample shape ignored": Whole(
            lambda seed: NoSampleShape(torch.tensor(0.0), torch.tensor(1.0))
        ),
    },
    "dtype-kept": {"casts up": seeded(UpCasts)},
    "log-prob-finite": {
        "NaN in the middle": seeded(NanInTheMiddle),
        "refuses some": seeded(RefusesSome),
    },
    "samples-in-support": {"leaves the support": seeded(LeavesSupport, domain="positive")},
    "integrates-to-one": {
        "no constant": seeded(NoConstant),
        "no constant in six dimensions": seeded(NoConstantInSix),
        "sign of the log-det": seeded(LogDetSign),
        "sign of the log-det in four dimensions": seeded(LogDetSignInFour),
        "no log-det": seeded(NoLogDet),
        "off in float32 only": seeded(OffInFloat32),
    },
    "samples-follow-density": {
        "temperature": seeded(Cooler),
        "temperature in four dimensions": seeded(CoolerInFour),
        "temperature in ten dimensions": seeded(CoolerInTen),
        "another base": seeded(UniformBase),
        "sampled backwards": seeded(SamplesBackwards),
        "half of it sampled": seeded(HalfSampled),
        "a box of it sampled": seeded(BoxSampled),
        "weights of the modes": seeded(WrongModes),
    },
    "log-prob-of-sample": {"wrong sign in sample": seeded(WithWrongLogProb)},
    "log-prob-deterministic": {"remembers": seeded(Remembers)},
    "row-independence": {"mixes rows": seeded(MixesRows)},
    "condition-reaches": {
        "ignores the condition": seeded(Ignores, **CONDITION),
        "sample ignores it": seeded(SampleIgnores, **CONDITION),
    },
    "base-shapes": {
        "mixes conditions": seeded(MixesConditions, **CONDITION),
        "blocks swapped": seeded(BlocksSwapped, **CONDITION),
        "coupled batch": Whole(lambda seed: _pair()),
    },
}
