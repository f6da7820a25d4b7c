"""distrax: its bijectors under ``distrax/…``. They take rows as they are. The parameters are handed
in and the bijector is built at each call, since it keeps numbers computed from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import distrax as dx
import jax.random as jr
from torch import nn

from invbench.adapters.jax_bridge import jnp
from invbench.adapters.jax_layer import adapt_jax
from invbench.registry import layer

DIM, WIDTH, BINS, BOX = 6, 16, 8, 3.0
NONE: Mapping[str, tuple[int, ...]] = {}
EVERY_SECOND = tuple(i % 2 == 0 for i in range(DIM))
MASKED = {"untouched": (0, 2, 4), "order": (0, 2, 4, 1, 3, 5)}
SHAPES = {"shift": (DIM,), "log_scale": (DIM,)}
SPLINE = 3 * BINS + 1


def _bijector(
    name: str,
    doc: str,
    build: Callable[[dict[str, Any]], Any],
    shapes: Mapping[str, tuple[int, ...]] = NONE,
    **declared: Any,
) -> None:
    """Register ``build(params)``, with normal params of these shapes, matrices divided by √width;
    for events of six numbers."""

    def factory(seed: int) -> nn.Module:
        params = {
            key: jr.normal(jr.key(seed + i), shape) / (shape[0] ** 0.5 if len(shape) > 1 else 1)
            for i, (key, shape) in enumerate(shapes.items())
        }
        return adapt_jax(build, params=params)

    factory.__doc__ = doc
    layer(f"distrax/{name}", **{"event_shape": (DIM,), **declared})(factory)


def _affine(p: dict[str, Any]) -> Any:
    return dx.ScalarAffine(shift=p["shift"], log_scale=p["log_scale"])


def _dominant(matrix: Any) -> Any:
    """A matrix that is no more than 6 times as large in one direction as in another."""
    return jnp.eye(DIM, dtype=matrix.dtype) + 0.4 * jnp.tanh(matrix) / DIM**0.5


def _network(p: dict[str, Any], each: int) -> Callable[[Any], Any]:
    """Of the masked or kept elements, with ``each`` parameters for every element."""

    def conditioner(x: Any) -> Any:
        out = jnp.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        return out.reshape(*out.shape[:-1], out.shape[-1] // each, each)

    return conditioner


def _net_shapes(n_in: int, n_out: int) -> dict[str, tuple[int, ...]]:
    return {"w1": (n_in, WIDTH), "b1": (WIDTH,), "w2": (WIDTH, n_out), "b2": (n_out,)}


def _affine_of(p: Any) -> Any:
    return dx.ScalarAffine(shift=p[..., 0], log_scale=jnp.tanh(p[..., 1]))


def _spline_of(p: Any) -> Any:
    return dx.RationalQuadraticSpline(p, -BOX, BOX, boundary_slopes="identity")


_bijector("scalar-affine", "ScalarAffine", _affine, SHAPES)
_bijector("shift", "Shift", lambda p: dx.Shift(p["shift"]), {"shift": (DIM,)})
_bijector("tanh", "Tanh", lambda p: dx.Tanh(), codomain="interval(-1, 1)")
_bijector("sigmoid", "Sigmoid", lambda p: dx.Sigmoid(), codomain="unit_interval")
_bijector("gumbel-cdf", "GumbelCDF", lambda p: dx.GumbelCDF(), codomain="unit_interval")
_bijector(
    "lambda",
    "Lambda of jnp.sinh",
    lambda p: dx.Lambda(
        forward=jnp.sinh,
        inverse=jnp.arcsinh,
        forward_log_det_jacobian=lambda x: jnp.logaddexp(x, -x) - jnp.log(2.0),
        event_ndims_in=0,
        is_constant_jacobian=False,
    ),
)
_bijector(
    "chain",
    "Chain: sigmoid after affine",
    lambda p: dx.Chain([dx.Sigmoid(), _affine(p)]),
    SHAPES,
    codomain="unit_interval",
)
_bijector("block", "Block of an affine", lambda p: dx.Block(_affine(p), 1), SHAPES)
_bijector("inverse", "Inverse of an affine", lambda p: dx.Inverse(_affine(p)), SHAPES)
_bijector(
    "diag-linear", "DiagLinear", lambda p: dx.DiagLinear(jnp.exp(p["diag"])), {"diag": (DIM,)}
)
_bijector(
    "diag-plus-low-rank",
    "DiagPlusLowRankLinear, rank 2, positive definite",
    lambda p: dx.DiagPlusLowRankLinear(jnp.exp(p["diag"]), p["u"], p["u"]),
    {"diag": (DIM,), "u": (DIM, 2)},
)
_bijector(
    "triangular-linear",
    "TriangularLinear",
    lambda p: dx.TriangularLinear(_dominant(p["matrix"])),
    {"matrix": (DIM, DIM)},
    order=tuple(range(DIM)),
)
_bijector(
    "lower-upper",
    "LowerUpperTriangularAffine",
    lambda p: dx.LowerUpperTriangularAffine(_dominant(p["matrix"]), p["bias"]),
    {"matrix": (DIM, DIM), "bias": (DIM,)},
)
_bijector(
    "unconstrained-affine",
    "UnconstrainedAffine",
    lambda p: dx.UnconstrainedAffine(_dominant(p["matrix"]), p["bias"]),
    {"matrix": (DIM, DIM), "bias": (DIM,)},
)
_bijector(
    "rq",
    "RationalQuadraticSpline, box ±3, slopes 1 at its ends",
    lambda p: _spline_of(p["params"]),
    {"params": (DIM, SPLINE)},
)
_bijector(
    "rq-free-slopes",
    "RationalQuadraticSpline, box ±3, free slopes at its ends",
    lambda p: dx.RationalQuadraticSpline(p["params"], -BOX, BOX),
    {"params": (DIM, SPLINE)},
)
_bijector(
    "masked-affine-coupling",
    "MaskedCoupling of ScalarAffine",
    lambda p: dx.MaskedCoupling(jnp.asarray(EVERY_SECOND), _network(p, 2), _affine_of),
    _net_shapes(DIM, 2 * DIM),
    **MASKED,
)
_bijector(
    "masked-rq-coupling",
    "MaskedCoupling of RationalQuadraticSpline, box ±3",
    lambda p: dx.MaskedCoupling(jnp.asarray(EVERY_SECOND), _network(p, SPLINE), _spline_of),
    _net_shapes(DIM, SPLINE * DIM),
    **MASKED,
)
_bijector(
    "split-affine-coupling",
    "SplitCoupling of ScalarAffine",
    lambda p: dx.SplitCoupling(3, 1, _network(p, 2), _affine_of),
    _net_shapes(3, 2 * 3),
    untouched=(0, 1, 2),
    order=tuple(range(DIM)),
)
