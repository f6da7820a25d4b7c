"""bijx: its bijections under ``bijx/…``. They take rows as they are, and a log-density that falls
by the log_det."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bijx as bx
import jax.random as jr
from flax import nnx
from torch import nn

from invbench.adapters.jax_bridge import jnp
from invbench.adapters.jax_layer import adapt_jax
from invbench.registry import layer

DIM, KNOTS = 6, 8


def _bijection(name: str, doc: str, make: Callable[[nnx.Rngs], Any], **declared: Any) -> None:
    """Register what ``make(rngs)`` builds, for events of six numbers."""

    def factory(seed: int) -> nn.Module:
        return adapt_jax(make(nnx.Rngs(seed)))

    factory.__doc__ = doc
    layer(f"bijx/{name}", **{"event_shape": (DIM,), **declared})(factory)


def _normal(rngs: nnx.Rngs, *shape: int) -> Any:
    return nnx.Param(jr.normal(rngs.params(), shape or (DIM,)))


def _spline(rngs: nnx.Rngs) -> Any:
    return bx.MonotoneRQSpline(KNOTS, (), rngs=rngs)


def _coupling(rngs: nnx.Rngs, scalar: Callable[[nnx.Rngs], Any]) -> Any:
    """Two coupling layers, by bijx's own architecture."""
    return bx.coupling_flow(DIM, scalar, n_coupling_layers=2, width=16, depth=1, rngs=rngs)


UNIT, POSITIVE = "unit_interval", "positive"
_bijection("affine", "AffineLinear", lambda r: bx.AffineLinear(_normal(r), _normal(r)))
_bijection("shift", "Shift", lambda r: bx.Shift(_normal(r)))
_bijection("scaling", "Scaling", lambda r: bx.Scaling(nnx.Param(jnp.exp(_normal(r)[...]))))
_bijection(
    "gaussian-cdf", "GaussianCDF", lambda r: bx.GaussianCDF(_normal(r), _normal(r)), codomain=UNIT
)
_bijection("tan", "Tan", lambda r: bx.Tan(), domain=UNIT)
_bijection("sigmoid", "Sigmoid", lambda r: bx.Sigmoid(), codomain=UNIT)
_bijection("tanh", "Tanh", lambda r: bx.Tanh(), codomain="interval(-1, 1)")
_bijection("exponential", "Exponential", lambda r: bx.Exponential(), codomain=POSITIVE)
_bijection("softplus", "SoftPlus", lambda r: bx.SoftPlus(), codomain=POSITIVE)
_bijection(
    "power",
    "Power",
    lambda r: bx.Power(bx.Const(jnp.asarray(1.7))),
    domain=POSITIVE,
    codomain=POSITIVE,
)
_bijection("sinh", "Sinh", lambda r: bx.Sinh())
_bijection(
    "beta-stretch", "BetaStretch", lambda r: bx.BetaStretch(rngs=r), domain=UNIT, codomain=UNIT
)
_bijection(
    "cubic-rational",
    "CubicRational",
    lambda r: bx.CubicRational(_normal(r), _normal(r), _normal(r)),
)
_bijection(
    "sinh-conjugation",
    "SinhConjugation",
    lambda r: bx.SinhConjugation(*(_normal(r) for _ in range(5))),
)
_bijection(
    "cubic-conjugation",
    "CubicConjugation",
    lambda r: bx.CubicConjugation(*(_normal(r) for _ in range(4))),
)
_bijection(
    "rq",
    "MonotoneRQSpline",
    lambda r: bx.MonotoneRQSpline(KNOTS, (DIM,), rngs=r),
    domain=UNIT,
    codomain=UNIT,
)
_bijection(
    "chain",
    "Chain: affine, sigmoid",
    lambda r: bx.Chain(bx.AffineLinear(_normal(r), _normal(r)), bx.Sigmoid()),
    codomain=UNIT,
)
_bijection(
    "inverse", "Inverse of an affine", lambda r: bx.AffineLinear(_normal(r), _normal(r)).invert()
)
_bijection(
    "affine-coupling",
    "coupling_flow of AffineLinear, two layers",
    lambda r: _coupling(r, lambda rngs: bx.AffineLinear(rngs=rngs)),
)
_bijection(
    "rq-coupling", "coupling_flow of MonotoneRQSpline, two layers", lambda r: _coupling(r, _spline)
)
