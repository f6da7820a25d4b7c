"""The super-resolution flows: levels of squeeze → transition steps → K steps → split, and the
conditions of the levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from invbench.couplings.base import Elementwise
from invbench.data.resample import bicubic
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, ConditionalFlow, ConvConditioner
from invbench.flows.conditional_flow import Resized
from invbench.flows.conditioner import ZeroConv
from invbench_models.level_layers import level_layers
from invbench_models.rrdb import RRDBEncoder

__all__ = ["MultiscaleFlow", "SRFlowSize", "multiscale"]

NOISE_CHANNELS = 3  # the published noise-level coupling reads σ once per colour


@dataclass(frozen=True)
class SRFlowSize:
    """Numbers that fix the architecture; the coupling is not among them.

    ``blocks``: of the RRDB encoder, of which those in ``stacked`` join the condition; 0 for the
    mini's plain encoder of width ``features``. ``residual``: the flow is over x − bicubic(y).
    ``noise_level``: couplings read the noise level of x.
    """

    scale: int = 4
    levels: int = 2
    steps: int = 4
    width: int = 32
    features: int = 24
    transitions: int = 0
    blocks: int = 0
    stacked: tuple[int, ...] = ()
    residual: bool = True
    noise_level: bool = False

    @property
    def divisor(self) -> int:
        """The sides of the condition must be multiples of it, so that the image can be squeezed
        ``levels`` times."""
        return max(1, 2**self.levels // self.scale)


class Encoder(nn.Sequential):
    """g_θ of the mini size: four 3×3 convolutions with LeakyReLU between, at the resolution of the
    condition."""

    def __init__(self, features: int) -> None:
        body: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1)]
        for _ in range(3):
            body += [nn.LeakyReLU(0.2), nn.Conv2d(features, features, 3, padding=1)]
        super().__init__(*body)


class MultiscaleFlow(ConditionalFlow):
    """x: (B, 3, s·h, s·w) ↔ one latent per split and one at the end, given y (B, 3, h, w), h and w
    multiples of 2^L/s.

    With ``spec.residual`` the flow is over x − bicubic(y), else over x. With ``spec.noise_level`` y
    may have a fourth channel, σ, the standard deviation of the noise that was added to x; without
    it σ = 0, as in every test. Raises ``UsageError`` when y has another number of channels, and
    when its sides cannot be squeezed or are not those of x over s.
    """

    def __init__(self, spec: SRFlowSize, layers: dict[str, nn.Module], encoder: nn.Module) -> None:
        super().__init__(layers, encoder, self._shapes, self._upscaled if spec.residual else None)
        self.spec = spec
        if spec.blocks:  # published checkpoints hold it, and no computation uses it
            self.unused = nn.Conv2d(spec.features, 96, 3, padding=1)

    def encode(self, x: Tensor, y: Tensor) -> tuple[list[Tensor], Tensor]:
        """Data → noise: (latents, log_det of shape (B,))."""
        self._check(y)
        if x.shape[1:] != (3, *(self.spec.scale * side for side in y.shape[2:])):
            raise UsageError(
                f"an image of shape {tuple(x.shape)} is not {self.spec.scale} times its "
                f"condition of shape {tuple(y.shape)}"
            )
        return super().encode(x, y)

    def features(self, y: Tensor) -> Tensor:
        """g_θ(y) at y's resolution, (B, features, h, w), without σ."""
        self._check(y)
        return self.encoder(y[:, :3])

    def conditions(self, y: Tensor) -> Resized:
        """g_θ(y) for every level; where the flow has a noise level, with σ in three channels behind
        it."""
        self._check(y)
        rrdb = isinstance(self.encoder, RRDBEncoder)
        found = Levels(self.encoder.levels(y[:, :3])) if rrdb else Resized(self.features(y))  # type: ignore[operator]
        return WithNoiseLevel(found, y[:, 3:]) if self.spec.noise_level else found

    def _upscaled(self, y: Tensor) -> Tensor:
        return bicubic(y[:, :3], self.spec.scale)

    def _check(self, y: Tensor) -> None:
        channels = (3, 4) if self.spec.noise_level else (3,)
        if y.ndim != 4 or y.shape[1] not in channels:
            wanted = " or ".join(f"(B, {c}, h, w)" for c in channels)
            raise UsageError(f"the condition must be of shape {wanted}, got {tuple(y.shape)}")
        height, width, divisor = *y.shape[2:], self.spec.divisor
        if height % divisor or width % divisor:
            raise UsageError(
                f"a low-resolution image of {height}×{width} pixels cannot be squeezed "
                f"{self.spec.levels} times at "
                f"{self.spec.scale}×: crop or pad its sides to multiples of {divisor}"
            )

    def _shapes(self, y: Tensor) -> list[tuple[int, ...]]:
        self._check(y)
        channels, height, width = 3, y.shape[-2] * self.spec.scale, y.shape[-1] * self.spec.scale
        shapes: list[tuple[int, ...]] = []
        for level in range(1, self.spec.levels + 1):
            channels, height, width = channels * 4, height // 2, width // 2
            if self._splits(level):
                channels //= 2
                shapes.append((channels, height, width))
        return [*shapes, (channels, height, width)]

    def _splits(self, level: int) -> bool:
        return f"level{level}_split" in self.layers


