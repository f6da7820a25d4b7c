"""zuko: its univariate transforms. ``python of_zuko.py`` lists the cases."""

from __future__ import annotations

import mpmath as mp
import torch
from common import Shown, case, inverted, number, raised, run
from exact import RationalQuadratic, knots, softmax
from zuko import flows, transforms

BISECTION = "bisection of the forward formula in 60 digits, and the library's own forward of both"


def spline(w: list[float], h: list[float], d: list[float], bound: float) -> RationalQuadratic:
    """MonotonicRQSTransform's recipe: weights softly clipped, derivatives by exp, slope 1 at the
    ends."""
    least = mp.log(mp.mpf(1e-3))

    def clip(values: list[float], factor: int) -> list[mp.mpf]:
        return [mp.mpf(v) / (1 + abs(factor * mp.mpf(v) / least)) for v in values]

    wide, tall = (softmax(clip(part, 2)) for part in (w, h))
    slopes = [mp.mpf(1), *(mp.exp(v) for v in clip(d, 1)), mp.mpf(1)]
    return RationalQuadratic(knots(wide, -bound, bound), knots(tall, -bound, bound), slopes)


def spline_case(y: float, w: list[float], h: list[float], d: list[float], wrong: float) -> Shown:
    layer = transforms.MonotonicRQSTransform(*(torch.tensor([p]) for p in (w, h, d)), bound=3.0)
    right = spline(w, h, d, 3.0).inverse(y)
    got = layer.inv(torch.tensor([y]))
    return inverted(got, right, y, lambda v: layer(torch.tensor([v])), wrong)


@case(
    "zuko",
    "rq-nan",
    layer="MonotonicRQSTransform, inverse",
    what="The discriminant rounds to a negative number and the inverse is NaN, without an "
    "error; the exact "
    "discriminant is positive.",
    inputs=(
        "y = 2.3068177700042725, widths [-7, 0, -8], heights [15, -16, 1], derivatives [17, "
        "-3], bound 3, float32"
    ),
    second=BISECTION,
    severity="edge",
)
def rq_nan() -> Shown:
    return spline_case(2.3068177700042725, [-7.0, 0.0, -8.0], [15.0, -16.0, 1.0], [17.0, -3.0], 0.1)


@case(
    "zuko",
    "rq-digits",
    layer="MonotonicRQSTransform, inverse",
    what=(
        "The closed-form root, as published, loses digits in the discriminant: off by 1.4e-4 "
        "at a slope of 0.77."
    ),
    inputs=(
        "y = -2.9718170166015625, widths [5.25, -1.5], heights [-7, 3.25], derivatives "
        "[4.75], bound 3, float32"
    ),
    second=BISECTION,
    severity="edge",
    kind="limit",
)
def rq_digits() -> Shown:
    return spline_case(-2.9718170166015625, [5.25, -1.5], [-7.0, 3.25], [4.75], 5e-5)


@case(
    "zuko",
    "bernstein-tails",
    layer="BoundedBernsteinTransform",
    what="Outside the bounds it is the identity plus 1e-5, not the identity as documented: the "
    "extension starts at "
    "eps with the value that belongs to 0, so that f jumps by 1e-5 there (2 bound eps).",
    inputs="x = 6, theta = zeros(8), bound 5, float64",
    second="by hand: the docstring's identity outside the bounds gives 6; -6 gives -6.00001",
    severity="edge",
)
def bernstein_tails() -> Shown:
    layer = transforms.BoundedBernsteinTransform(torch.zeros(8, dtype=torch.float64))
    high, low = (layer(torch.tensor(v, dtype=torch.float64)).item() for v in (6.0, -6.0))
    return Shown(f"f(6) = {number(high)}, f(-6) = {number(low)}", "6, -6", abs(high - 6) > 1e-9)


@case(
    "zuko",
    "empty-batch",
    layer="NSF, MAF and every flow with reinterpreted dimensions",
    what=(
        "log_prob of zero rows raises; the cause is torch.distributions.utils._sum_rightmost "
        "(torch, sum-rightmost)."
    ),
    inputs="MAF(3).log_prob(torch.zeros(0, 3))",
    second="by hand: zero log-densities",
    severity="edge",
    kind="limit",
)
def empty_batch() -> Shown:
    got = raised(lambda: flows.MAF(3, hidden_features=(8,))().log_prob(torch.zeros(0, 3)))
    return Shown(got or "returns", "shape (0,)", bool(got))


@case(
    "zuko",
    "inference-mode",
    layer="MonotonicTransform: BernsteinTransform, BoundedBernsteinTransform, GaussianizationTransform, BPF",
    what="The log-determinant is taken by autograd, which torch.inference_mode forbids: it raises "
    "there, while it works under torch.no_grad.",
    inputs="BernsteinTransform(torch.zeros(8)).call_and_ladj(torch.zeros(1)) in torch.inference_mode()",
    second="by hand: the same call in torch.no_grad() returns; MonotonicRQSTransform returns in both",
    severity="ordinary inputs",
    kind="limit",
)
def inference_mode() -> Shown:
    layer, x = transforms.BernsteinTransform(torch.zeros(8)), torch.zeros(1)
    spline = transforms.MonotonicRQSTransform(torch.zeros(4), torch.zeros(4), torch.zeros(3))
    with torch.no_grad():
        right = layer.call_and_ladj(x)[1].item()
    with torch.inference_mode():
        got = raised(lambda: layer.call_and_ladj(x))
        other = raised(lambda: spline.call_and_ladj(x))
    return Shown(got or "returns", f"ladj = {number(right)}", bool(got) and not other)


if __name__ == "__main__":
    run()
