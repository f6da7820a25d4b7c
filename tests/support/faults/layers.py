"""Layers, sound and with planted faults: factories ``make(seed)`` with what they declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Planted:
    """What ``@invbench.layer`` would register."""

    make: Callable[[int], nn.Module]
    event_shape: Shape = (4,)
    cond_shape: Shape | None = None
    declared: dict[str, Any] = field(default_factory=dict)


def orthogonal(seed: int, dim: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dim, dim, generator=generator, dtype=torch.float64))[0]


class Linear(nn.Module):
    """x ↦ x·W with an inverse by ``solve``; the base of what follows."""

    def __init__(self, weight: torch.Tensor, free: bool = True) -> None:
        super().__init__()
        if free:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, x, cond=None):
        return x @ self.weight, self._log_det().expand(x.shape[0])

    def inverse(self, z, cond=None):
        return torch.linalg.solve(self.weight, z, left=False), -self._log_det().expand(z.shape[0])

    def _log_det(self):
        return torch.linalg.slogdet(self.weight)[1]


class Rotation(Linear):
    """x ↦ x·Q, inverse x·Qᵀ; Q is a buffer."""

    def __init__(self, seed: int, free: bool = False) -> None:
        super().__init__(orthogonal(seed), free)

    def inverse(self, z, cond=None):
        return z @ self.weight.T, -self._log_det().expand(z.shape[0])

    def _log_det(self):
        return self.weight.new_zeros(())


class Transposed(Rotation):
    def inverse(self, z, cond=None):
        return z @ self.weight, z.new_zeros(z.shape[0])


class HalfLogDet(Rotation):
    def _log_det(self):
        return self.weight.new_full((), 0.5)


class OneLogDet(Rotation):
    """One number for the batch."""

    def forward(self, x, cond=None):
        return x @ self.weight, x.new_zeros(())


class MixedRows(Rotation):
    def forward(self, x, cond=None):
        return (x + 0 * x.mean(0, keepdim=True)) @ self.weight, x.new_zeros(x.shape[0])


class TrainableRotation(Rotation):
    """Q is a free parameter, and Qᵀ its inverse only until the first step of training
    (invertible-resnet issue 3)."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, free=True)


class PlainPermutation(nn.Module):
    """A random order that no state_dict holds."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))

    def forward(self, x, cond=None):
        return x[:, self.order], x.new_zeros(x.shape[0])

    def inverse(self, z, cond=None):
        return z[:, self.order.argsort()], z.new_zeros(z.shape[0])


class Permutation(PlainPermutation):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        order = self.order
        del self.order
        self.register_buffer("order", order)


class HoldsLambda(Rotation):
    """Cannot be pickled."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.activation = lambda x: x

    def forward(self, x, cond=None):
        return super().forward(self.activation(x))


