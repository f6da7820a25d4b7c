"""Distributions that nobody may accuse: of torch, of libraries, and of every convention."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributions as td

from invbench.registry import Registered
from invbench.targets import Target

__all__ = ["CONDITION", "SOUND_DISTRIBUTIONS", "Whole", "distribution_target", "seeded"]

CONDITION = {"event_shape": (2,), "cond_shape": (3,)}


@dataclass(frozen=True)
class Whole:
    """A factory ``make(seed)`` and what the target declares; ``needs`` names a library."""

    make: Callable[[int], Any]
    declared: dict[str, Any] = field(default_factory=dict)
    needs: str = ""

    @property
    def missing(self) -> bool:
        return bool(self.needs) and importlib.util.find_spec(self.needs) is None


def distribution_target(whole: Whole, name: str) -> Target:
    return Target(
        name, Registered(name, "distribution", whole.make, f"{__file__}:0", dict(whole.declared))
    )


def seeded(cls: type[nn.Module], **declared: Any) -> Whole:
    return Whole(lambda seed: cls(), declared)


class Flow(nn.Module):
    """x = (z·exp(s₀ + s₁ tanh z')) + t along one coordinate, over a standard normal: sound, every
    part can be spoilt by a subclass."""

    dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(0.3 + 0.3 * torch.randn(self.dim))
        self.shift = nn.Parameter(torch.randn(self.dim))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = (x - self.shift) * (-self.log_scale).exp()
        bend = z[:, :1].tanh()
        z = torch.cat([z[:, :1], (z[:, 1:] - bend) * (-0.5 * bend).exp()], 1)
        return z, -self.log_scale.sum() - (0.5 * bend[:, 0]) * (self.dim - 1)

    def decode(self, z: Tensor) -> Tensor:
        bend = z[:, :1].tanh()
        z = torch.cat([z[:, :1], z[:, 1:] * (0.5 * bend).exp() + bend], 1)
        return z * self.log_scale.exp() + self.shift

    def base(self, z: Tensor) -> Tensor:
        return -0.5 * (z**2).sum(1) - z.shape[1] / 2 * math.log(2 * math.pi)

    def log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self.encode(x)
        return self.base(z) + log_det

    def noise(self, n: int) -> Tensor:
        return torch.randn(n, self.dim, dtype=self.shift.dtype)

    def sample(self, n: int) -> Tensor:
        with torch.no_grad():
            return self.decode(self.noise(n))


class Estimates(Flow):
    """An unbiased log_prob with noise, as Hutchinson's: no law of value applies."""

    def log_prob(self, x: Tensor) -> Tensor:
        return super().log_prob(x) + 0.1 * torch.randn(x.shape[0], dtype=x.dtype)


class WithLogProb(Flow):
    """sample returns (x, log_prob), as normflows does."""

    sign = -1.0

    def sample(self, n: int) -> Any:
        with torch.no_grad():
            z = self.noise(n)
            x = self.decode(z)
            return x, self.base(z) + self.encode(x)[1] * -self.sign


class Conditional(nn.Module):
    """x = z·exp(s(c)) + t(c), called as nflows is: log_prob(x, context), sample(n, context) of
    shape (contexts, n, …)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 4))

    def heads(self, context: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(context).chunk(2, -1)
        return s, 3 * t

    def log_prob(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        s, t = self.heads(context)
        z = (inputs - t) * (-s).exp()
        return (-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - s).sum(-1)

    def sample(self, num_samples: int, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            s, t = self.heads(context)
            z = torch.randn(context.shape[0], num_samples, 2, dtype=s.dtype)
            return z * s.exp()[:, None] + t[:, None]


class Paired(Conditional):
    """sample wants a condition for every row."""

    def sample(self, num_samples: int, context: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            s, t = self.heads(context)
            assert len(t) == num_samples
            return torch.randn(num_samples, 2, dtype=s.dtype) * s.exp() + t


class StartsUnconditional(Conditional):
    """The last layer starts at zero, as in Glow: sound, though no condition reaches anything
    yet."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.net[2].weight)
        nn.init.zeros_(self.net[2].bias)


class Lazy(nn.Module):
    """flow(c) returns a distribution, as zuko's."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 4)

    def forward(self, c: Tensor) -> td.Distribution:
        s, t = self.net(c).chunk(2, -1)
        return td.Independent(td.Normal(t, s.exp()), 1)


class HalfLine(nn.Module):
    """An exponential whose log_prob does not know its support: x < 0 was never asked of it."""

    def log_prob(self, x: Tensor) -> Tensor:
        return -x[:, 0]

    def sample(self, num_samples: int) -> Tensor:
        return torch.empty(num_samples, 1).exponential_()


class ByElement(nn.Module):
    """A base without the sum over its elements: a batch of normals, as some write it."""

    def log_prob(self, x: Tensor) -> Tensor:
        return td.Normal(0.0, 1.0).log_prob(x)

    def sample(self, sample_shape: Any) -> Tensor:
        return torch.randn(*sample_shape, 3)


class TwoModes(nn.Module):
    """Two modes far apart, of weights 0.3 and 0.7 in log_prob, and in sample."""

    share = 0.3

    def log_prob(self, x: Tensor) -> Tensor:
        logs = [
            math.log(w) + td.Normal(m, 1.0).log_prob(x[:, 0])
            for w, m in ((0.3, -20.0), (0.7, 20.0))
        ]
        return torch.logaddexp(*logs)

    def sample(self, n: int) -> Tensor:
        left = (torch.rand(n, 1) < self.share).float()
        return torch.randn(n, 1) + 20 - 40 * left


def _transformed(base: td.Distribution, *transforms: td.Transform) -> Whole:
    return Whole(lambda seed: td.TransformedDistribution(base, list(transforms)))


def _t(*values: float) -> Tensor:
    return torch.tensor(values)


def _mixture(means: Tensor, scales: Tensor) -> td.Distribution:
    weights = td.Categorical(torch.full((len(means),), 1 / len(means)))
    return td.MixtureSameFamily(weights, td.Independent(td.Normal(means, scales), 1))


def _nflows(seed: int, context: int | None = None) -> Any:
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow as Library
    from nflows.transforms import (
        CompositeTransform,
        MaskedAffineAutoregressiveTransform,
        ReversePermutation,
    )

    layers: list[Any] = []
    for _ in range(2):
        layers += [
            MaskedAffineAutoregressiveTransform(2, 16, context_features=context, num_blocks=1),
            ReversePermutation(2),
        ]
    return Library(CompositeTransform(layers), StandardNormal([2]))


def _normflows(seed: int) -> Any:
    import normflows as nf

    layers = []
    for _ in range(2):
        layers += [
            nf.flows.AffineCouplingBlock(nf.nets.MLP([1, 16, 2], init_zeros=False)),
            nf.flows.Permute(2, mode="swap"),
        ]
    return nf.NormalizingFlow(nf.distributions.DiagGaussian(2), layers)


def _zuko(seed: int, context: int = 0) -> Any:
    import zuko

    return zuko.flows.NSF(2, context, transforms=2, hidden_features=(16,))


def _pyro(seed: int) -> Any:
    from pyro.distributions import ConditionalTransformedDistribution, Normal
    from pyro.distributions.transforms import conditional_affine_coupling

    base = Normal(torch.zeros(2), torch.ones(2)).to_event(1)
    return ConditionalTransformedDistribution(
        base, [conditional_affine_coupling(2, 3, hidden_dims=[16])]
    )


ONE, TWO = td.Normal(_t(0.3), _t(1.0)), td.Independent(td.Normal(_t(0.0, 1.0), _t(1.0, 2.0)), 1)
SOUND_DISTRIBUTIONS: dict[str, Whole] = {
    "flow": seeded(Flow),
    "flow in six dimensions": seeded(type("Six", (Flow,), {"dim": 6})),
    "flow in ten dimensions": seeded(type("Ten", (Flow,), {"dim": 10})),
    "flow with log_prob of samples": seeded(WithLogProb),
    "estimate": seeded(Estimates),
    "conditional": seeded(Conditional, **CONDITION),
    "conditional, paired": seeded(Paired, **CONDITION),
    "conditional, starts at zero": seeded(StartsUnconditional, **CONDITION),
    "lazy": seeded(Lazy, **CONDITION),
    "half line": seeded(HalfLine),
    "by element": seeded(ByElement),
    "modes far apart": seeded(TwoModes),
    "normal": Whole(lambda seed: td.Normal(_t(1.0, 5.0), _t(2.0, 0.1))),
    "normal of batch (2, 3)": Whole(lambda seed: td.Normal(torch.zeros(2, 3), torch.ones(2, 3))),
    "multivariate normal": Whole(
        lambda seed: td.MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.99], [0.99, 1.0]]))
    ),
    "independent": Whole(lambda seed: td.Independent(td.Normal(torch.zeros(4), torch.ones(4)), 1)),
    "affine": _transformed(TWO, td.AffineTransform(_t(1.0, -1.0), _t(3.0, -0.5), event_dim=1)),
    "exponential of a normal": _transformed(ONE, td.ExpTransform()),
    "sigmoid": _transformed(TWO, td.SigmoidTransform()),
    "sigmoid, saturated": _transformed(td.Normal(_t(0.0), _t(10.0)), td.SigmoidTransform()),
    "tanh": _transformed(ONE, td.TanhTransform()),
    "tanh, saturated": _transformed(td.Normal(_t(0.0), _t(5.0)), td.TanhTransform()),
    "stretched uniform": _transformed(td.Uniform(_t(0.0), _t(1.0)), td.AffineTransform(-3.0, 5.0)),
    "log-normal": Whole(lambda seed: td.LogNormal(_t(0.0), _t(1.5))),
    "log-normal beyond float32": Whole(lambda seed: td.LogNormal(_t(0.0), _t(60.0))),
    "beta": Whole(lambda seed: td.Beta(_t(0.5), _t(3.0))),
    "beta at its ends": Whole(lambda seed: td.Beta(_t(0.05), _t(0.05))),
    "gamma": Whole(lambda seed: td.Gamma(_t(0.3), _t(1.0))),
    "dirichlet": Whole(lambda seed: td.Dirichlet(_t(1.0, 2.0, 3.0))),
    "flat dirichlet": Whole(lambda seed: td.Dirichlet(_t(1.0, 1.0, 1.0, 1.0))),
    "uniform square": Whole(lambda seed: td.Independent(td.Uniform(_t(0.0, 0.0), _t(1.0, 2.0)), 1)),
    "half normal": Whole(lambda seed: td.HalfNormal(_t(1.0))),
    "half Cauchy": Whole(lambda seed: td.HalfCauchy(_t(1.0))),
    "mixture": Whole(
        lambda seed: _mixture(torch.tensor([[0.0, 0.0], [3.0, 1.0], [-2.0, 2.0]]), torch.ones(3, 2))
    ),
    "steep mixture": Whole(
        lambda seed: _mixture(torch.tensor([[-5.0, 0.0], [5.0, 1.0]]), torch.full((2, 2), 1e-3))
    ),
    "steep": Whole(lambda seed: td.Independent(td.Normal(_t(0.0, 1e-2), _t(1e-3, 1e-3)), 1)),
    "steep far out": Whole(lambda seed: td.Normal(_t(1e4), _t(1e-3))),
    "Cauchy": Whole(lambda seed: td.Cauchy(_t(0.0), _t(1.0))),
    "Cauchy in two dimensions": Whole(
        lambda seed: td.Independent(td.Cauchy(torch.zeros(2), torch.ones(2)), 1)
    ),
    "Student's t": Whole(lambda seed: td.StudentT(_t(1.5))),
    "Laplace in three dimensions": Whole(
        lambda seed: td.Independent(td.Laplace(torch.zeros(3), torch.ones(3)), 1)
    ),
    "Gumbel": Whole(lambda seed: td.Gumbel(_t(0.0), _t(1.0))),
    "von Mises": Whole(lambda seed: td.VonMises(_t(1.0), _t(3.0))),
    "Wishart": Whole(lambda seed: td.Wishart(torch.tensor([4.0]).squeeze(), torch.eye(2))),
    "Cholesky of a correlation": Whole(lambda seed: td.LKJCholesky(3, 1.0)),
    "low rank": Whole(
        lambda seed: td.LowRankMultivariateNormal(
            torch.zeros(3), torch.ones(3, 1), 0.1 * torch.ones(3)
        )
    ),
    "Poisson": Whole(lambda seed: td.Poisson(_t(3.0))),
    "nflows": Whole(_nflows, needs="nflows"),
    "nflows, conditional": Whole(lambda seed: _nflows(seed, 3), CONDITION, "nflows"),
    "normflows": Whole(_normflows, needs="normflows"),
    "zuko": Whole(lambda seed: _zuko(seed), needs="zuko"),
    "zuko, conditional": Whole(lambda seed: _zuko(seed, 3), CONDITION, "zuko"),
    "pyro, conditional": Whole(_pyro, CONDITION, "pyro"),
}
