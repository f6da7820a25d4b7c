"""torch: torch.distributions. ``python of_torch.py`` lists the cases."""

from __future__ import annotations

import mpmath as mp
import torch
from common import Shown, case, number, raised, run
from torch import distributions


@case(
    "torch",
    "sum-rightmost",
    layer="Independent, IndependentTransform, TransformedDistribution",
    what="log_prob and log_abs_det_jacobian of zero rows raise: _sum_rightmost reshapes to (0, "
    "-1). zuko's flows "
    "inherit it.",
    inputs="Independent(Normal(zeros(3), ones(3)), 1).log_prob(torch.zeros(0, 3))",
    second="by hand: zero log-densities; Normal.log_prob of the same returns shape (0, 3)",
    severity="edge",
)
def sum_rightmost() -> Shown:
    base = distributions.Normal(torch.zeros(3), torch.ones(3))
    got = raised(lambda: distributions.Independent(base, 1).log_prob(torch.zeros(0, 3)))
    other = base.log_prob(torch.zeros(0, 3)).shape == (0, 3)
    return Shown(got or "returns", "shape (0,)", bool(got) and other)


@case(
    "torch",
    "stack-log-det",
    layer="StackTransform along the last dimension",
    what="Its domain says that events are vectors (event_dim 1), and log_abs_det_jacobian "
    "still has a number per "
    "element: the log_prob of a TransformedDistribution is of a wrong shape, or raises, "
    "and for as many rows as "
    "elements it is silently wrong.",
    inputs="TransformedDistribution(3 independent N(0, 1), StackTransform([ExpTransform()]*3, "
    "dim=-1)).log_prob of "
    "torch.full((3, 3), 2)",
    second="the same with IndependentTransform(ExpTransform(), 1); mpmath's log-normal density",
    severity="ordinary inputs",
)
def stack_log_det() -> Shown:
    base = distributions.Independent(distributions.Normal(torch.zeros(3), torch.ones(3)), 1)
    stack = distributions.StackTransform([distributions.ExpTransform()] * 3, dim=-1)
    same = distributions.IndependentTransform(distributions.ExpTransform(), 1)
    x = torch.full((3, 3), 2.0)
    got, other = (distributions.TransformedDistribution(base, t).log_prob(x) for t in (stack, same))
    two = mp.mpf(2)
    right = 3 * (mp.log(mp.npdf(mp.log(two))) - mp.log(two))
    agrees = abs(other[0].item() - right) < 1e-5
    text = f"shape {tuple(got.shape)}, first {number(got)}"
    return Shown(text, f"shape (3,), {number(right)}", agrees and got.shape != other.shape)


@case(
    "torch",
    "normal-cdf",
    layer="Normal.cdf, CumulativeDistributionTransform(Normal)",
    what="In the lower tail 1 + erf(x / sqrt 2) cancels: 0 where float32 holds the right "
    "value, so that the inverse of "
    "the transform is minus infinity.",
    inputs="Normal(0, 1).cdf(-6), float32",
    second="mpmath: ncdf(-6); torch.special.ndtr(-6) in float64 gives the same",
    severity="edge",
    kind="limit",
)
def normal_cdf() -> Shown:
    x = torch.tensor(-6.0)
    layer = distributions.CumulativeDistributionTransform(distributions.Normal(0.0, 1.0))
    got, right = layer(x), mp.ncdf(-6)
    near = abs(torch.special.ndtr(x.double()).item() - right) < 1e-4 * right
    text = f"{number(got)}, whose inverse is {number(layer.inv(got))}"
    return Shown(text, number(right), abs(got.item() - right) > 0.1 * right and bool(near))


if __name__ == "__main__":
    run()