class SharesOriginal(Rotation):
    """A copy is told apart from the original and computes something else."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.own = id(self)

    def forward(self, x, cond=None):
        return super().forward(x if self.own == id(self) else 1.001 * x)


class NoisyTraining(Rotation):
    """Scales in training mode."""

    def forward(self, x, cond=None):
        return super().forward(x * 1.1 if self.training else x)


class HalfCoupling(nn.Module):
    """z₀ = x₀, z₁ = x₁·exp(s(x₀)) + t(x₀), by a network of one hidden layer; ``shift`` moves what
    must not move."""

    def __init__(self, seed: int, nudge: float = 0.0, mixes: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(2, 8, generator=generator))
        self.last = nn.Parameter(torch.randn(8, 4, generator=generator) / 3)
        self.nudge, self.mixes = nudge, mixes

    def _heads(self, kept):
        log_s, t = (torch.tanh(kept @ self.first) @ self.last).chunk(2, 1)
        return torch.tanh(log_s), t

    def forward(self, x, cond=None):
        kept, moved = x.chunk(2, 1)
        log_s, t = self._heads(kept)
        moved = moved * log_s.exp() + t
        if self.mixes:
            moved = torch.cat((moved[:, :1] + 0.5 * moved[:, 1:], moved[:, 1:]), 1)
        return torch.cat((kept + self.nudge, moved), 1), log_s.sum(1)

    def inverse(self, z, cond=None):
        kept, moved = z.chunk(2, 1)
        kept = kept - self.nudge
        log_s, t = self._heads(kept)
        if self.mixes:
            moved = torch.cat((moved[:, :1] - 0.5 * moved[:, 1:], moved[:, 1:]), 1)
        return torch.cat((kept, (moved - t) * (-log_s).exp()), 1), -log_s.sum(1)


class Solved(nn.Module):
    """z = L x with L lower triangular, inverted by a solver that knows nothing of that and swaps
    rows: above the diagonal its derivative has roundings. ``leak``: a true entry there."""

    def __init__(self, seed: int, leak: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.lower = nn.Parameter(torch.randn(4, 4, generator=generator))
        self.leak = leak

    def _matrix(self):
        return self.lower.tril(-1) + (0.3 + self.lower.diagonal().sigmoid()).diag()

    def _log_det(self, v):
        return self._matrix().diagonal().log().sum().expand(len(v))

    def forward(self, x, cond=None):
        return x @ self._matrix().T, self._log_det(x)

    def inverse(self, z, cond=None):
        x = torch.linalg.solve(self._matrix(), z.T).T
        return torch.cat((x[:, :1] + self.leak * z[:, 3:], x[:, 1:]), 1), -self._log_det(z)


class Conditional(nn.Module):
    """z = x + W·cond; ``forgets`` leaves the condition out of the inverse (FrEIA issue 35)."""

    def __init__(self, seed: int, forgets: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(seed)))
        self.forgets = forgets

    def forward(self, x, cond):
        return x + cond @ self.weight, x.new_zeros(x.shape[0])

    def inverse(self, z, cond):
        return (z if self.forgets else z - cond @ self.weight), z.new_zeros(z.shape[0])


class Whitened(nn.Module):
    """Divides by the spread of a fixed vector over its channels, which is NaN for one channel
    (normflows issue 58)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.linspace(1, 2, channels).std() + 1)

    def forward(self, x, cond=None):
        return x * self.scale, self.scale.log().expand(x.shape[0]) * x.shape[1]

    def inverse(self, z, cond=None):
        return z / self.scale, -self.scale.log().expand(z.shape[0]) * z.shape[1]


def _nearly_singular(seed: int) -> nn.Module:
    q = orthogonal(seed)
    return Linear(q @ torch.diag(torch.tensor([1.0, 1.0, 1.0, 1e-4]).double()) @ q.T, free=False)


SOLVED = {"order": (0, 1, 2, 3), "inverse": "iterated", "tolerance": 1e-5}
HALF = {"untouched": (0, 1), "order": (0, 1, 2, 3)}
SOUND_LAYERS: dict[str, Planted] = {
    "rotation": Planted(Rotation),
    "permutation": Planted(Permutation),
    "nearly-singular": Planted(_nearly_singular),
    "one-channel": Planted(lambda seed: Linear(torch.full((1, 1), 0.3), free=False), (1,)),
    "half-coupling": Planted(HalfCoupling, declared=HALF),
    "solved": Planted(Solved, declared=SOLVED),
    "conditional": Planted(Conditional, cond_shape=(3,)),
}
# law -> layers that it must kill
LAYER_MUTANTS: dict[str, dict[str, Planted]] = {
    "round-trip-x": {
        "transposed": Planted(Transposed),
        "trainable-rotation": Planted(TrainableRotation),
        "forgets-condition": Planted(lambda seed: Conditional(seed, forgets=True), cond_shape=(3,)),
    },
    "log-det": {"half-log-det": Planted(HalfLogDet)},
    "shape": {"one-log-det": Planted(OneLogDet)},
    "row-independence": {"mixed-rows": Planted(MixedRows)},
    "state-dict": {"plain-permutation": Planted(PlainPermutation)},
    "copies": {"shares-original": Planted(SharesOriginal)},
    "pickle": {"holds-lambda": Planted(HoldsLambda)},
    "train-eval": {"noisy-training": Planted(NoisyTraining)},
    "untouched": {"nudged": Planted(lambda seed: HalfCoupling(seed, nudge=1e-3), declared=HALF)},
    "triangular": {
        "mixes": Planted(lambda seed: HalfCoupling(seed, mixes=True), declared=HALF),
        "solved-with-a-leak": Planted(lambda seed: Solved(seed, leak=1e-9), declared=SOLVED),
    },
    "finite": {"one-channel-nan": Planted(lambda seed: Whitened(1), (1,))},
}
