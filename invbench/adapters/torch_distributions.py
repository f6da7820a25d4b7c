"""The transforms of ``torch.distributions`` under ``torch/…``: forward is calling them, domains are
their own.

Left out: Abs and Softmax, which are no bijections. LowerCholesky and PositiveDefinite take the
lower triangle as a vector here, since torch's read only that part of a matrix; they have no
log_det.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal, Transform, transforms

from invbench.adapters.generic import adapt
from invbench.registry import layer

DIM = 6


def _drawn(seed: int, low: float, high: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(DIM, generator=generator)


def _affine(seed: int) -> Transform:
    return transforms.AffineTransform(_drawn(seed, -1, 1), _drawn(seed + 1, 0.3, 3))


def _transform(name: str, doc: str, make: Callable[[int], Transform], **declared: Any) -> None:
    def factory(seed: int) -> nn.Module:
        return adapt(make(seed), towards_noise=True)

    factory.__doc__ = doc
    layer(
        f"torch/{name}", **{"event_shape": (DIM,), "domain": "real", "codomain": "real", **declared}
    )(factory)


_transform("affine", "AffineTransform", _affine)
_transform("exp", "ExpTransform", lambda seed: transforms.ExpTransform(), codomain="positive")
_transform(
    "sigmoid",
    "SigmoidTransform",
    lambda seed: transforms.SigmoidTransform(),
    codomain="unit_interval",
)
_transform(
    "tanh", "TanhTransform", lambda seed: transforms.TanhTransform(), codomain="interval(-1, 1)"
)
_transform(
    "softplus",
    "SoftplusTransform",
    lambda seed: transforms.SoftplusTransform(),
    codomain="positive",
)
_transform(
    "power",
    "PowerTransform, exponents from 0.5 to 3",
    lambda seed: transforms.PowerTransform(_drawn(seed, 0.5, 3)),
    domain="positive",
    codomain="positive",
)
_transform(
    "normal-cdf",
    "CumulativeDistributionTransform of a normal distribution",
    lambda seed: transforms.CumulativeDistributionTransform(
        Normal(_drawn(seed, -1, 1), _drawn(seed + 1, 0.5, 2))
    ),
    codomain="unit_interval",
)
_transform(
    "compose",
    "ComposeTransform: affine, sigmoid",
    lambda seed: transforms.ComposeTransform([_affine(seed), transforms.SigmoidTransform()]),
    codomain="unit_interval",
)
_transform(
    "independent",
    "IndependentTransform of an exp over the last dimension",
    lambda seed: transforms.IndependentTransform(transforms.ExpTransform(), 1),
    codomain="positive",
)
_transform(
    "stack",
    "StackTransform along the last dimension: sigmoid, tanh to (0, 1), sigmoid",
    lambda seed: transforms.StackTransform(
        [
            transforms.SigmoidTransform(),
            transforms.ComposeTransform(
                [transforms.TanhTransform(), transforms.AffineTransform(0.5, 0.5)]
            ),
            transforms.SigmoidTransform(),
        ],
        dim=-1,
    ),
    event_shape=(3,),
    codomain="unit_interval",
)
_transform(
    "cat",
    "CatTransform along the last dimension: exp, softplus",
    lambda seed: transforms.CatTransform(
        [transforms.ExpTransform(), transforms.SoftplusTransform()], dim=-1, lengths=[2, 4]
    ),
    codomain="positive",
)
_transform(
    "reshape",
    "ReshapeTransform from (6,) to (2, 3)",
    lambda seed: transforms.ReshapeTransform(torch.Size((DIM,)), torch.Size((2, 3))),
    latent_shape=(2, 3),
)
_transform(
    "stick-breaking",
    "StickBreakingTransform to the simplex of 6 parts",
    lambda seed: transforms.StickBreakingTransform(),
    event_shape=(DIM - 1,),
    latent_shape=(DIM,),
    codomain="simplex",
)
_transform(
    "corr-cholesky",
    "CorrCholeskyTransform to factors of 4 x 4 correlations",
    lambda seed: transforms.CorrCholeskyTransform(),
    latent_shape=(4, 4),
    codomain="corr_cholesky",
)


class Triangle(nn.Module):
    """A transform of matrices that reads their lower triangle, given as a vector, row by row."""

    def __init__(self, transform: Transform, size: int = 3) -> None:
        super().__init__()
        self.transform, self.size = transform, size

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        rows, columns = torch.tril_indices(self.size, self.size, device=x.device)
        full = x.new_zeros(x.shape[0], self.size**2)
        index = (rows * self.size + columns).expand_as(x)
        matrix = full.scatter(1, index, x).unflatten(1, (self.size, self.size))
        return self.transform(matrix), x.new_zeros(x.shape[0])

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        rows, columns = torch.tril_indices(self.size, self.size, device=z.device)
        return self.transform.inv(z)[:, rows, columns], z.new_zeros(z.shape[0])


MATRIX: dict[str, Any] = {
    "event_shape": (6,),
    "latent_shape": (3, 3),
    "domain": "real",
    "log_det": "none",
}


@layer("torch/lower-cholesky", codomain="lower_cholesky", **MATRIX)
def lower_cholesky(seed: int) -> nn.Module:
    """LowerCholeskyTransform of a lower triangle."""
    return Triangle(transforms.LowerCholeskyTransform())


@layer("torch/positive-definite", codomain="positive_definite", **MATRIX)
def positive_definite(seed: int) -> nn.Module:
    """PositiveDefiniteTransform of a lower triangle."""
    return Triangle(transforms.PositiveDefiniteTransform())
