"""The registered example layers: factories ``make(seed)`` of small layers with randomized weights,
for the laws."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from invbench.couplings import Affine, CubicRationalBounded, ModifiedRQ, RQBounded
from invbench.flows.actnorm import ActNorm
from invbench.flows.bounded_split import BoundedSplit
from invbench.flows.conditioner import ConvConditioner, DenseConditioner
from invbench.flows.conv1x1 import Conv1x1
from invbench.flows.coupling import ConditionalCoupling
from invbench.flows.design_split import DesignSplit
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.orthogonal_conv1x1 import OrthogonalConv1x1
from invbench.flows.residual import ResidualBlock
from invbench.flows.split import Split
from invbench.flows.squeeze import Squeeze
from invbench.registry import layer

__all__ = ["randomized"]


def randomized(module: nn.Module, seed: int, amount: float = 0.3) -> nn.Module:
    """Add N(0, amount²) to every trainable parameter in place, so that heads that start at zero
    have an effect. ActNorms count as initialised. Returns the module."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in (
            p for p in module.parameters() if p.requires_grad and p.is_floating_point()
        ):
            parameter.add_(amount * torch.randn(parameter.shape, generator=generator))
        for part in module.modules():
            if isinstance(part, ActNorm):
                part.initialised.fill_(True)
    return module


@layer("actnorm", event_shape=(3, 4, 4), order=tuple(range(48)))
def actnorm(seed: int) -> nn.Module:
    """ActNorm over three channels."""
    return randomized(ActNorm(3), seed)


@layer("conv1x1", event_shape=(4, 2, 2))
def conv1x1(seed: int) -> nn.Module:
    """Invertible 1×1 convolution over four channels."""
    return randomized(Conv1x1(4), seed, 0.1)


@layer(
    "orthogonal-conv1x1",
    event_shape=(4, 2, 2),
    citation="Kingma, Dhariwal: Glow, NeurIPS 2018; invbench",
    formula="z = Wx, W = Q₀·exp(A − Aᵀ)",
)
def orthogonal_conv1x1(seed: int) -> nn.Module:
    """Orthogonal 1×1 convolution over four channels."""
    return randomized(OrthogonalConv1x1(4), seed, 0.5)


@layer("squeeze", event_shape=(4, 4))
def squeeze(seed: int) -> nn.Module:
    """Space to depth, reshaped to the input's shape, for the laws of layers that keep a shape."""
    return SqueezeBack()


class SqueezeBack(nn.Module):
    """(B, H, W) → squeeze → the same numbers in the input's shape."""

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        z, log_det = Squeeze()(x[:, None])
        return z.reshape(x.shape), log_det

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, log_det = Squeeze().inverse(z.reshape(z.shape[0], 4, z.shape[1] // 2, z.shape[2] // 2))
        return x[:, 0], log_det


@layer(
    "affine-block", event_shape=(6,), cond_shape=(2,), untouched=(0, 1, 2), order=tuple(range(6))
)
def affine_block(seed: int) -> nn.Module:
    """Conditional affine coupling block on six dimensions, dense conditioner."""
    return randomized(
        ConditionalCoupling(Affine(), 6, 3, 2, partial(DenseConditioner, width=16, hidden=1)),
        seed,
        0.2,
    )


@layer(
    "spline-block",
    event_shape=(4, 2, 2),
    cond_shape=(2, 2, 2),
    untouched=(0, 1),
    order=tuple(range(16)),
)
def spline_block(seed: int) -> nn.Module:
    """Conditional modified-RQ coupling block on images of four channels, convolutional
    conditioner."""
    return randomized(
        ConditionalCoupling(ModifiedRQ(), 4, 2, 2, partial(ConvConditioner, width=8)), seed, 0.1
    )


@layer(
    "bounded-block",
    event_shape=(4, 2, 2),
    cond_shape=(2, 2, 2),
    untouched=(0, 1),
    order=tuple(range(16)),
)
def bounded_block(seed: int) -> nn.Module:
    """Conditional cubic-rational-bounded coupling block whose shift saturates at 2."""
    design = CubicRationalBounded(shift=2.0)
    return randomized(
        ConditionalCoupling(design, 4, 2, 2, partial(ConvConditioner, width=8)), seed, 0.1
    )


class Rejoined(nn.Module):
    """A split as a layer that keeps a shape: z = [z₁, z₂] → [z₁, ε]."""

    def __init__(self, split: Split) -> None:
        super().__init__()
        self.split = split

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        kept, eps, log_det = self.split(x)
        return torch.cat((kept, eps), dim=1), log_det

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.split.inverse(z[:, : self.split.kept], z[:, self.split.kept :])  # type: ignore[no-any-return]


@layer("bounded-split", event_shape=(4, 2, 2), untouched=(0, 1), order=tuple(range(16)))
def bounded_split(seed: int) -> nn.Module:
    """Split by a Gaussian whose mean and scale are bounded."""
    return randomized(Rejoined(BoundedSplit(4, partial(ConvConditioner, width=8))), seed, 0.1)


@layer("design-split", event_shape=(4, 2, 2), untouched=(0, 1), order=tuple(range(16)))
def design_split(seed: int) -> nn.Module:
    """Split by an rq-bounded coupling whose shift saturates at 1.5."""
    design = RQBounded(bins=4, box=1.5, shift=1.5)
    return randomized(
        Rejoined(DesignSplit(4, partial(ConvConditioner, width=8), design)), seed, 0.1
    )


@layer("injector", event_shape=(4, 2, 2), cond_shape=(2, 2, 2), order=tuple(range(16)))
def injector(seed: int) -> nn.Module:
    """Affine injector: all channels transformed by the condition alone."""
    return randomized(
        ConditionalCoupling(Affine(), 4, 0, 2, partial(ConvConditioner, width=8)), seed, 0.1
    )


@layer(
    "residual",
    event_shape=(6,),
    citation=(
        "Behrmann, Grathwohl, Chen, Duvenaud, Jacobsen: Invertible Residual Networks, ICML 2019"
    ),
    formula="z = x + g(x), Lip(g) ≤ 0.7",
)
def residual(seed: int) -> nn.Module:
    """i-ResNet block on six dimensions: the inverse is a fixed-point iteration."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResidualBlock(6, 16)


@layer(
    "orthogonal-additive",
    event_shape=(6,),
    cond_shape=(2,),
    citation=(
        "Dinh, Krueger, Bengio: NICE, ICLR workshop 2015; Kingma, Dhariwal: Glow, NeurIPS 2018"
    ),
    formula="z = A(Qx), Q = exp(S − Sᵀ), A an additive coupling",
)
def orthogonal_additive(seed: int) -> nn.Module:
    """Orthogonal mixing and additive coupling on six dimensions: volume is kept exactly."""
    return randomized(
        OrthogonalAdditive(6, 2, partial(DenseConditioner, width=16, hidden=1)), seed, 0.2
    )
