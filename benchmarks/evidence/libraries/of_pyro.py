"""pyro: its splines and modules. ``python of_pyro.py`` lists the cases."""

from __future__ import annotations

import copy
from typing import Any

import mpmath as mp
import pyro.distributions.transforms as transforms
import torch
from common import Shown, case, inverted, number, raised, run
from exact import LinearRational, RationalQuadratic, knots, softmax, softplus
from spline_cases import assertion

BOX = 3.0
BISECTION = "bisection of the forward formula in 60 digits, and the library's own forward of both"


def spline(w: list[float], h: list[float], d: list[float], part: list[float] | None = None) -> Any:
    """transforms.Spline(1) with these weights: its two directions, and the same spline in 60
    digits."""
    layer = transforms.Spline(1, len(w), bound=BOX, order="linear" if part else "quadratic")
    with torch.no_grad():
        layer.unnormalized_widths.copy_(torch.tensor([w]))
        layer.unnormalized_heights.copy_(torch.tensor([h]))
        layer.unnormalized_derivatives.copy_(torch.tensor([d]))
        if part:
            layer.unnormalized_lambdas.copy_(torch.tensor([part]))
    least, n = mp.mpf(1e-3), len(w)
    wide, tall = ([least + (1 - least * n) * s for s in softmax(u)] for u in (w, h))
    slopes = [1 - least, *(least + softplus(v) for v in d), 1 - least]
    edges = knots(wide, -BOX, BOX), knots(tall, -BOX, BOX)
    if part:
        narrow = mp.mpf(0.025)
        cuts = [narrow + (1 - 2 * narrow) / (1 + mp.exp(-mp.mpf(v))) for v in part]
        exact: Any = LinearRational(*edges, slopes, cuts)
    else:
        exact = RationalQuadratic(*edges, slopes)

    def function(v: float, inverse: bool) -> torch.Tensor:
        at = torch.tensor([v])
        with torch.no_grad():
            return layer._inverse(at) if inverse else layer._call(at)

    return function, exact


def linear_case(y: float, w: Any, h: Any, d: Any, part: Any, wrong: float) -> Shown:
    function, exact = spline(w, h, d, part)
    return inverted(function(y, True), exact.inverse(y), y, lambda v: function(v, False), wrong)


@case(
    "pyro",
    "rq-assertion",
    distribution="pyro-ppl",
    layer='Spline(order="quadratic"), inverse',
    what="The discriminant rounds to a negative number and `assert (discriminant >= 0).all()` "
    "stops the whole "
    "batch; the exact one is positive.",
    inputs=(
        "y = 6.442574544962554e-07, widths [1, 9.5], heights [-2.25, -2.25], derivatives "
        "[-5.5], bound 3, float32"
    ),
    second=BISECTION,
    severity="edge",
)
def rq_assertion() -> Shown:
    y = 6.442574544962554e-07
    function, exact = spline([1.0, 9.5], [-2.25, -2.25], [-5.5])
    return assertion(function, y, exact.inverse(y))


@case(
    "pyro",
    "linear-rational-digits",
    distribution="pyro-ppl",
    layer='Spline(order="linear"), inverse',
    what="Values at the knots, which may lie far from the point, are multiplied and "
    "subtracted: off by 7e-5 at a "
    "slope of 0.5.",
    inputs="y = -2.9652254581451416, widths [0.25, -0.75], heights [-2.75, 2.5], derivatives "
    "[0], lambdas "
    "[0, -1.75], bound 3, float32",
    second=BISECTION,
    severity="ordinary inputs",
    kind="limit",
)
def linear_digits() -> Shown:
    return linear_case(-2.9652254581451416, [0.25, -0.75], [-2.75, 2.5], [0.0], [0.0, -1.75], 3e-5)


@case(
    "pyro",
    "linear-rational-inverse",
    distribution="pyro-ppl",
    layer='Spline(order="linear"), inverse',
    what="The same with larger weights: off by 5e-3 at a slope of 0.5, outside the box.",
    inputs="y = 2.999868154525757, widths [-1.75, 3.75], heights [-0.25, -10], derivatives "
    "[0.5], lambdas [10, 3], "
    "bound 3, float32",
    second=BISECTION,
    severity="edge",
)
def linear_inverse() -> Shown:
    return linear_case(2.999868154525757, [-1.75, 3.75], [-0.25, -10.0], [0.5], [10.0, 3.0], 1e-3)


@case(
    "pyro",
    "linear-rational-infinite",
    distribution="pyro-ppl",
    layer='Spline(order="linear"), inverse',
    what="The denominator cancels to 0: a latent inside the box decodes to minus infinity. "
    "(The map is nearly flat "
    "there, so that x is known to one digit only, but it lies in the box.)",
    inputs="y = -2.9998950958251953, widths [0.25, -1.25], heights [-2.75, 6], derivatives "
    "[2.75], lambdas "
    "[-10, 5.75], bound 3, float32",
    second=BISECTION,
    severity="edge",
)
def linear_infinite() -> Shown:
    y, weights = -2.9998950958251953, ([0.25, -1.25], [-2.75, 6.0], [2.75], [-10.0, 5.75])
    return linear_case(y, *weights, 1.0)


