"""flowjax's bijections keep the laws of invertible layers, under jit and vmap too."""

import flowjax.bijections as fj
import jax.random as jr

from invbench import adapt_jax
from invbench.testing import Layer, parametrize_with_properties

key = jr.key(0)
NET = {"dim": 4, "nn_width": 8, "nn_depth": 1}
SPLINE = fj.RationalQuadraticSpline(knots=8, interval=3)
REAL = [fj.LeakyTanh(3, (4,)), fj.Planar(key, dim=4, negative_slope=0.1)]
REAL += [fj.Coupling(key, transformer=fj.Affine(), untransformed_dim=2, **NET)]
REAL += [fj.MaskedAutoregressive(key, transformer=SPLINE, **NET)]
ONTO = {fj.SoftPlus: "positive", fj.Sigmoid: "unit_interval"}
LAYERS = [Layer(adapt_jax(b), name=type(b).__name__) for b in REAL]
LAYERS += [Layer(adapt_jax(b((4,))), name=b.__name__, codomain=c) for b, c in ONTO.items()]


@parametrize_with_properties([layer.otherwise({"event_shape": (4,)}, {}) for layer in LAYERS])
def test_invertible(subject, law):
    law(subject)
