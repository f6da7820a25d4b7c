"""Spaces: raw numbers placed inside them, their free coordinates, and values just outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints, transform_to
from torch.distributions.constraints import Constraint

from invbench.declaration import Circle, Shape, space_name
from invbench.errors import UsageError

__all__ = [
    "STRUCTURED",
    "Packing",
    "beyond",
    "drawable",
    "is_real",
    "packing",
    "place",
    "raw_shape",
    "strictly_inside",
    "structured",
    "unwrapped",
]

CHARTS = ("Simplex", "LowerCholesky", "CorrCholesky", "PositiveDefinite")
STRUCTURED = 3.0  # the largest raw number that makes a simplex or a Cholesky factor
# raw numbers up to here become exp(v); larger ones go on as a power, so that 2^100 stays a number
KNEE = 8.0


def unwrapped(space: Constraint | None) -> Constraint | None:
    """The constraint of one element: ``independent`` wrappers are taken off."""
    while space is not None and type(space).__name__.lstrip("_").lower() in (
        "independentconstraint",
        "independent",
    ):
        space = space.base_constraint  # type: ignore[attr-defined]
    return space


def is_real(space: Constraint | None) -> bool:
    bare = unwrapped(space)
    return bare is None or type(bare) in (
        type(constraints.real),
        type(constraints.real_vector.base_constraint),
    )


def drawable(space: Constraint | None, shape: Shape) -> bool:
    """Whether values of the space can be made from raw numbers."""
    try:
        place(space, torch.zeros(1, *shape, dtype=torch.float64), torch.float64)
    except (UsageError, ValueError, RuntimeError, IndexError):
        return False
    return True


def _bounds(space: Constraint) -> tuple[float, float] | None:
    """(low, high) of a space that is an interval of each element; None for another kind."""
    if getattr(space, "event_dim", 0) or getattr(space, "is_discrete", False):
        return None
    low = getattr(space, "lower_bound", None)
    high = getattr(space, "upper_bound", None)
    if low is None and high is None:
        return None
    return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))


def _amount(v: Tensor) -> Tensor:
    """R → (0, ∞), increasing, without overflow: exp(v) near 0, a line beyond."""
    far = v.abs().clamp(min=KNEE) / KNEE * math.exp(KNEE)
    return torch.where(
        v.abs() <= KNEE, v.clamp(-KNEE, KNEE).exp(), torch.where(v > 0, far, 1 / far)
    )


def place(
    space: Constraint | None, raw: Tensor, dtype: torch.dtype, shape: Shape | None = None
) -> Tensor:
    """Raw float64 numbers (B, …) as values of the space in ``dtype``, up to the last float before
    an open edge."""
    bare = unwrapped(space)
    if bare is None or is_real(bare):
        limit = torch.finfo(dtype).max
        return raw.clamp(-limit, limit).to(dtype)
    name = type(bare).__name__.lstrip("_")
    if name in ("Boolean",):
        return (raw > 0).to(dtype)
    if getattr(bare, "is_discrete", False):
        low, high = float(getattr(bare, "lower_bound", 0)), float(getattr(bare, "upper_bound", 255))
        share = torch.sigmoid(raw.clamp(-30, 30) * 1.5)
        return (low + (share * (high - low + 1)).floor().clamp(max=high - low)).to(dtype)
    if isinstance(bare, Circle):
        low = float(bare.lower_bound)
        turned = low + torch.remainder(raw.clamp(-1e6, 1e6) - low, bare.period)
        return _held(turned, low, low + bare.period, dtype)
    if (bounds := _bounds(bare)) is not None:
        low, high = bounds
        if math.isfinite(low) and math.isfinite(high):
            value = low + (high - low) * torch.sigmoid(raw)
        else:
            value = low + _amount(raw) if math.isfinite(low) else high - _amount(raw)
        return _held(value, low, high, dtype)
    try:
        # a matrix of larger numbers is not positive definite any more once it is rounded to float32
        reach = STRUCTURED / 2 if name == "PositiveDefinite" else STRUCTURED
        return transform_to(bare)(reach * (raw / reach).tanh()).to(dtype)
    except NotImplementedError:
        raise UsageError(
            f"values of {space} cannot be drawn; declare another domain or codomain"
        ) from None


def _held(value: Tensor, low: float, high: float, dtype: torch.dtype) -> Tensor:
    """The values, moved strictly between the edges in the dtype."""
    limit = torch.finfo(dtype).max
    value = value.clamp(-limit, limit).to(dtype)
    edges = torch.tensor([low, high], dtype=torch.float64).clamp(-limit, limit).to(dtype)
    inner = torch.nextafter(edges, edges.flip(0)).double()
    # not into the subnormal numbers, whose reciprocals overflow
    tiny = min(torch.finfo(dtype).tiny * 2**10, torch.finfo(dtype).eps)
    inner = torch.where(edges == 0, torch.tensor([tiny, -tiny], dtype=torch.float64), inner)
    return value.clamp(inner[0].item(), inner[1].item())


def strictly_inside(space: Constraint | None, value: Tensor) -> Tensor:
    """Per element, whether a value lies inside and not on the edge; per row for a space of whole
    events."""
    bare = unwrapped(space)
    if bare is None or is_real(bare) or getattr(bare, "is_discrete", False):
        return value.isfinite()
    if (bounds := _bounds(bare)) is None:
        return value.isfinite()
    low, high = bounds
    if isinstance(bare, Circle):
        return value.isfinite() & (value >= low - 1e-3) & (value <= high + 1e-3)
    return value.isfinite() & (value > low) & (value < high)


def beyond(space: Constraint | None, dtype: torch.dtype) -> Tensor:
    """The nearest values outside: one float beyond each finite edge. Empty for a space without
    edges."""
    bare = unwrapped(space)
    bounds = None if bare is None or isinstance(bare, Circle) else _bounds(bare)
    values = []
    for edge, way in zip(bounds or (), (-math.inf, math.inf), strict=False):
        if math.isfinite(edge):
            values.append(
                torch.nextafter(torch.tensor(edge, dtype=dtype), torch.tensor(way, dtype=dtype))
            )
    return torch.stack(values) if values else torch.empty(0, dtype=dtype)


@dataclass(frozen=True)
class Packing:
    """One tensor (B, *shape) for the one or several tensors that the user's layer takes, and the
    free numbers of a value.

    ``parts``: the shapes of the user's tensors. ``several``: they are handed over as a list.
    ``free`` and ``whole``: from a value whose numbers depend on each other (a simplex, a Cholesky
    factor) to its free numbers and back; the log-determinant is over the free numbers.
    """

    shape: Shape
    parts: tuple[Shape, ...]
    several: bool = False
    free: Callable[[Tensor], Tensor] | None = None
    whole: Callable[[Tensor], Tensor] | None = None

    def pack(self, value: Any) -> Tensor:
        """The user's value as one tensor (B, *shape)."""
        if not self.several:
            return value  # type: ignore[no-any-return]
        tensors = list(value.values()) if isinstance(value, dict) else list(value)
        return torch.cat([t.flatten(1) for t in tensors], 1)

    def unpack(self, v: Tensor) -> Any:
        """The user's value from one tensor (B, *shape)."""
        if not self.several:
            return v
        sizes = [math.prod(part) for part in self.parts]
        return [
            t.reshape(len(v), *part) for t, part in zip(v.split(sizes, 1), self.parts, strict=True)
        ]

    def to_free(self, v: Tensor) -> Tensor:
        return v if self.free is None else self.free(v)

    def to_whole(self, v: Tensor) -> Tensor:
        return v if self.whole is None else self.whole(v)


