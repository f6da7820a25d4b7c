"""nflows: its splines and small transforms. ``python of_nflows.py`` lists the cases."""

from __future__ import annotations

import mpmath as mp
import torch
from common import Shown, case, inverted, number, raised, run
from exact import Cubic, Quadratic
from nflows import transforms
from nflows.nn.nets import ResidualNet
from nflows.transforms.splines import cubic, linear, quadratic, rational_quadratic
from spline_cases import rq_assertion, rq_digits

BOX = 3.0
BISECTION = "bisection of the forward formula in 60 digits, and the library's own forward of both"


def row(*numbers: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor([numbers], dtype=dtype)


rq_assertion("nflows", rational_quadratic.unconstrained_rational_quadratic_spline)
rq_digits("nflows", rational_quadratic.unconstrained_rational_quadratic_spline)


def quadratic_case(y: float, w: list[float], h: list[float], wrong: float) -> Shown:
    def run_spline(v: float, inverse: bool) -> torch.Tensor:
        return quadratic.unconstrained_quadratic_spline(
            torch.tensor([v]), row(*w), row(*h), inverse=inverse, tail_bound=BOX
        )[0]

    right = Quadratic.nflows(w, h, BOX).inverse(y)
    return inverted(run_spline(y, True), right, y, lambda v: run_spline(v, False), wrong)


@case(
    "nflows",
    "quadratic-nan",
    layer="unconstrained_quadratic_spline, inverse",
    what="With weights of zero, as a freshly zeroed last layer gives, the inverse is NaN: it "
    "divides by 2a, "
    "and a is 0 where two neighbouring heights are equal.",
    inputs="y = 0.5, widths [0]*4, heights [0]*3, tail_bound 3, float32",
    second=BISECTION,
    severity="ordinary inputs",
)
def quadratic_nan() -> Shown:
    return quadratic_case(0.5, [0.0] * 4, [0.0] * 3, 1e-4)


@case(
    "nflows",
    "quadratic-inverse",
    layer="unconstrained_quadratic_spline, inverse",
    what="Where neighbouring heights are nearly equal the textbook root (-b + sqrt(b^2 - 4ac)) "
    "/ 2a cancels: "
    "the inverse is off by 0.006 at a slope of 0.95.",
    inputs=(
        "y = 2.9875550270080566, widths [-1.5, 0.75, 1, -1], heights [0.25, 1.5, 1], "
        "tail_bound 3, float32"
    ),
    second=BISECTION,
    severity="ordinary inputs",
)
def quadratic_inverse() -> Shown:
    return quadratic_case(2.9875550270080566, [-1.5, 0.75, 1.0, -1.0], [0.25, 1.5, 1.0], 1e-4)


@case(
    "nflows",
    "quadratic-boundary",
    layer="unconstrained_quadratic_spline",
    what="The slope at the ends of the box is not 1, though a comment in the code says that "
    "the boundary "
    "heights are set so that it is: the half widths are halved twice, and the density "
    "jumps at the tails.",
    inputs="x = 3 (the end of the box), widths [0]*4, heights [0]*3, tail_bound 3, float64",
    second=(
        "by hand: c = (w0 h1 + w3 h3) / 2 + ..., normalised, is c / area = 1; outside, "
        "log|slope| is 0"
    ),
    severity="ordinary inputs",
)
def quadratic_boundary() -> Shown:
    zeros = torch.zeros(1, 4, dtype=torch.float64)
    x = torch.tensor([BOX], dtype=torch.float64)
    got = quadratic.unconstrained_quadratic_spline(x, zeros, zeros[:, 1:], tail_bound=BOX)[1]
    return Shown(f"log|slope| = {number(got)}", "log|slope| = 0", abs(got.item()) > 1e-6)


def cubic_case(y: float, weights: list[list[float]], dtype: torch.dtype, wrong: float) -> Shown:
    rows = [row(*part, dtype=dtype) for part in weights]

    def run_spline(v: float, inverse: bool) -> torch.Tensor:
        at = torch.tensor([v], dtype=dtype)
        return cubic.unconstrained_cubic_spline(at, *rows, inverse=inverse, tail_bound=BOX)[0]

    w, h, (left,), (right_end,) = weights
    right = Cubic.nflows(w, h, left, right_end, BOX).inverse(y)
    return inverted(run_spline(y, True), right, y, lambda v: run_spline(v, False), wrong)


@case(
    "nflows",
    "cubic-nan",
    layer="unconstrained_cubic_spline, inverse",
    what="With weights of zero, as a freshly zeroed last layer gives, the map is the identity "
    "in the inner "
    "bins and the inverse is NaN there: it divides by the cubic and then by the quadratic "
    "coefficient.",
    inputs="y = 0.5, widths and heights [0]*4, derivatives [0] and [0], tail_bound 3, float32",
    second=BISECTION,
    severity="ordinary inputs",
)
def cubic_nan() -> Shown:
    return cubic_case(0.5, [[0.0] * 4, [0.0] * 4, [0.0], [0.0]], torch.float32, 1e-4)


@case(
    "nflows",
    "cubic-inverse",
    layer="unconstrained_cubic_spline, inverse",
    what="The root of a nearly linear bin is wrong by 0.45 at a slope of 0.96 in float32.",
    inputs="y = -0.18953466415405273, widths [0, 0, 0, -0.5], heights [0.25, 0.25, 0.25, 0], "
    "derivatives "
    "[0.5] and [0.25], tail_bound 3",
    second=BISECTION,
    severity="ordinary inputs",
)
def cubic_inverse() -> Shown:
    weights = [[0.0, 0.0, 0.0, -0.5], [0.25, 0.25, 0.25, 0.0], [0.5], [0.25]]
    return cubic_case(-0.18953466415405273, weights, torch.float32, 1e-2)


@case(
    "nflows",
    "cubic-inverse-float64",
    layer="unconstrained_cubic_spline, inverse",
    what="The same in float64: wrong by 0.045 at a slope of 1.02, so it is not a matter of digits.",
    inputs="y = -0.6023793636609645, widths [0, 1, 1, 1], heights [-0.5, 0.75, 0.75, 0.75], "
    "derivatives "
    "[-0.25] and [-0.25], tail_bound 3",
    second=BISECTION,
    severity="ordinary inputs",
)
def cubic_inverse_double() -> Shown:
    weights = [[0.0, 1.0, 1.0, 1.0], [-0.5, 0.75, 0.75, 0.75], [-0.25], [-0.25]]
    return cubic_case(-0.6023793636609645, weights, torch.float64, 1e-6)


@case(
    "nflows",
    "cubic-outside",
    layer="unconstrained_cubic_spline, inverse",
    what="With larger weights a latent inside the box is decoded to a point far outside it.",
    inputs="y = -2.9928088188171387, widths [5.75, 1, 0.75, -1.75], heights [-4.25, 0, -3, 3], "
    "derivatives "
    "[-1.5] and [-1.5], tail_bound 3, float32",
    second=BISECTION,
    severity="edge",
)
def cubic_outside() -> Shown:
    weights = [[5.75, 1.0, 0.75, -1.75], [-4.25, 0.0, -3.0, 3.0], [-1.5], [-1.5]]
    return cubic_case(-2.9928088188171387, weights, torch.float32, 1.0)


@case(
    "nflows",
    "linear-last-bin",
    layer="unconstrained_linear_spline, inverse",
    what="searchsorted adds 1e-6 to the last knot in place, and the inverse then takes the "
    "slope of the last "
    "bin from that knot: its log_det is off by 1e-6 times the number of bins in every dtype.",
    inputs="y = 2.9, weights [0]*8 (the identity), tail_bound 3, float64",
    second="by hand: the map is the identity, its log_det 0",
    severity="ordinary inputs",
)
def linear_last_bin() -> Shown:
    weights = torch.zeros(1, 8, dtype=torch.float64)
    y = torch.tensor([2.9], dtype=torch.float64)
    got = linear.unconstrained_linear_spline(y, weights, inverse=True, tail_bound=BOX)[1]
    return Shown(f"log_det = {number(got)}", "log_det = 0", abs(got.item()) > 1e-9)


@case(
    "nflows",
    "spline-empty-batch",
    layer="PiecewiseRationalQuadraticCouplingTransform (every piecewise coupling)",
    what="A batch of zero rows raises, while AffineCouplingTransform returns zero rows.",
    inputs="torch.zeros(0, 4), mask [0, 1, 0, 1]",
    second="by hand: zero rows are mapped to zero rows",
    severity="edge",
)
def empty_batch() -> Shown:
    def net(n_in: int, n_out: int) -> torch.nn.Module:
        return ResidualNet(n_in, n_out, hidden_features=4)

    layer = transforms.PiecewiseRationalQuadraticCouplingTransform(
        torch.tensor([0, 1, 0, 1]), net, num_bins=4, tails="linear"
    )
    got = raised(lambda: layer(torch.zeros(0, 4)))
    return Shown(got or "returns", "shape (0, 4)", bool(got))


@case(
    "nflows",
    "tanh-log-det",
    layer="Tanh",
    what="log(1 - tanh(x)^2) is minus infinity as soon as tanh(x) rounds to 1.",
    inputs="x = 9.5, float32",
    second="mpmath: 2 (log 2 - x - log(1 + exp(-2x)))",
    severity="edge",
)
def tanh_log_det() -> Shown:
    got = transforms.Tanh()(row(9.5))[1]
    right = 2 * (mp.log(2) - mp.mpf(9.5) - mp.log1p(mp.exp(-19)))
    return Shown(
        f"log_det = {number(got)}", f"log_det = {number(right)}", not bool(got.isfinite().all())
    )


@case(
    "nflows",
    "leaky-relu-float32",
    layer="LeakyReLU",
    what="The log_det of a float64 input is computed and returned in float32.",
    inputs="x = -1, negative_slope 0.01, float64",
    second="mpmath: log(0.01)",
    severity="ordinary inputs",
)
def leaky_relu() -> Shown:
    got = transforms.LeakyReLU()(row(-1.0, dtype=torch.float64))[1]
    right = mp.log(mp.mpf(0.01))
    off = abs(got.item() - right)
    return Shown(
        f"{number(got, 15)} ({got.dtype})", f"{number(right, 15)} (torch.float64)", off > 1e-12
    )


@case(
    "nflows",
    "log-tanh-kink",
    layer="LogTanh",
    what="The slope jumps at the cut point, though the docstring says that alpha is set to "
    "match the first "
    "derivative of tanh there: alpha is (1 - tanh(tanh(c))) / c where c (1 - tanh(c)^2) "
    "would match.",
    inputs="x = 1 (the cut point) and the next float64",
    second="by hand: the derivative of tanh at 1 is 1 - tanh(1)^2 = 0.41997",
    severity="ordinary inputs",
)
def log_tanh() -> Shown:
    beyond = torch.nextafter(
        torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    )
    got = transforms.LogTanh(cut_point=1)(beyond.reshape(1, 1))[1].exp()
    right = 1 - mp.tanh(1) ** 2
    shown = f"slope beyond the cut {number(got, 6)}"
    return Shown(shown, f"slope {number(right, 6)}", abs(got.item() - right) > 1e-6)


@case(
    "nflows",
    "actnorm-constant-channel",
    layer="ActNorm",
    what="A channel that is constant over the first batch makes its log_scale infinite and "
    "everything after "
    "it NaN: the standard deviation is divided by without a floor.",
    inputs="first batch [[1, 2], [1, 4]] in training mode, then [[0, 0]]",
    second="by hand: any finite scale; the map of the second channel does not depend on the first",
    severity="edge",
)
def actnorm_constant() -> Shown:
    layer = transforms.ActNorm(2).train()
    layer(torch.tensor([[1.0, 2.0], [1.0, 4.0]]))
    got = layer(torch.zeros(1, 2))[1]
    return Shown(f"log_det = {number(got)}", "a finite log_det", not bool(got.isfinite().all()))


@case(
    "nflows",
    "actnorm-one-row",
    layer="ActNorm",
    what=(
        "A first batch of one row leaves every weight NaN for good: the deviation of one row "
        "is NaN."
    ),
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
