"""Planted faults in a layer's life and surroundings: what the first version of the laws could not
see."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.distributions import Transform, constraints
from torch.nn.functional import logsigmoid

from tests.support.faults.couplings import Exp
from tests.support.faults.layers import HalfCoupling, Planted, Rotation


class Scaled(nn.Module):
    """Sound: z = x·exp(s), per channel."""

    def __init__(self, seed: int, dim: int = 4) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.randn(dim, generator=torch.Generator().manual_seed(seed)) / 3)

    def forward(self, x, cond=None):
        return x * self.s.exp(), self.s.sum().expand(len(x))

    def inverse(self, z, cond=None):
        return z * (-self.s).exp(), -self.s.sum().expand(len(z))


class SinglePrecisionLogDet(Scaled):
    """log_det is off by 1 in both directions, in float32 only."""

    def _nudge(self, v):
        return 1.0 if v.dtype == torch.float32 else 0.0

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return z, log_det + self._nudge(x)

    def inverse(self, z, cond=None):
        x, log_det = super().inverse(z)
        return x, log_det - self._nudge(z)


def hash_noise(v: torch.Tensor, size: float) -> torch.Tensor:
    """Noise that is a function of the bits: the same at every call, another a rounding away."""
    kind = torch.int64 if v.dtype == torch.float64 else torch.int32
    bits = v.detach().contiguous().view(kind).to(torch.int64)
    mixed = (bits * 2654435761 + (bits >> 7) * 40503) % 1000003
    return size * (mixed.to(v.dtype) / 1000003 - 0.5)


class NoisyBits(Exp):
    """The inverse of a coupling with noise of 1e-3 by the bits of its input."""

    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return x + hash_noise(y, 1e-3), log_slope


class NoisyBothWays(Exp):
    """Both directions carry it: no allowance may come from either."""

    def forward(self, x, params):
        y, log_slope = super().forward(x, params)
        return y + hash_noise(x, 1e-3), log_slope

    def inverse(self, y, params):
        x, log_slope = super().inverse(y, params)
        return x + hash_noise(y, 1e-3), log_slope


class NoisyLayer(Scaled):
    """The inverse of a layer with noise of 1 by the bits of its input."""

    def inverse(self, z, cond=None):
        x, log_det = super().inverse(z)
        return x + hash_noise(z, 1.0), log_det


class OffWhileRecording(Scaled):
    """The value is off by 0.5 while gradients are recorded."""

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return (z + 0.5 if torch.is_grad_enabled() else z), log_det


class OffInInference(Scaled):
    """log_det is off by 0.5 in inference mode."""

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return z, log_det + (0.5 if torch.is_inference_mode_enabled() else 0.0)


class LargeBatchesInTraining(Scaled):
    """Training mode takes another path for batches above 96."""

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return (z + 0.5 if self.training and len(x) > 96 else z), log_det


class LogDetInTraining(Scaled):
    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return z, log_det + (0.3 if self.training and len(x) > 96 else 0.0)


class ReadsFormat(nn.Module):
    """Takes the memory's order for the image's, as soon as the format is channels-last."""

    def forward(self, x, cond=None):
        flat = (
            x.as_strided((len(x), x[0].numel()), (x.stride(0), 1))
            if not x.is_contiguous()
            else x.flatten(1)
        )
        return 2 * flat.reshape(x.shape), x.new_full((len(x),), math.log(2) * x[0].numel())

    def inverse(self, z, cond=None):
        return z / 2, z.new_full((len(z),), -math.log(2) * z[0].numel())


class OverlapsCondition(nn.Module):
    """Reads a condition's memory, which overlapping rows share."""

    def forward(self, x, cond):
        memory = (
            cond.as_strided((len(x), cond.shape[1]), (cond.shape[1], 1))
            if cond.stride(0) == 1
            else cond
        )
        return x + memory[:, :1], x.new_zeros(len(x))

    def inverse(self, z, cond):
        return z - cond[:, :1], z.new_zeros(len(z))


class NeedsForward(Scaled):
    """The inverse needs what forward has set."""

    def forward(self, x, cond=None):
        self.size = x.shape[1]
        return super().forward(x)

    def inverse(self, z, cond=None):
        return super().inverse(z[:, : self.size])


