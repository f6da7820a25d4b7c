"""Where a search may go: latents in a norm ball, typical ones alone, conditions and images in a
ball of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invbench.attacks.typical import TypicalSet
from invbench.errors import UsageError

__all__ = ["COORDINATE_LIMIT", "NORM_FACTOR", "Inputs", "Space"]

NORM_FACTOR = 1.05  # ‖z‖ ≤ 1.05·τ√D: of N(0, τ²) in D = 12 288 dimensions all but 1e-14 lies inside
COORDINATE_LIMIT = 4.0  # |z_i| ≤ 4τ
FOCUS = (
    # share of the latents that one step moves in the typical set: what moves all at once shows in
    # the covariances
    0.01
)
MOVABLE = ("latents", "y", "x")


@dataclass(frozen=True)
class Inputs:
    """What a flow is fed, one row per search: the condition ``y`` (B, …), and ``latents`` to decode
    or an image ``x`` to encode and decode."""

    y: Tensor
    latents: list[Tensor]
    x: Tensor | None = None

    def rows(self, index: Tensor) -> Inputs:
        x = None if self.x is None else self.x[index]
        return Inputs(self.y[index], [z[index] for z in self.latents], x)

    def to(self, dtype: torch.dtype) -> Inputs:
        x = None if self.x is None else self.x.to(dtype)
        return Inputs(self.y.to(dtype), [z.to(dtype) for z in self.latents], x)

    def parts(self, name: str) -> list[Tensor]:
        """The tensors called ``name``: the latents are several."""
        if name == "latents":
            return self.latents
        found = self.y if name == "y" else self.x
        if found is None:
            raise UsageError("this search moves the image x, and none was given")
        return [found]


@dataclass(frozen=True)
class Space:
    """The points that a search may visit, as rows of D numbers: what ``moved`` names ("latents",
    "y", "x") of ``origin``, in that order.

    Latents: ‖z‖ ≤ 1.05·τ√D, |z_i| ≤ 4τ, and within ``radius``·τ of the origin in ℓ∞ (infinite:
    anywhere in that set; a tensor (B,): one per row); ``typical``: with the marginals and
    covariances of draws as well (``TypicalSet``), the origin being one. Conditions and images: in
    [0, 1] and within ``eps`` of the origin in ℓ∞, the origin itself allowed where it lies outside
    [0, 1]. Raises ``UsageError`` for eps < 0, radius < 0, or τ ≤ 0.
    """

    origin: Inputs
    moved: tuple[str, ...]
    temperature: float = 1.0
    radius: float | Tensor = math.inf
    eps: float = 0.0
    typical: bool = False

    def __post_init__(self) -> None:
        if not self.eps >= 0:
            raise UsageError(
                f"eps must be 0 or more, got {self.eps:g}; it is the largest change of a pixel "
                f"in [0, 1]"
            )
        if not bool(torch.as_tensor(self.radius >= 0).all()):
            raise UsageError(
                f"radius must be 0 or more, got {self.radius}; it is in units of the temperature"
            )
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"temperature must be positive and finite, got {self.temperature:g}")
        if not self.moved or set(self.moved) - set(MOVABLE):
            raise UsageError(
                f"a search moves some of {', '.join(MOVABLE)}, not "
                f"{', '.join(self.moved) or 'nothing'}"
            )

    @cached_property
    def start(self) -> Tensor:
        """(B, D): the origin, its latents brought into the norm ball and the box."""
        flat = self.pack(self.origin)
        if self.latent_count:
            limit = COORDINATE_LIMIT * self.temperature
            z = flat[:, : self.latent_count].clamp(-limit, limit)
            flat = torch.cat((z * self._shrink(z), flat[:, self.latent_count :]), 1)
        return flat

    @cached_property
    def latent_count(self) -> int:
        return sum(z[0].numel() for z in self.origin.latents) if "latents" in self.moved else 0

    @cached_property
    def typical_set(self) -> TypicalSet:
        return TypicalSet(tuple(tuple(z.shape[1:]) for z in self.origin.latents), self.temperature)

    @property
    def focus(self) -> float:
        """Share of the coordinates that a step of a gradient search moves."""
        return FOCUS if self.typical else 1.0

    @property
    def _ball(self) -> Tensor:
        """(B, 1): the radius in τ within which a point is sought. Sorting the values of the origin
        into the order of v moves each by no more than v is away from the origin, so a typical point
        is at most twice as far."""
        radius = torch.as_tensor(self.radius).to(self.start).expand(len(self.start))[:, None]
        return radius / 2 if self.typical else radius

    @property
    def norm(self) -> float:
        return NORM_FACTOR * self.temperature * math.sqrt(self.latent_count)

    @cached_property
    def reach(self) -> Tensor:
        """(B, D): the largest change of each coordinate; 2τ for a latent without a radius, where it
        sets the size of steps only."""
        found = torch.full_like(self.start, self.eps)
        found[:, : self.latent_count] = self.temperature * torch.where(
            self._ball.isinf(), 2.0, self._ball
        )
        return found

    @cached_property
    def limits(self) -> tuple[Tensor, Tensor]:
        """(low, high), each (B, D)."""
        limit, n = COORDINATE_LIMIT * self.temperature, self.latent_count
        z, pixels = self.start[:, :n], self.start[:, n:]
        radius = self._ball * self.temperature
        low = torch.cat(
            (
                (z - radius).clamp(min=-limit),
                torch.minimum((pixels - self.eps).clamp(min=0), pixels),
            ),
            1,
        )
        high = torch.cat(
            (
                (z + radius).clamp(max=limit),
                torch.maximum((pixels + self.eps).clamp(max=1), pixels),
            ),
            1,
        )
        return low, high

    def project(self, v: Tensor) -> Tensor:
        """A point of the set near v: clamped, the latents shortened towards 0, and where that
        leaves the ball, towards the origin; then, in a typical space, in the order that
        ``TypicalSet.nearest`` gives.

        Feasible always, since the origin is and the ball is convex; not the nearest point in the
        last two cases.
        """
        v = self._in_ball(v)
        if not (self.typical and self.latent_count):
            return v
        z = self.typical_set.nearest(v[:, : self.latent_count], self.start[:, : self.latent_count])
        return torch.cat((z, v[:, self.latent_count :]), 1)

    def _in_ball(self, v: Tensor) -> Tensor:
        low, high = self.limits
        v = torch.minimum(torch.maximum(v, low), high)
        n = self.latent_count
        if not n:
            return v
        z = v[:, :n]
        z = torch.minimum(torch.maximum(z * self._shrink(z), low[:, :n]), high[:, :n])
        start = self.start[:, :n]
        step = z - start
        # ‖start + s·step‖ = norm has one root s ≥ 0, because the start lies inside
        a, b = step.double().square().sum(1), (step.double() * start.double()).sum(1)
        c = (start.double().square().sum(1) - self.norm**2).clamp(max=0)
        s = -c / (b + (b * b - a * c).clamp(min=0).sqrt()).clamp(min=1e-300)
        outside = z.double().norm(dim=1) > self.norm * (1 + 1e-6)
        s = torch.where(outside, s.clamp(max=1), 1.0).to(v.dtype)[:, None]
        return torch.cat((start + s * step, v[:, n:]), 1)

    def _shrink(self, z: Tensor) -> Tensor:
        return (
            (self.norm / z.double().norm(dim=1).clamp(min=1e-300)).clamp(max=1).to(z.dtype)[:, None]
        )

    def pack(self, inputs: Inputs) -> Tensor:
        return torch.cat([part.flatten(1) for name in self.moved for part in inputs.parts(name)], 1)

    def unpack(self, v: Tensor) -> Inputs:
        """The inputs at the points v, (B, D); what is not moved stays as it is in the origin."""
        shapes = self.shapes
        pieces = v.split([math.prod(shape) for shape in shapes], 1)
        parts = [piece.reshape(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True)]
        found = self.origin
        for name in self.moved:
            if name == "latents":
                found = replace(found, latents=parts[: len(found.latents)])
                parts = parts[len(found.latents) :]
            else:
                found = replace(found, **{name: parts.pop(0)})
        return found

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the parts that a point consists of, without the rows."""
        return [tuple(part.shape[1:]) for name in self.moved for part in self.origin.parts(name)]

    def rows(self, index: Tensor) -> Space:
        radius = self.radius[index] if isinstance(self.radius, Tensor) else self.radius
        return replace(self, origin=self.origin.rows(index), radius=radius)

    def random(self, seed: int, streams: Sequence[int]) -> Tensor:
        """A random point per row, row i from stream ``streams[i]`` of ``seed``: pixels uniform,
        latents uniform in their radius or ~ N(0, τ²)."""
        rows, free = [], torch.as_tensor(self.radius).isinf().expand(len(self.start)).tolist()
        for row, stream in enumerate(streams):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + stream)
            u = torch.rand(self.start.shape[1], generator=generator, dtype=torch.float64) * 2 - 1
            at = self.start[row].double().cpu() + u * self.reach[row].double().cpu()
            if free[row] and self.latent_count:
                z = torch.randn(self.latent_count, generator=generator, dtype=torch.float64)
                at[: self.latent_count] = self.temperature * z
            rows.append(at)
        return self.project(torch.stack(rows).to(self.start))