class Levels(Resized):
    """One condition per level, by its resolution; no channels at other resolutions, as before the
    first squeeze."""

    def __init__(self, levels: list[Tensor]) -> None:
        self._by_size = {level.shape[2:]: level for level in levels}
        self._none = levels[0][:, :0]

    def like(self, h: Tensor) -> Tensor:
        return self._by_size.get(h.shape[2:], self._none)


class WithNoiseLevel(Resized):
    """The condition ``inner`` with σ in three more channels. ``sigma``: (B, 1, h, w), or (B, 0, h,
    w) for σ = 0."""

    def __init__(self, inner: Resized, sigma: Tensor) -> None:
        self._inner = inner
        sigma = sigma if sigma.shape[1] else sigma.new_zeros(sigma.shape[0], 1, *sigma.shape[2:])
        self._sigma = Resized(sigma.expand(-1, NOISE_CHANNELS, -1, -1))
        self._joined: dict[torch.Size, Tensor] = {}

    def like(self, h: Tensor) -> Tensor:
        size = h.shape[2:]
        if size not in self._joined:
            features = self._inner.like(h)
            self._joined[size] = (
                torch.cat((features, self._sigma.like(h)), dim=1) if features.shape[1] else features
            )
        return self._joined[size]


def multiscale(
    spec: SRFlowSize,
    coupling: Callable[[], Elementwise],
    seed: int,
    conv1x1: str = "free",
    split: str = "affine",
) -> MultiscaleFlow:
    """The flow of these numbers, with weights drawn from ``seed``; ``conv1x1`` and ``split`` are
    names of ``options``.

    A step has the injector over all channels, the coupling of the noise level if there is one, and
    the coupling proper. With the plain encoder, every level but the last ends with a split, which a
    whole conditioner predicts. With an RRDB encoder, as published, levels l < L − 1 do, with one
    convolution that starts at zero.
    """
    conditioner = partial(ConvConditioner, width=spec.width)
    published = spec.blocks > 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = (
            RRDBEncoder(spec.scale, spec.blocks, spec.stacked)
            if published
            else Encoder(spec.features)
        )
        layers = level_layers(
            spec.levels,
            spec.steps,
            partial(_couplings, spec, coupling, conditioner),
            coupling,
            splits=spec.levels - 1 - published,
            predictor=ZeroConv if published else conditioner,
            transitions=spec.transitions,
            conv1x1=conv1x1,
            split=split,
        )
        return MultiscaleFlow(spec, layers, encoder)


def _couplings(
    spec: SRFlowSize,
    coupling: Callable[[], Elementwise],
    conditioner: Callable[[int, int], nn.Module],
    prefix: str,
    channels: int,
) -> dict[str, nn.Module]:
    """The couplings of a step: injector, noise-level coupling if there is one, coupling."""
    half, features = channels // 2, slice(spec.features)
    blocks: dict[str, nn.Module] = {}
    blocks[f"{prefix}_injector"] = ConditionalCoupling(
        coupling(), channels, 0, spec.features, conditioner, features
    )
    if spec.noise_level:
        sigma = slice(spec.features, None)
        blocks[f"{prefix}_noise"] = ConditionalCoupling(
            coupling(), channels, half, NOISE_CHANNELS, conditioner, sigma
        )
    blocks[f"{prefix}_coupling"] = ConditionalCoupling(
        coupling(), channels, half, spec.features, conditioner, features
    )
    return blocks