class PlainFlag(nn.Module):
    """Sets its scales by the first batch of training; «done» is no buffer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.logs, self.done = nn.Parameter(torch.zeros(4)), False

    def forward(self, x, cond=None):
        if self.training and not self.done and len(x) > 1:
            self.logs.data.copy_(-x.std(0).clamp(min=1e-3).log())
            self.done = True
        return x * self.logs.exp(), self.logs.sum().expand(len(x))

    def inverse(self, z, cond=None):
        return z * (-self.logs).exp(), -self.logs.sum().expand(len(z))


class DropsInTraining(Scaled):
    """Dropout inside a reversible block."""

    def _moved(self, v):
        return nn.functional.dropout(v[:, :2].tanh(), 0.5, self.training)

    def forward(self, x, cond=None):
        return torch.cat((x[:, :2], x[:, 2:] + self._moved(x)), 1), x.new_zeros(len(x))

    def inverse(self, z, cond=None):
        return torch.cat((z[:, :2], z[:, 2:] - self._moved(z)), 1), z.new_zeros(len(z))


class KeepsScale(Scaled):
    """exp(s) is computed once and kept, with its graph."""

    def forward(self, x, cond=None):
        if not hasattr(self, "kept") or not torch.is_grad_enabled():
            self.__dict__["kept"] = self.s.exp()
        return x * self.kept, self.s.sum().expand(len(x))

    def __deepcopy__(self, memo):
        new = type(self)(0)
        new.load_state_dict({k: v.clone() for k, v in self.state_dict().items()})
        return new.to(self.s.dtype).train(self.training)


class AnswersFromCache(Scaled):
    """inverse(z) gives back the x that forward has just seen, without a graph."""

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        self.__dict__["last"] = (x.detach().clone(), z.detach().clone())
        return z, log_det

    def inverse(self, z, cond=None):
        x, log_det = super().inverse(z)
        last = self.__dict__.get("last")
        return (last[0] if last is not None and torch.equal(last[1], z) else x), log_det

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "last"}


class LeavesSpace(nn.Module):
    """Declares (0, 1) and gives (0, 1.2)."""

    def forward(self, x, cond=None):
        return 1.2 * x.sigmoid(), (logsigmoid(x) + logsigmoid(-x) + math.log(1.2)).sum(1)

    def inverse(self, z, cond=None):
        share = z / 1.2
        return share.log() - (-share).log1p(), (
            -share.log() - (-share).log1p() - math.log(1.2)
        ).sum(1)


class NotOnto(nn.Module):
    """w·tanh(x): a latent beyond w has no preimage."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]) / 2)

    def forward(self, x, cond=None):
        log_slope = 2 * (math.log(2) - x - nn.functional.softplus(-2 * x))
        return self.w * x.tanh(), (log_slope + self.w.abs().log()).sum(1)

    def inverse(self, z, cond=None):
        x = (z / self.w).atanh()
        return x, -self.forward(x)[1]


class NaiveTanh(nn.Module):
    """log(1 − tanh²): −inf from x = 9.1 on in float32."""

    def _log(self, x):
        return (1 - x.tanh() ** 2).log().sum(1)

    def forward(self, x, cond=None):
        return x.tanh(), self._log(x)

    def inverse(self, z, cond=None):
        x = z.atanh()
        return x, -self._log(x)


class CutCondition(nn.Module):
    """A conditional masked net of three elements whose first output the condition does not
    reach."""

    def __init__(self, seed: int, cut: bool = True) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.w = nn.Parameter(torch.randn(3, 3, generator=generator))
        self.c = nn.Parameter(torch.randn(2, 3, generator=generator))
        self.cut = cut

    def _heads(self, x, cond):
        hidden = x @ self.w.tril(-1).T + cond @ self.c
        return torch.cat((0 * hidden[:, :1], hidden[:, 1:]), 1) if self.cut else hidden

    def forward(self, x, cond):
        return x + self._heads(x, cond), x.new_zeros(len(x))

    def inverse(self, z, cond):
        x = torch.zeros_like(z)
        for i in range(3):
            x = torch.cat((x[:, :i], (z - self._heads(x, cond))[:, i : i + 1], x[:, i + 1 :]), 1)
        return x, z.new_zeros(len(z))


class IgnoresCondition(Scaled):
    def forward(self, x, cond):
        return super().forward(x)

    def inverse(self, z, cond):
        return super().inverse(z)


