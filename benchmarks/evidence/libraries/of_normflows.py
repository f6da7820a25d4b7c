"""normflows: its splines and ActNorm. ``python of_normflows.py`` lists the cases."""

from __future__ import annotations

import torch
from common import Shown, case, raised, run
from normflows import flows
from normflows.utils.splines import unconstrained_rational_quadratic_spline
from spline_cases import rq_assertion, rq_digits

rq_assertion("normflows", unconstrained_rational_quadratic_spline)
rq_digits("normflows", unconstrained_rational_quadratic_spline)


@case(
    "normflows",
    "spline-empty-batch",
    layer="CoupledRationalQuadraticSpline",
    what="A batch of zero rows raises, while MaskedAffineFlow returns zero rows.",
    inputs="torch.zeros(0, 4)",
    second="by hand: zero rows are mapped to zero rows; MaskedAffineFlow does",
    severity="edge",
)
def empty_batch() -> Shown:
    masked = flows.MaskedAffineFlow(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    got = raised(lambda: flows.CoupledRationalQuadraticSpline(4, 1, 8)(torch.zeros(0, 4)))
    there = masked(torch.zeros(0, 4))[0].shape == (0, 4)
    return Shown(got or "returns", "shape (0, 4)", bool(got) and there)


@case(
    "normflows",
    "actnorm-one-row",
    layer="ActNorm",
    what=(
        "A first batch of one row leaves every weight NaN for good: the deviation of one row "
        "is NaN."
    ),
    inputs="ActNorm((2,)), first batch [[1, 2]], then [[0, 0]]",
    second="by hand: any finite scale",
    severity="edge",
)
def actnorm_one_row() -> Shown:
    layer = flows.ActNorm((2,))
    layer(torch.tensor([[1.0, 2.0]]))
    got = layer(torch.zeros(1, 2))[0]
    return Shown(f"z = {got.tolist()}", "finite values", not bool(got.isfinite().all()))


@case(
    "normflows",
    "actnorm-eval",
    layer="ActNorm, GlowBlock",
    what="The first batch overwrites the weights in eval mode too, in either direction; the "
    "class says that the "
    "first batch initialises, not that sampling from a fresh model in eval mode does.",
    inputs="ActNorm((2,)).eval(), a batch [[1, 2], [3, 5]]",
    second="by hand: a module in eval mode keeps its weights, 0",
    severity="ordinary inputs",
    kind="limit",
)
def actnorm_eval() -> Shown:
    layer = flows.ActNorm((2,)).eval()
    layer(torch.tensor([[1.0, 2.0], [3.0, 5.0]]))
    got = layer.s.detach().flatten().tolist()
    return Shown(f"s = {[round(v, 4) for v in got]}", "s = [0, 0]", any(v != 0 for v in got))


if __name__ == "__main__":
    run()
