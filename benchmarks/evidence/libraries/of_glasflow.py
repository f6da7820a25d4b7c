"""glasflow: its own copy of nflows. ``python of_glasflow.py`` lists the cases."""

from __future__ import annotations

import torch
from common import Shown, case, inverted, number, raised, run
from exact import Cubic, Quadratic
from glasflow import CouplingNSF
from glasflow.nflows import transforms
from glasflow.nflows.transforms.splines import cubic, quadratic, rational_quadratic
from spline_cases import rq_assertion, rq_digits

BOX = 3.0
BISECTION = "bisection of the forward formula in 60 digits, and the library's own forward of both"
rq_assertion("glasflow", rational_quadratic.unconstrained_rational_quadratic_spline)
rq_digits("glasflow", rational_quadratic.unconstrained_rational_quadratic_spline)


@case(
    "glasflow",
    "quadratic-nan",
    layer="glasflow.nflows unconstrained_quadratic_spline, inverse",
    what="With weights of zero the inverse is NaN, as in nflows.",
    inputs="y = 0.5, widths [0]*4, heights [0]*3, tail_bound 3, float32",
    second=BISECTION,
    severity="ordinary inputs",
)
def quadratic_nan() -> Shown:
    def run_spline(v: float, inverse: bool) -> torch.Tensor:
        zeros = torch.zeros(1, 4)
        at = torch.tensor([v])
        return quadratic.unconstrained_quadratic_spline(
            at, zeros, zeros[:, 1:], inverse=inverse, tail_bound=BOX
        )[0]

    right = Quadratic.nflows([0.0] * 4, [0.0] * 3, BOX).inverse(0.5)
    return inverted(run_spline(0.5, True), right, 0.5, lambda v: run_spline(v, False), 1e-4)


@case(
    "glasflow",
    "quadratic-boundary",
    layer="glasflow.nflows unconstrained_quadratic_spline",
    what="The slope at the ends of the box is not 1, though the comment says so, as in nflows.",
    inputs="x = 3 (the end of the box), widths [0]*4, heights [0]*3, tail_bound 3, float64",
    second="by hand: outside, and by the comment at the end, log|slope| is 0",
    severity="ordinary inputs",
)
def quadratic_boundary() -> Shown:
    zeros = torch.zeros(1, 4, dtype=torch.float64)
    x = torch.tensor([BOX], dtype=torch.float64)
    got = quadratic.unconstrained_quadratic_spline(x, zeros, zeros[:, 1:], tail_bound=BOX)[1]
    return Shown(f"log|slope| = {number(got)}", "log|slope| = 0", abs(got.item()) > 1e-6)


@case(
    "glasflow",
    "cubic-nan",
    layer="glasflow.nflows unconstrained_cubic_spline, inverse",
    what="With weights of zero the inverse is NaN in the inner bins, as in nflows.",
    inputs="y = 0.5, widths and heights [0]*4, derivatives [0] and [0], tail_bound 3, float32",
    second=BISECTION,
    severity="ordinary inputs",
)
def cubic_nan() -> Shown:
    def run_spline(v: float, inverse: bool) -> torch.Tensor:
        zeros = torch.zeros(1, 4)
        parts = (zeros, zeros, zeros[:, :1], zeros[:, :1])
        return cubic.unconstrained_cubic_spline(
            torch.tensor([v]), *parts, inverse=inverse, tail_bound=BOX
        )[0]

    right = Cubic.nflows([0.0] * 4, [0.0] * 4, 0.0, 0.0, BOX).inverse(0.5)
    return inverted(run_spline(0.5, True), right, 0.5, lambda v: run_spline(v, False), 1e-4)


@case(
    "glasflow",
    "spline-empty-batch",
    layer="CouplingNSF",
    what="A batch of zero rows raises.",
    inputs="torch.zeros(0, 4)",
    second="by hand: zero rows are mapped to zero rows",
    severity="edge",
)
def empty_batch() -> Shown:
    flow = CouplingNSF(n_inputs=4, n_transforms=1, n_neurons=8, batch_norm_between_transforms=False)
    got = raised(lambda: flow.forward(torch.zeros(0, 4)))
    return Shown(got or "returns", "shape (0, 4)", bool(got))


@case(
    "glasflow",
    "actnorm-one-row",
    layer="glasflow.nflows ActNorm",
    what="A first batch of one row leaves every weight NaN for good, as in nflows.",
    inputs="first batch [[1, 2]] in training mode, then [[0, 0]]",
    second="by hand: any finite scale",
    severity="edge",
)
def actnorm_one_row() -> Shown:
    layer = transforms.ActNorm(2).train()
    layer(torch.tensor([[1.0, 2.0]]))
    got = layer(torch.zeros(1, 2))[0]
    return Shown(f"z = {got.tolist()}", "finite values", not bool(got.isfinite().all()))


if __name__ == "__main__":
    run()