class HalfCondition(Scaled):
    """Leaves the second element of its condition out."""

    def forward(self, x, cond):
        z, log_det = super().forward(x)
        return z + cond[:, :1], log_det

    def inverse(self, z, cond):
        return super().inverse(z - cond[:, :1])


class Shared(nn.Module):
    """Adds the same noise to every row."""

    def forward(self, x, cond=None):
        return x.floor() + torch.rand(1, x.shape[1], dtype=x.dtype), x.new_zeros(len(x))

    def inverse(self, z, cond=None):
        return z.floor(), z.new_zeros(len(z))


class Estimated(nn.Module):
    """A linear map with log det by a Hutchinson estimate of the series; ``factor`` makes it
    wrong."""

    def __init__(self, seed: int, factor: float = 1.0) -> None:
        super().__init__()
        drawn = torch.randn(4, 4, generator=torch.Generator().manual_seed(seed))
        self.w = nn.Parameter(0.1 * drawn + 0.3 * torch.eye(4))
        self.factor = factor

    def _log_det(self, x):
        probe, total = torch.randn_like(x), x.new_zeros(len(x))
        moved = probe
        for k in range(1, 12):
            moved = moved @ self.w
            total = total + (-1) ** (k + 1) * (probe * moved).sum(1) / k
        return self.factor * total

    def forward(self, x, cond=None):
        return x + x @ self.w, self._log_det(x)

    def inverse(self, z, cond=None):
        eye = torch.eye(4).to(z)
        return torch.linalg.solve(eye + self.w, z, left=False), -self._log_det(z)


class Stale(Transform):
    """log_abs_det_jacobian answers for the last call."""

    domain = codomain = constraints.real_vector
    bijective = True

    def _call(self, x):
        self.last = x.sum(-1).tanh()
        return torch.cat(
            (x[..., :-1], x[..., -1:] * x[..., :-1].sum(-1, keepdim=True).tanh().exp()), -1
        )

    def _inverse(self, y):
        x = torch.cat(
            (y[..., :-1], y[..., -1:] * (-y[..., :-1].sum(-1, keepdim=True).tanh()).exp()), -1
        )
        self.last = x.sum(-1).tanh()
        return x

    def log_abs_det_jacobian(self, x, y):
        return self.last + 0 * x.sum(-1)


class RefusesNothing(Scaled):
    """Goes through rfft, which refuses a batch of no rows. torch 2.6's also refuses some layouts."""

    def forward(self, x, cond=None):
        return super().forward(torch.fft.irfft(torch.fft.rfft(x.contiguous()), n=4))


class FarOverflow(HalfCoupling):
    """Sound: a mean of squares in the conditioner, which overflows where no data are."""

    def _heads(self, kept):
        size = kept.square().mean(1, keepdim=True).add(1e-5).rsqrt()
        return super()._heads(kept * size)


class OverflowsInHalf(Scaled):
    """Goes through x·1e5, which float16 cannot hold."""

    def forward(self, x, cond=None):
        z, log_det = super().forward(x)
        return z + 0 * (x * 1e5), log_det


class ConditionOverflows(nn.Module):
    """The square of a condition overflows where its root mean square is asked for."""

    def _shift(self, cond):
        return (cond.square().mean(1, keepdim=True) + 1).sqrt().log()

    def forward(self, x, cond):
        return x + self._shift(cond), x.new_zeros(len(x))

    def inverse(self, z, cond):
        return z - self._shift(cond), z.new_zeros(len(z))


class ChainOf(nn.Module):
    """Couplings and swaps; ``wrong`` of them has a log_det that is off by 0.01."""

    def __init__(self, seed: int, count: int = 32, wrong: int | None = None) -> None:
        super().__init__()
        self.parts = nn.ModuleList(HalfCoupling(seed + k) for k in range(count))
        self.wrong = wrong

    def forward(self, x, cond=None):
        total = x.new_zeros(len(x))
        for k, part in enumerate(self.parts):
            x, log_det = part(x)
            x, total = x.flip(1), total + log_det + (0.01 if k == self.wrong else 0.0)
        return x, total

    def inverse(self, z, cond=None):
        total = z.new_zeros(len(z))
        for k, part in reversed(list(enumerate(self.parts))):
            z, log_det = part.inverse(z.flip(1))
            total = total + log_det - (0.01 if k == self.wrong else 0.0)
        return z, total