def packing(shape: Any, space: Constraint | None) -> Packing:
    """The packing of a shape, or of a tuple of shapes, with values in a space."""
    if shape and isinstance(shape[0], (tuple, list)):
        parts = tuple(tuple(part) for part in shape)
        return Packing((sum(math.prod(part) for part in parts),), parts, several=True)
    shape = tuple(shape)
    bare = unwrapped(space)
    chart = type(bare).__name__.lstrip("_") if bare is not None else ""
    if bare is None or chart not in CHARTS:
        return Packing(shape, (shape,))
    n = shape[-1]
    if chart != "Simplex" and (len(shape) < 2 or shape[-2] != n):
        raise UsageError(
            f"a value of shape {shape} cannot lie in {space_name(bare)}: its last two "
            f"dimensions must be equal"
        )
    if chart == "Simplex":
        last = lambda v: torch.cat((v, 1 - v.sum(-1, keepdim=True)), -1)  # noqa: E731
        return Packing(shape, (shape,), free=lambda v: v[..., :-1], whole=last)
    rows, columns = torch.tril_indices(n, n, -1 if chart == "CorrCholesky" else 0)

    def whole(v: Tensor) -> Tensor:
        out = _filled(v, n, rows, columns)
        if chart == "CorrCholesky":
            return out + torch.diag_embed((1 - out.square().sum(-1)).clamp(min=0).sqrt())
        return out + out.tril(-1).mT if chart == "PositiveDefinite" else out

    return Packing(shape, (shape,), free=lambda v: v[..., rows, columns], whole=whole)


def _filled(v: Tensor, n: int, rows: Tensor, columns: Tensor) -> Tensor:
    flat = v.new_zeros(*v.shape[:-1], n * n)
    index = (rows * n + columns).to(v.device).expand_as(v)
    return flat.scatter(-1, index, v).unflatten(-1, (n, n))


def raw_shape(whole: Packing, space: Constraint | None) -> Shape:
    """The shape of the raw numbers that ``place`` takes for a value."""
    chart = type(unwrapped(space)).__name__.lstrip("_")
    shape = whole.shape
    if chart == "CorrCholesky":
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)
    return shape


def structured(space: Constraint | None) -> bool:
    """Whether the numbers of a value depend on each other."""
    bare = unwrapped(space)
    return bare is not None and (
        type(bare).__name__.lstrip("_") in CHARTS or bool(getattr(bare, "event_dim", 0))
    )
