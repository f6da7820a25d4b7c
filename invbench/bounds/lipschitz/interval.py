"""Intervals of tensors, which a network's own code propagates, together with a bound on the
Jacobian.

An ``Interval`` takes part in PyTorch's function protocol: ``module(interval)`` calls the module's
``forward``, and every operation in it is looked up in ``RULES``. An operation without a rule raises
``Unsupported``, so that there is no bound instead of a wrong one.

Bounds are computed in float64. Every operation widens them by more than its rounding: by 4u of the
result for an elementwise operation, by (n + 2)u of Σ|w||x| for a sum of n products. Two errors are
left out: the rounding of the network when it runs in float32, because the bounds hold for the exact
map with these weights; and errors of libm's exp, tanh … beyond 2 ulp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from invbench.bounds.lipschitz.gain import Gain
from invbench.bounds.lipschitz.parameter_box import nearest_zero
from invbench.errors import InvbenchError

__all__ = ["RULES", "Interval", "Unsupported"]

U = torch.finfo(torch.float64).eps
TINY = 1e-300


class Unsupported(InvbenchError):
    """There is no bound, because an operation has no rule; the text names it."""


class Interval:
    """All tensors between ``lo`` and ``hi``, float64, with ``gain``, a bound on their Jacobian by
    the seeded input; None for a Jacobian of 0.

    An end that is NaN becomes infinite. Raises ``ValueError`` where lo > hi.
    """

    def __init__(self, lo: Tensor, hi: Tensor, gain: Gain | None = None) -> None:
        lo, hi = lo.detach().double(), hi.detach().double()
        if (lo > hi).any():
            raise ValueError("an interval needs lo <= hi")
        self.lo, self.hi, self.gain = _known(lo, -math.inf), _known(hi, math.inf), gain

    @classmethod
    def around(cls, centre: Tensor, radius: float | Tensor, seeded: bool = False) -> Interval:
        """centre ± radius; ``seeded``: it is the input, whose Jacobian is the identity."""
        centre = centre.double()
        gain = Gain.identity(centre.shape[1]) if seeded else None
        return cls(*_wider(centre - radius, centre + radius), gain)

    @property
    def shape(self) -> torch.Size:
        return self.lo.shape

    @property
    def ndim(self) -> int:
        return self.lo.ndim

    @property
    def magnitude(self) -> Tensor:
        """Largest |v| per element."""
        return torch.maximum(self.lo.abs(), self.hi.abs())

    def contains(self, v: Tensor) -> bool:
        return bool(((self.lo <= v) & (v <= self.hi)).all())

    @property
    def norm_of_jacobian(self) -> float:
        return 0.0 if self.gain is None else self.gain.norm

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", str(func)).strip("_")
        if name not in RULES:
            raise Unsupported(f"no interval rule for {name}")
        return RULES[name](*args, **(kwargs or {}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in RULES:
            raise Unsupported(f"no interval rule for {name}")
        return lambda *args, **kwargs: RULES[name](self, *args, **kwargs)

    def __getitem__(self, index: Any) -> Interval:
        gain = self.gain
        if gain is not None and isinstance(index, tuple) and len(index) > 1:
            gain = gain[index[1]]
        return Interval(self.lo[index], self.hi[index], gain)

    def __add__(self, other: Any) -> Interval:
        return _add(self, other)

    def __mul__(self, other: Any) -> Interval:
        return _mul(self, other)

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo, self.gain)

    def __sub__(self, other: Any) -> Interval:
        return _add(self, -other)

    def __rsub__(self, other: Any) -> Interval:
        return _add(-self, other)

    __radd__, __rmul__ = __add__, __mul__


def _known(v: Tensor, otherwise: float) -> Tensor:
    return v.nan_to_num(otherwise, math.inf, -math.inf)


def _wider(lo: Tensor, hi: Tensor, error: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    return lo - (4 * U * lo.abs() + TINY + error), hi + (4 * U * hi.abs() + TINY + error)


def _as_interval(v: Any) -> Interval:
    if isinstance(v, Interval):
        return v
    tensor = torch.as_tensor(v, dtype=torch.float64)
    return Interval(tensor, tensor)


def _gains(*parts: Gain | None) -> list[Gain]:
    return [g for g in parts if g is not None]


def _add(a: Any, b: Any, *, alpha: float = 1) -> Interval:
    a, b = _as_interval(a), _as_interval(b)
    if alpha != 1:
        raise Unsupported("no interval rule for add with alpha")
    lo, hi = _wider(a.lo + b.lo, a.hi + b.hi)
    return Interval(lo, hi, Gain.total(_gains(a.gain, b.gain)))


def _mul(a: Any, b: Any) -> Interval:
    a, b = _as_interval(a), _as_interval(b)
    # 0·Inf is 0 here: a factor that is exactly 0 times an unbounded one
    corners = torch.stack(
        [(p * q).nan_to_num(0.0, math.inf, -math.inf) for p in (a.lo, a.hi) for q in (b.lo, b.hi)]
    )
    lo, hi = _wider(corners.amin(0), corners.amax(0))
    parts = [
        own.gain.scaled(other.magnitude.expand(lo.shape))
        for own, other in ((a, b), (b, a))
        if own.gain is not None
    ]
    return Interval(lo, hi, Gain.total(parts))


def _increasing(
    function: Callable[[Tensor], Tensor], slope: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Interval], Interval]:
    """The rule of an increasing function; ``slope(lo, hi)``: its largest derivative in between."""

    def rule(v: Interval, *args: Any, **kwargs: Any) -> Interval:
        gain = None if v.gain is None else v.gain.scaled(slope(v.lo, v.hi))
        return Interval(*_wider(function(v.lo), function(v.hi)), gain)

    return rule


def _leaky(v: Interval, negative_slope: float = 0.01, inplace: bool = False) -> Interval:
    def slope(lo: Tensor, hi: Tensor) -> Tensor:
        return torch.where(hi > 0, max(1.0, negative_slope), negative_slope)

    return _increasing(lambda x: F.leaky_relu(x, negative_slope), slope)(v)


def _sigmoid_slope(lo: Tensor, hi: Tensor) -> Tensor:
    at = torch.sigmoid(-nearest_zero(lo, hi))
    return at * (1 - at) * (1 + 8 * U) + TINY


def _products(
    v: Interval,
    weight: Tensor,
    bias: Tensor | None,
    apply: Callable[[Tensor, Tensor], Tensor],
    n: int,
) -> tuple[Tensor, Tensor]:
    """(lo, hi) behind a linear map W: it maps the centre, |W| the radius; n terms are rounded."""
    weight = weight.detach().double()
    radius = (v.hi - v.lo) / 2
    centre = v.lo + radius
    out, spread = apply(centre, weight), apply(radius, weight.abs())
    error = (n + 2) * U * (
        apply(centre.abs() + radius, weight.abs()) + (0 if bias is None else bias.abs())
    ) + TINY
    out = out if bias is None else out + bias
    # infinite ends give NaN: nothing is known of these products
    return _wider(
        _known(out - spread, -math.inf), _known(out + spread, math.inf), _known(error, 0.0)
    )


def _conv2d(
    v: Interval,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Interval:
    def pair(value: Any) -> tuple[Any, ...]:
        return value if isinstance(value, tuple) else (value, value)

    k, m = weight.shape[2:]
    same = pair(padding) == (k // 2, m // 2) and k % 2 == m % 2 == 1
    if groups != 1 or pair(stride) != (1, 1) or pair(dilation) != (1, 1) or not same:
        raise Unsupported(
            "no interval rule for conv2d but with stride 1 and zero padding that keeps the size"
        )
    wide_bias = None if bias is None else bias.detach().double().view(1, -1, 1, 1)
    lo, hi = _products(
        v,
        weight,
        wide_bias,
        lambda x, w: F.conv2d(x, w, padding=(k // 2, m // 2)),
        weight[0].numel(),
    )
    gain = None if v.gain is None else v.gain.through(weight.detach().double(), tuple(lo.shape[2:]))
    return Interval(lo, hi, gain)


def _linear(v: Interval, weight: Tensor, bias: Tensor | None = None) -> Interval:
    wide_bias = None if bias is None else bias.detach().double()
    lo, hi = _products(v, weight, wide_bias, lambda x, w: x @ w.T, weight.shape[1])
    return Interval(
        lo, hi, None if v.gain is None else v.gain.through(weight.detach().double(), ())
    )


def _cat(parts: Sequence[Any], dim: int = 0) -> Interval:
    if dim != 1:
        raise Unsupported("no interval rule for cat but of channels")
    intervals = [_as_interval(part) for part in parts]
    lo, hi = torch.cat([p.lo for p in intervals], 1), torch.cat([p.hi for p in intervals], 1)
    return Interval(lo, hi, Gain.stacked([(p.gain, p.shape[1]) for p in intervals]))


def _interpolate(
    v: Interval, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **options: Any
) -> Interval:
    if mode != "nearest":
        raise Unsupported(f"no interval rule for interpolate with mode {mode!r}")
    lo, hi = (
        F.interpolate(end, size=size, scale_factor=scale_factor, mode=mode) for end in (v.lo, v.hi)
    )
    copies = math.prod(
        math.ceil(new / old) for new, old in zip(lo.shape[2:], v.shape[2:], strict=True)
    )
    return Interval(
        lo, hi, None if v.gain is None else v.gain.scaled(torch.full_like(lo, math.sqrt(copies)))
    )


def _chunk(v: Interval, chunks: int, dim: int = 0) -> list[Interval]:
    if dim != 1:
        raise Unsupported("no interval rule for chunk but of channels")
    ends = torch.arange(v.shape[1]).chunk(chunks)
    return [v[:, int(e[0]) : int(e[-1]) + 1] for e in ends]


def _clamp(v: Interval, min: float | None = None, max: float | None = None) -> Interval:
    def slope(lo: Tensor, hi: Tensor) -> Tensor:
        flat = torch.zeros_like(lo, dtype=torch.bool)
        flat = flat if min is None else flat | (hi < min)
        return torch.where(flat if max is None else flat | (lo > max), 0.0, 1.0)

    return _increasing(lambda x: x.clamp(min, max), slope)(v)


RULES: dict[str, Callable[..., Any]] = {
    "add": _add,
    "radd": _add,
    "sub": lambda a, b: _add(a, -b),
    "rsub": lambda a, b: _add(-a, b),
    "mul": _mul,
    "rmul": _mul,
    "neg": lambda v: -v,
    "relu": _increasing(torch.relu, lambda lo, hi: (hi > 0).double()),
    "leaky_relu": _leaky,
    "exp": _increasing(torch.exp, lambda lo, hi: hi.exp() * (1 + 4 * U)),
    "sigmoid": _increasing(torch.sigmoid, _sigmoid_slope),
    "tanh": _increasing(
        torch.tanh,
        lambda lo, hi: (1 - torch.tanh(nearest_zero(lo, hi)) ** 2) * (1 + 8 * U) + 4 * U,
    ),
    "atan": _increasing(torch.atan, lambda lo, hi: 1 / (1 + nearest_zero(lo, hi) ** 2)),
    "clamp": _clamp,
    "conv2d": _conv2d,
    "linear": _linear,
    "cat": _cat,
    "chunk": _chunk,
    "interpolate": _interpolate,
    "contiguous": lambda v: v,
}
