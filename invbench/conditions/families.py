"""Out-of-distribution families: what is done to a condition y in [0, 1] before the flow sees it.

A family is a function ``(y, strength, u) -> y'`` of one image (3, H, W), its strength, and uniform numbers in (0, 1)
drawn for that image alone, so that a result does not depend on the batch. Severities 1 to 5 are the five strengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from invbench.conditions.recipe import uniform
from invbench.errors import UsageError
from invbench.registry import CONDITIONS

__all__ = ["Family", "apply_family", "family"]

Change = Callable[[Tensor, float, Tensor], Tensor]


@dataclass(frozen=True)
class Family:
    """A family and its five strengths, mildest first; ``strengths`` has one entry when there is nothing to vary."""

    name: str
    strengths: tuple[float, ...]
    change: Change


def family(name: str, strengths: tuple[float, ...]) -> Callable[[Change], Change]:
    """Register a family under ``name``."""

    def decorate(change: Change) -> Change:
        CONDITIONS.register(name, change, {"family": Family(name, strengths, change), "strengths": strengths})
        return change

    return decorate


def apply_family(name: str, severity: int, images: list[Tensor], seed: int = 0) -> list[Tensor]:
    """The images (3, H, W) changed by family ``name`` at ``severity`` 1…5; image i uses random stream (seed, i)."""
    found: Family = CONDITIONS[name].metadata["family"]
    if not 1 <= severity <= len(found.strengths):
        raise UsageError(f"condition {name!r} has severities 1 to {len(found.strengths)}, not {severity}")
    strength = found.strengths[severity - 1]
    changed = []
    for index, image in enumerate(images):
        u = torch.from_numpy(uniform(seed, 1000 + index, (image.numel(),))).to(image).reshape(image.shape)
        changed.append(found.change(image, strength, u))
    return changed


def _blend(y: Tensor, other: Tensor, share: float) -> Tensor:
    return (1 - share) * y + share * other


@family("clean", (0.0,))
def clean(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """y itself."""
    return y


@family("noise", (0.02, 0.05, 0.1, 0.2, 0.4))
def noise(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """clamp(y + σ·n, 0, 1), n standard normal."""
    return (y + strength * torch.special.ndtri(u.double()).to(y)).clamp(0, 1)


@family("sharpen", (0.5, 1.0, 2.0, 4.0, 8.0))
def sharpen(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """Unsharp mask, clamp(y + a·(y − blur(y)), 0, 1); blur: 5×5 Gaussian, σ = 1, edges replicated."""
    taps = torch.exp(-0.5 * torch.arange(-2, 3, dtype=y.dtype, device=y.device) ** 2)
    taps = taps / taps.sum()
    kernel = (taps[:, None] * taps).expand(y.shape[0], 1, 5, 5)
    blurred = F.conv2d(F.pad(y[None], (2, 2, 2, 2), mode="replicate"), kernel, groups=y.shape[0])[0]
    return (y + strength * (y - blurred)).clamp(0, 1)


@family("binarise", (0.2, 0.4, 0.6, 0.8, 1.0))
def binarise(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """(1 − a)·y + a·[y > 1/2]: at severity 5 every channel is 0 or 1."""
    return _blend(y, (y > 0.5).to(y), strength)


@family("checkerboard", (0.1, 0.25, 0.5, 0.75, 1.0))
def checkerboard(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """(1 − a)·y + a·board, board = (row + column) mod 2: the highest frequency there is."""
    rows = torch.arange(y.shape[-2], device=y.device)[:, None]
    board = ((rows + torch.arange(y.shape[-1], device=y.device)) % 2).to(y)
    return _blend(y, board.expand_as(y), strength)


@family("constant", (0.2, 0.4, 0.6, 0.8, 1.0))
def constant(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """(1 − a)·y + a·colour, one colour per image, uniform in [0, 1]³: at severity 5 no picture is left."""
    return _blend(y, u[:, :1, :1].expand_as(y), strength)


@family("channel-swap", (0.2, 0.4, 0.6, 0.8, 1.0))
def channel_swap(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """(1 − a)·(r, g, b) + a·(g, b, r)."""
    return _blend(y, y[[1, 2, 0]], strength)


@family("out-of-range", (1.25, 1.5, 2.0, 3.0, 4.0))
def out_of_range(y: Tensor, strength: float, u: Tensor) -> Tensor:
    """a·y, not clamped: a condition outside [0, 1], as a wrong scale in a pipeline gives."""
    return strength * y
