"""Small flows whose moves are bounded, with conditioners that say whatever an adversary likes."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invbench.couplings import CubicRationalBounded, Elementwise
from invbench.flows import (
    ActNorm,
    ConditionalCoupling,
    ConditionalFlow,
    Conv1x1,
    ConvConditioner,
    Split,
    Squeeze,
)

SIDE = 8
RADIUS = 4.0


class Pushed(Elementwise):
    """y = x + t, |t| ≤ T: moves that are independent, so that a certificate is the exact worst
    case."""

    n_params = 1
    displacement = 0.0
    shift_bound = 1.5

    def forward(self, x, params):
        return x + self.shift_bound * params[0].tanh(), torch.zeros_like(x)

    def inverse(self, y, params):
        return y - self.shift_bound * params[0].tanh(), torch.zeros_like(y)


class Saturated(CubicRationalBounded):
    """``cubic-rational-bounded`` with its shift at T·tanh(t/T), T = 2."""

    def __init__(self) -> None:
        super().__init__(shift=2.0)


class BoundedSplit(Split):
    """x₂ = 3·tanh(m/3) + ε·exp(0.5 − softplus(0.5 − l))."""

    def inverse(self, z1, eps):
        mean, logs = self.network(z1).chunk(2, dim=1)
        scale = (0.5 - F.softplus(0.5 - logs)).exp()
        return torch.cat((z1, 3 * torch.tanh(mean / 3) + eps * scale), dim=1), 0 * eps.flatten(
            1
        ).sum(1)

    def reach(self, radius: float) -> float:
        return 3 + radius * math.exp(0.5)


class PushedSplit(Split):
    """x₂ = ε + 1.5·tanh(m): the flow's own design in place of exp(logs)."""

    def inverse(self, z1, eps):
        mean, _ = self.network(z1).chunk(2, dim=1)
        return torch.cat((z1, eps + 1.5 * torch.tanh(mean)), dim=1), 0 * eps.flatten(1).sum(1)

    def reach(self, radius: float) -> float:
        return radius + 1.5


class Told(nn.Module):
    """A conditioner whose outputs at every position are free parameters: no input matters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(1, outputs, SIDE, SIDE))

    def forward(self, h: Tensor) -> Tensor:
        return self.raw[:, :, : h.shape[2], : h.shape[3]].expand(len(h), -1, -1, -1)


class Base:
    """x = residual + 0.25·y, doubled in size twice."""

    def __call__(self, y):
        return 0.25 * F.interpolate(y, scale_factor=4, mode="nearest")


def shapes(y: Tensor) -> list[tuple[int, ...]]:
    """Of 3×8×8 images: 6 channels leave after the first level, 24 stay."""
    return [(6, 4, 4), (24, 2, 2)]


def tiny(
    design=Pushed, split=PushedSplit, conditioner=Told, seed: int = 0, base=None, features: int = 2
):
    """Two levels of squeeze → ActNorm → 1×1 → injector → coupling, a split behind the first;
    weights far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: dict[str, nn.Module] = {}
        channels = 3
        for level in (1, 2):
            channels *= 4
            layers[f"level{level}_squeeze"] = Squeeze()
            layers[f"level{level}_actnorm"] = ActNorm(channels)
            layers[f"level{level}_conv1x1"] = Conv1x1(channels)
            for name, kept in (("injector", 0), ("coupling", channels // 2)):
                block = ConditionalCoupling(design(), channels, kept, features, conditioner)
                layers[f"level{level}_{name}"] = block
            if level == 1:
                layers["level1_split"] = split(channels, conditioner)
                channels //= 2
        flow = ConditionalFlow(layers, nn.Conv2d(3, features, 1), shapes, base)
        with torch.no_grad():
            for layer in layers.values():
                if isinstance(layer, ActNorm):
                    layer.bias.uniform_(-1, 1)
                    layer.logs.uniform_(-0.7, 0.7)
                elif isinstance(layer, Conv1x1):
                    layer.weight.add_(0.1 * torch.randn_like(layer.weight))
        return flow.eval()


def convolutional(design, split=BoundedSplit, seed: int = 0, base=None):
    """``tiny`` with SRFlow's conditioners, their heads away from 0."""
    flow = tiny(design, split, partial(ConvConditioner, width=4), seed, base)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in flow.modules():
            if isinstance(part, ConvConditioner):
                part.head.weight.copy_(
                    0.05 * torch.randn(part.head.weight.shape, generator=generator)
                )
                part.head.bias.copy_(0.5 * torch.randn(part.head.bias.shape, generator=generator))
    return flow


def told(flow) -> list[nn.Parameter]:
    return [part.raw for part in flow.modules() if isinstance(part, Told)]


def latents(
    rows: int, seed: int, radius: float = RADIUS, corners: bool = False, dtype=torch.float32
) -> list[Tensor]:
    """Uniform in [−radius, radius], or at its ends."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        2 * torch.rand(rows, *shape, generator=generator, dtype=torch.float64) - 1
        for shape in shapes(None)
    ]
    return [(radius * (z.sign() if corners else z)).to(dtype) for z in drawn]


def steepest(
    flow, y: Tensor, z: list[Tensor], steps: int = 12, rate: float = 1.0, far: float = 30.0
) -> float:
    """Largest |residual| that sign steps on latents (kept at their ends) and on everything the
    conditioners say come to, with y fixed."""
    raws = told(flow)
    best = 0.0
    for _ in range(steps):
        z = [v.detach().requires_grad_() for v in z]
        x = flow.decode(z, y)
        best = max(best, x.detach().abs().max().item())
        grads = torch.autograd.grad(x.abs().amax((1, 2, 3)).sum(), [*z, *raws], allow_unused=True)
        with torch.no_grad():
            z = [torch.where(g != 0, RADIUS * g.sign(), v) for v, g in zip(z, grads, strict=False)]
            for raw, g in zip(raws, grads[len(z) :], strict=True):
                if g is not None:
                    raw.add_(rate * g.sign()).clamp_(-far, far)
    return best
