"""The threat model of a search: which inputs it may change, and how far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invbench.attacks.typical import TypicalSet
from invbench.errors import UsageError
from invbench.uniform import stream_seed

__all__ = ["COORDINATE_LIMIT", "NORM_FACTOR", "Inputs", "ThreatModel"]

# ‖z‖ ≤ 1.05·τ√D, which a draw of N(0, τ²) in D = 12 288 dimensions leaves with probability 1e-14
NORM_FACTOR = 1.05
COORDINATE_LIMIT = 4.0  # |z_i| ≤ 4τ
# share of the latents that one step moves in the typical set: a move of all at once would show in
# their covariances
FOCUS = 0.01
MOVABLE = ("latents", "y", "x")


@dataclass(frozen=True)
class Inputs:
    """What a flow is given, one row per search: the condition ``y`` (B, …), and ``latents`` to
    decode or an image ``x`` to encode and decode."""

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
        """The tensors of "latents", "y" or "x"; latents may be several. Raises ``UsageError`` where
        there is no image."""
        if name == "latents":
            return self.latents
        found = self.y if name == "y" else self.x
        if found is None:
            raise UsageError("this search moves the image x, and none was given")
        return [found]


@dataclass(frozen=True)
class ThreatModel:
    """The set of points that a search may visit, each a row of D numbers: those inputs of
    ``origin`` that ``moved`` names ("latents", "y", "x"), in that order.

    Latents: ‖z‖ ≤ 1.05·τ√D, |z_i| ≤ 4τ, τ the ``temperature``, and ‖z − z_origin‖∞ ≤ ``radius``·τ;
    the radius may be infinite, or a tensor (B,) with one per row. ``typical``: they also have the
    marginals and covariances of draws (``TypicalSet``), provided that the origin is a draw.
    Conditions and images: in ``pixels``, [0, 1], and within ``eps`` of the origin in ℓ∞; a pixel of
    the origin outside of them may stay. Raises ``UsageError`` for eps < 0, radius < 0 or τ ≤ 0.
    """

    origin: Inputs
    moved: tuple[str, ...]
    temperature: float = 1.0
    radius: float | Tensor = math.inf
    eps: float = 0.0
    typical: bool = False
    pixels: tuple[float, float] = (0.0, 1.0)

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
        """(B, D): the origin, with its latents projected into the norm ball and the box."""
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
        """Share of the coordinates that one step of a gradient search moves."""
        return FOCUS if self.typical else 1.0

    @property
    def _ball(self) -> Tensor:
        """(B, 1), in τ: the radius of the points before they are made typical.

        Sorting the origin's values into the order of v moves each by no more than v is away from
        the origin. So a typical point is at most twice as far, and half the radius is enough.
        """
        radius = torch.as_tensor(self.radius).to(self.start).expand(len(self.start))[:, None]
        return radius / 2 if self.typical else radius

    @property
    def norm(self) -> float:
        """Largest ‖z‖."""
        return NORM_FACTOR * self.temperature * math.sqrt(self.latent_count)

    @cached_property
    def reach(self) -> Tensor:
        """(B, D): the largest change of each coordinate, which is the size of the first step. For a
        latent without a radius it is 2τ."""
        largest = torch.full_like(self.start, self.eps)
        largest[:, : self.latent_count] = self.temperature * torch.where(
            self._ball.isinf(), 2.0, self._ball
        )
        return largest

    @cached_property
    def limits(self) -> tuple[Tensor, Tensor]:
        """(low, high) of each coordinate, (B, D) each."""
        limit, n = COORDINATE_LIMIT * self.temperature, self.latent_count
        z, pixels = self.start[:, :n], self.start[:, n:]
        darkest, brightest = self.pixels
        radius = self._ball * self.temperature
        low = torch.cat(
            (
                (z - radius).clamp(min=-limit),
                torch.minimum((pixels - self.eps).clamp(min=darkest), pixels),
            ),
            1,
        )
        high = torch.cat(
            (
                (z + radius).clamp(max=limit),
                torch.maximum((pixels + self.eps).clamp(max=brightest), pixels),
            ),
            1,
        )
        return low, high

    def project(self, v: Tensor) -> Tensor:
        """A point of the set near v, (B, D).

        v is clamped, and its latents are shortened towards 0, or towards the origin where that
        would leave the ball around it. Typical latents then take the order that
        ``TypicalSet.nearest`` gives. The result always lies in the set, because the origin does and
        the norm ball is convex; in the last two cases it need not be the nearest point.
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
        """The inputs that move, as rows (B, D)."""
        return torch.cat([part.flatten(1) for name in self.moved for part in inputs.parts(name)], 1)

    def unpack(self, v: Tensor) -> Inputs:
        """The inputs at the points v, (B, D); what does not move is the origin's."""
        shapes = self.shapes
        pieces = v.split([math.prod(shape) for shape in shapes], 1)
        parts = [piece.reshape(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True)]
        inputs = self.origin
        for name in self.moved:
            if name == "latents":
                inputs = replace(inputs, latents=parts[: len(inputs.latents)])
                parts = parts[len(inputs.latents) :]
            else:
                inputs = replace(inputs, **{name: parts.pop(0)})
        return inputs

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the tensors that make up a point, without the row dimension."""
        return [tuple(part.shape[1:]) for name in self.moved for part in self.origin.parts(name)]

    def rows(self, index: Tensor) -> ThreatModel:
        radius = self.radius[index] if isinstance(self.radius, Tensor) else self.radius
        return replace(self, origin=self.origin.rows(index), radius=radius)

    def random(self, seed: int, streams: Sequence[int]) -> Tensor:
        """One random point per row, (B, D): pixels uniform, latents uniform within their radius, or
        N(0, τ²) without one. Row i draws from stream ``streams[i]`` of ``seed``."""
        rows, free = [], torch.as_tensor(self.radius).isinf().expand(len(self.start)).tolist()
        for row, stream in enumerate(streams):
            generator = torch.Generator().manual_seed(stream_seed(seed, stream))
            u = torch.rand(self.start.shape[1], generator=generator, dtype=torch.float64) * 2 - 1
            at = self.start[row].double().cpu() + u * self.reach[row].double().cpu()
            if free[row] and self.latent_count:
                z = torch.randn(self.latent_count, generator=generator, dtype=torch.float64)
                at[: self.latent_count] = self.temperature * z
            rows.append(at)
        return self.project(torch.stack(rows).to(self.start))