class LostDeterminant(Rotation):
    """logdet, not slogdet: NaN once the determinant is negative."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, free=True)
        with torch.no_grad():
            if torch.det(self.weight) < 0:
                self.weight[0] *= -1

    def inverse(self, z, cond=None):
        return torch.linalg.solve(self.weight, z, left=False), -self._log_det().expand(len(z))

    def _log_det(self):
        return torch.logdet(self.weight)


def _stale(seed: int) -> nn.Module:
    import invbench

    return invbench.adapt(Stale())


LIVES: dict[str, dict[str, Planted]] = {
    "log-det-accuracy": {
        "single-precision-log-det": Planted(SinglePrecisionLogDet),
        "naive-tanh": Planted(
            lambda seed: NaiveTanh(), (2,), declared={"codomain": "interval(-1, 1)"}
        ),
    },
    "round-trip-z": {"noisy-layer": Planted(NoisyLayer)},
    "grad-mode": {
        "off-while-recording": Planted(OffWhileRecording),
        "off-in-inference": Planted(OffInInference),
    },
    "train-eval": {
        "large-batches-in-training": Planted(LargeBatchesInTraining),
        "log-det-in-training": Planted(LogDetInTraining),
        "drops-in-training": Planted(DropsInTraining, declared={"training": "differs"}),
    },
    "layout": {
        "reads-format": Planted(lambda seed: ReadsFormat(), (2, 3, 3)),
        "reads-format-3d": Planted(lambda seed: ReadsFormat(), (2, 2, 3, 2)),
    },
    "condition-broadcast": {
        "overlaps-condition": Planted(lambda seed: OverlapsCondition(), cond_shape=(3,))
    },
    "call-order": {"needs-forward": Planted(NeedsForward)},
    "resumes-training": {"plain-flag": Planted(PlainFlag)},
    "training-step": {"keeps-scale": Planted(KeepsScale)},
    "gradient-order": {"answers-from-cache": Planted(AnswersFromCache)},
    "spaces": {
        "leaves-space": Planted(lambda seed: LeavesSpace(), declared={"codomain": "unit_interval"})
    },
    "surjective": {"not-onto": Planted(NotOnto)},
    "condition-reaches": {
        "cut-condition": Planted(CutCondition, (3,), (2,)),
        "ignores-condition": Planted(IgnoresCondition, cond_shape=(2,)),
    },
    "condition-elements": {"half-condition": Planted(HalfCondition, cond_shape=(2,))},
    "draws-agree": {
        "shared-noise": Planted(
            lambda seed: Shared(), declared={"stochastic": True, "domain": "integers(0, 9)"}
        )
    },
    "estimate": {
        "doubled-estimate": Planted(
            lambda seed: Estimated(seed, 2.0), declared={"log_det": "estimate"}
        )
    },
    "earlier-pair": {"stale-transform": Planted(_stale)},
    "empty-batch-supported": {"refuses-nothing": Planted(RefusesNothing)},
    "far-range": {"far-overflow": Planted(FarOverflow, declared={"untouched": (0, 1)})},
    "half-layer": {"overflows-in-half": Planted(OverflowsInHalf)},
    "extreme-layer-conditions": {
        "condition-overflows": Planted(lambda seed: ConditionOverflows(), cond_shape=(3,))
    },
    "finite": {"lost-determinant": Planted(LostDeterminant)},
    "log-det": {"one-of-32": Planted(lambda seed: ChainOf(seed, wrong=17))},
}
SOUND_LIVES: dict[str, Planted] = {
    "scaled": Planted(Scaled),
    "conditional-made": Planted(lambda seed: CutCondition(seed, cut=False), (3,), (2,)),
    "half-condition": Planted(HalfCondition, cond_shape=(2,)),
    "estimated": Planted(Estimated, declared={"log_det": "estimate"}),
    "chain-of-8": Planted(lambda seed: ChainOf(seed, 8)),
    "chain-of-32": Planted(ChainOf),
    "refuses-nothing": Planted(RefusesNothing),
    "far-overflow": Planted(FarOverflow, declared={"untouched": (0, 1)}),
}
NOISY = {"round-trip-z": [NoisyBits], "noise": [NoisyBothWays]}