@case(
    "pyro",
    "spline-boundary",
    distribution="pyro-ppl",
    layer="Spline, SplineCoupling, SplineAutoregressive, ConditionalSpline",
    what="The slope at the ends of the box is 0.999, while the comment in the code says that "
    "it is 1 as outside: "
    "the least derivative, 1e-3, is subtracted from the end but not added to it. The "
    "density jumps by 0.1 %.",
    inputs=(
        "x = -3 (the end of the box), widths and heights [0]*2, derivatives [0.5], bound 3, float32"
    ),
    second=(
        "by hand: outside the box the map is the identity, log|slope| 0; the end is padded "
        "with 1 - 1e-3"
    ),
    severity="ordinary inputs",
)
def spline_boundary() -> Shown:
    layer = transforms.Spline(1, 2, bound=BOX, order="quadratic")
    with torch.no_grad():
        layer.unnormalized_widths.zero_()
        layer.unnormalized_heights.zero_()
        layer.unnormalized_derivatives.fill_(0.5)
    x = torch.tensor([-BOX])
    got = layer.log_abs_det_jacobian(x, layer(x))
    beyond = torch.tensor([-BOX - 1e-5])
    outside = layer.log_abs_det_jacobian(beyond, layer(beyond))
    right = f"log|slope| = 0; outside {number(outside)}"
    return Shown(
        f"log|slope| = {number(got, 6)}", right, abs(got.item()) > 1e-4 and outside.item() == 0
    )


@case(
    "pyro",
    "deepcopy",
    distribution="pyro-ppl",
    layer=(
        "Spline, SplineCoupling, AffineCoupling, AffineAutoregressive (each TransformModule "
        "with a cache)"
    ),
    what="Once it has been called the module cannot be deep-copied: the last input, output and "
    "log_det, which "
    "carry gradients, are kept in it.",
    inputs="layer = Spline(4); layer(torch.zeros(2, 4)); copy.deepcopy(layer)",
    second="by hand: before the call the same copy works, as it does for any other torch module",
    severity="ordinary inputs",
)
def deep_copy() -> Shown:
    layer = transforms.Spline(4)
    before = raised(lambda: copy.deepcopy(layer))
    layer(torch.zeros(2, 4))
    got = raised(lambda: copy.deepcopy(layer))
    return Shown(got or "a copy", "a copy", bool(got) and not before)


@case(
    "pyro",
    "linear-rational-bfloat16",
    distribution="pyro-ppl",
    layer='Spline(order="linear")',
    what="A bfloat16 layer raises on bfloat16 data inside the box: masks are made by .float(), "
    "and the float32 that "
    "results does not go into the bfloat16 output.",
    inputs='Spline(1, order="linear").bfloat16(), x = 0.5 in bfloat16',
    second="by hand: the same layer and data in float64 give float64",
    severity="ordinary inputs",
)
def linear_bfloat16() -> Shown:
    layer = transforms.Spline(1, 4, bound=BOX, order="linear").bfloat16()
    x = torch.tensor([0.5])
    got = raised(lambda: layer._call(x.bfloat16()))
    dtype = None if got else layer._call(x.bfloat16()).dtype
    other = layer.double()._call(x.double()).dtype
    return Shown(
        got or str(dtype), "torch.bfloat16", other == torch.float64 and dtype != torch.bfloat16
    )


@case(
    "pyro",
    "autoregressive-inverse-float64",
    distribution="pyro-ppl",
    layer="AffineAutoregressive, inverse (log_prob)",
    what="The inverse of a float64 layer raises: it starts from zeros of the default dtype.",
    inputs="affine_autoregressive(4).double().inv(torch.zeros(2, 4, dtype=torch.float64))",
    second="by hand: the same layer's forward in float64, and its inverse in float32, return",
    severity="ordinary inputs",
)
def autoregressive_double() -> Shown:
    layer = transforms.affine_autoregressive(4, hidden_dims=[8])
    single = raised(lambda: layer._inverse(torch.zeros(2, 4)))
    layer, x = layer.double(), torch.zeros(2, 4, dtype=torch.float64)
    got, forward = raised(lambda: layer._inverse(x)), raised(lambda: layer._call(x))
    return Shown(got or "returns", "returns", bool(got) and not forward and not single)


@case(
    "pyro",
    "coupling-empty-batch",
    distribution="pyro-ppl",
    layer="AffineCoupling",
    what="A batch of zero rows raises, while AffineAutoregressive returns zero rows.",
    inputs="affine_coupling(4)(torch.zeros(0, 4))",
    second="by hand: zero rows are mapped to zero rows; AffineAutoregressive does",
    severity="edge",
)
def empty_batch() -> Shown:
    got = raised(lambda: transforms.affine_coupling(4, hidden_dims=[8])(torch.zeros(0, 4)))
    other = transforms.affine_autoregressive(4, hidden_dims=[8])(torch.zeros(0, 4))
    return Shown(got or "returns", "shape (0, 4)", bool(got) and other.shape == (0, 4))


if __name__ == "__main__":
    run()
