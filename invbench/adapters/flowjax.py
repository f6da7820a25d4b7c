"""flowjax: its bijections under ``flowjax/…``. Forward is ``transform``; in its flows that maps
noise to data. Each acts on one event and is mapped over rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox
import flowjax.bijections as fj
import jax.random as jr
from flowjax.root_finding import bisect_check_expand_search, root_finder_to_inverter
from jax.tree_util import Partial
from torch import nn

from invbench.adapters.jax_bridge import jnp
from invbench.adapters.jax_layer import adapt_jax
from invbench.registry import layer

DIM, COND, KNOTS, BOX = 6, 3, 8, 3.0
NET = {"dim": DIM, "cond_dim": COND, "nn_width": 16, "nn_depth": 1}
HALF = {"untouched": (0, 1, 2), "order": tuple(range(DIM)), "cond_shape": (COND,)}
MASKED = {"order": tuple(range(DIM)), "cond_shape": (COND,)}


def _bijection(name: str, doc: str, make: Callable[[Any], Any], **declared: Any) -> None:
    """Register what ``make(key)`` builds, for events of six numbers."""

    def factory(seed: int) -> nn.Module:
        return adapt_jax(make(jr.key(seed)))

    factory.__doc__ = doc
    layer(f"flowjax/{name}", **{"event_shape": (DIM,), **declared})(factory)


def _normal(key: Any, *shape: int) -> Any:
    return jr.normal(key, shape)


def _positive(key: Any) -> Any:
    return jnp.exp(_normal(key, DIM))


def _spline() -> Any:
    return fj.RationalQuadraticSpline(knots=KNOTS, interval=BOX)


def _block(key: Any) -> Any:
    return fj.BlockAutoregressiveNetwork(key, dim=DIM, depth=1, block_dim=4)


def _stacked(key: Any, make: Callable[[Any], Any]) -> Any:
    """Three bijections of one kind with their arrays stacked, as Scan and Vmap take them."""
    return equinox.filter_vmap(make)(jr.split(key, 3))


_bijection("affine", "Affine", lambda k: fj.Affine(_normal(k, DIM), _positive(k)))
_bijection("loc", "Loc", lambda k: fj.Loc(_normal(k, DIM)))
_bijection("scale", "Scale", lambda k: fj.Scale(_positive(k)))
_bijection(
    "triangular-affine",
    "TriangularAffine",
    lambda k: fj.TriangularAffine(
        _normal(k, DIM), _normal(k, DIM, DIM) + jnp.diag(2 + _positive(k))
    ),
    order=tuple(range(DIM)),
)
_bijection("exp", "Exp", lambda k: fj.Exp((DIM,)), codomain="positive")
_bijection("sigmoid", "Sigmoid", lambda k: fj.Sigmoid((DIM,)), codomain="unit_interval")
_bijection("softplus", "SoftPlus", lambda k: fj.SoftPlus((DIM,)), codomain="positive")
_bijection("tanh", "Tanh", lambda k: fj.Tanh((DIM,)), codomain="interval(-1, 1)")
_bijection("leaky-tanh", "LeakyTanh(3)", lambda k: fj.LeakyTanh(3, (DIM,)))
_bijection(
    "power",
    "Power(1.7)",
    lambda k: fj.Power(1.7, (DIM,)),
    domain="positive",
    codomain="positive",
)
_bijection("householder", "Householder", lambda k: fj.Householder(_normal(k, DIM)))
_bijection("cosine", "DiscreteCosine", lambda k: fj.DiscreteCosine((DIM,)))
_bijection("flip", "Flip", lambda k: fj.Flip((DIM,)))
_bijection("permute", "Permute", lambda k: fj.Permute(jr.permutation(k, DIM)))
_bijection("planar-leaky", "Planar, slope 0.1", lambda k: fj.Planar(k, dim=DIM, negative_slope=0.1))
_bijection("planar", "Planar, tanh", lambda k: fj.Planar(k, dim=DIM), inverse="none")
_bijection(
    "planar-conditional",
    "Planar, slope 0.1, conditional",
    lambda k: fj.Planar(k, dim=DIM, cond_dim=COND, negative_slope=0.1, width_size=16, depth=1),
    cond_shape=(COND,),
)
_bijection(
    "additive-condition",
    "AdditiveCondition of a linear map",
    lambda k: fj.AdditiveCondition(Partial(jnp.matmul, _normal(k, DIM, COND)), (DIM,), (COND,)),
    cond_shape=(COND,),
)
_bijection(
    "rq",
    "RationalQuadraticSpline of one number, box ±3",
    lambda k: fj.Reshape(_spline(), (1,)),
    event_shape=(1,),
)
_bijection(
    "affine-coupling",
    "Coupling of Affine",
    lambda k: fj.Coupling(k, transformer=fj.Affine(), untransformed_dim=3, **NET),
    **HALF,
)
_bijection(
    "rq-coupling",
    "Coupling of a rational-quadratic spline, box ±3",
    lambda k: fj.Coupling(k, transformer=_spline(), untransformed_dim=3, **NET),
    **HALF,
)
_bijection(
    "affine-autoregressive",
    "MaskedAutoregressive of Affine",
    lambda k: fj.MaskedAutoregressive(k, transformer=fj.Affine(), **NET),
    **MASKED,
)
_bijection(
    "rq-autoregressive",
    "MaskedAutoregressive of a rational-quadratic spline, box ±3",
    lambda k: fj.MaskedAutoregressive(k, transformer=_spline(), **NET),
    **MASKED,
)
_bijection(
    "block-autoregressive",
    "BlockAutoregressiveNetwork",
    _block,
    inverse="none",
    order=tuple(range(DIM)),
)
_bijection(
    "numerical-inverse",
    "NumericalInverse of a BlockAutoregressiveNetwork: bisection, from ±5, to 1e-7",
    lambda k: fj.NumericalInverse(
        _block(k),
        root_finder_to_inverter(
            partial(bisect_check_expand_search, midpoint=jnp.zeros(DIM), width=5)
        ),
    ),
    order=tuple(range(DIM)),
    inverse="iterated",
    tolerance=1e-5,
    data_range=(-10, 10),
)
_bijection(
    "chain",
    "Chain: affine, permutation, sigmoid",
    lambda k: fj.Chain(
        [
            fj.Affine(_normal(k, DIM), _positive(k)),
            fj.Permute(jr.permutation(k, DIM)),
            fj.Sigmoid((DIM,)),
        ]
    ),
    codomain="unit_interval",
)
_bijection(
    "concatenate",
    "Concatenate: exp, softplus",
    lambda k: fj.Concatenate([fj.Exp((2,)), fj.SoftPlus((4,))]),
    codomain="positive",
)
_bijection(
    "stack",
    "Stack: exp, softplus",
    lambda k: fj.Stack([fj.Exp((3,)), fj.SoftPlus((3,))]),
    event_shape=(2, 3),
    codomain="positive",
)
_bijection("invert", "Invert of an affine", lambda k: fj.Invert(fj.Affine(0, _positive(k))))
_bijection(
    "indexed",
    "Indexed: an affine of the last three",
    lambda k: fj.Indexed(fj.Affine(_normal(k, 3), 2 * jnp.ones(3)), slice(3, 6), (DIM,)),
    untouched=(0, 1, 2),
)
_bijection(
    "reshape",
    "Reshape of an affine",
    lambda k: fj.Reshape(fj.Affine(0, _positive(k)), (2, 3)),
    event_shape=(2, 3),
)
_bijection(
    "sandwich",
    "Sandwich: a scale between an exp and its inverse, a shift of the logarithm",
    lambda k: fj.Sandwich(fj.Scale(_positive(k)), fj.Exp((DIM,))),
)
_bijection(
    "scan",
    "Scan of three affine couplings",
    lambda k: fj.Scan(
        _stacked(
            k, lambda key: fj.Coupling(key, transformer=fj.Affine(), untransformed_dim=3, **NET)
        )
    ),
    cond_shape=(COND,),
)
_bijection(
    "vmap",
    "Vmap of three affines",
    lambda k: fj.Vmap(
        _stacked(k, lambda key: fj.Affine(_normal(key, 2), jnp.exp(_normal(key, 2)))),
        in_axes=equinox.if_array(0),
    ),
    event_shape=(3, 2),
)
