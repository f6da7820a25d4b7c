"""distreqx: its bijectors under ``distreqx/…``. Each acts on one event and is mapped over rows. The
parameters are handed in and the bijector is built at each call, since it keeps numbers computed
from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import distreqx.bijectors as dq
import jax.random as jr
from torch import nn

from invbench.adapters.jax_bridge import jnp
from invbench.adapters.jax_layer import adapt_jax
from invbench.registry import layer

DIM = 6
NONE: Mapping[str, tuple[int, ...]] = {}
SHAPES = {"shift": (DIM,), "log_scale": (DIM,)}


def _bijector(
    name: str,
    doc: str,
    build: Callable[[dict[str, Any]], Any],
    shapes: Mapping[str, tuple[int, ...]] = NONE,
    **declared: Any,
) -> None:
    """Register ``build(params)``, with normal params of these shapes, for events of six numbers."""

    def factory(seed: int) -> nn.Module:
        params = {
            key: jr.normal(jr.key(seed + i), shape) for i, (key, shape) in enumerate(shapes.items())
        }
        return adapt_jax(build, params=params)

    factory.__doc__ = doc
    layer(f"distreqx/{name}", **{"event_shape": (DIM,), **declared})(factory)


def _affine(p: dict[str, Any]) -> Any:
    return dq.Block(dq.ScalarAffine(p["shift"], log_scale=p["log_scale"]), 1)


def _dominant(matrix: Any) -> Any:
    return jnp.eye(DIM, dtype=matrix.dtype) + 0.4 * jnp.tanh(matrix) / DIM**0.5


_bijector(
    "scalar-affine",
    "ScalarAffine",
    lambda p: dq.ScalarAffine(p["shift"], log_scale=p["log_scale"]),
    SHAPES,
)
_bijector("shift", "Shift", lambda p: dq.Shift(p["shift"]), {"shift": (DIM,)})
_bijector("tanh", "Tanh", lambda p: dq.Tanh(), codomain="interval(-1, 1)")
_bijector("sigmoid", "Sigmoid", lambda p: dq.Sigmoid(), codomain="unit_interval")
_bijector("block", "Block of an affine", _affine, SHAPES)
_bijector(
    "chain",
    "Chain: sigmoid after affine",
    lambda p: dq.Chain([dq.Block(dq.Sigmoid(), 1), _affine(p)]),
    SHAPES,
    codomain="unit_interval",
)
_bijector(
    "diag-linear", "DiagLinear", lambda p: dq.DiagLinear(jnp.exp(p["diag"])), {"diag": (DIM,)}
)
_bijector(
    "triangular-linear",
    "TriangularLinear",
    lambda p: dq.TriangularLinear(_dominant(p["matrix"])),
    {"matrix": (DIM, DIM)},
    order=tuple(range(DIM)),
)
_bijector(
    "unconstrained-affine",
    "UnconstrainedAffine",
    lambda p: dq.UnconstrainedAffine(_dominant(p["matrix"]), p["bias"]),
    {"matrix": (DIM, DIM), "bias": (DIM,)},
)
