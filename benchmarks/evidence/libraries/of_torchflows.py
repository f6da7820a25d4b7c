"""torchflows: its layers. ``python of_torchflows.py`` lists the cases."""

from __future__ import annotations

import copy

import mpmath as mp
import torch
from common import Shown, case, number, raised, run
from torchflows.bijections.finite.autoregressive import layers
from torchflows.bijections.finite.autoregressive.transformers.combination.sigmoid import Sigmoid
from torchflows.bijections.finite.autoregressive.transformers.spline.linear_rational import (
    LinearRational,
)


def log_dets(weight: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Value, log_det and inverse log_det at 0.3 of a spline that is the identity, whatever the last
    weight."""
    spline = LinearRational((1,), boundary=3.0, n_bins=4)
    weights = torch.zeros(1, 1, 16, dtype=torch.float64)
    weights[..., -1] = weight
    z, log_det = spline.forward(torch.tensor([[0.3]], dtype=torch.float64), weights)
    return z, log_det, spline.inverse(z, weights)[1]


def eps_case(weight: float) -> Shown:
    z, log_det, back = log_dets(weight)
    x = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    spline, weights = (
        LinearRational((1,), boundary=3.0, n_bins=4),
        torch.zeros(1, 1, 16, dtype=torch.float64),
    )
    weights[..., -1] = weight
    (slope,) = torch.autograd.grad(spline.forward(x, weights)[0].sum(), x)
    got = f"z = {number(z)}, log_det = {number(log_det, 5)}, of the inverse {number(back, 5)}"
    right = f"z = 0.3, log_det = 0; autograd's slope {number(slope, 6)}"
    wrong = (
        abs(log_det.item()) > 1e-7 and abs(z.item() - 0.3) < 1e-12 and abs(slope.item() - 1) < 1e-9
    )
    return Shown(got, right, wrong)


@case(
    "torchflows",
    "linear-rational-log-det",
    layer="LinearRational, LRSCoupling, LRS*MaskedAutoregressive",
    what="eps = 5e-10 is added to the squared denominator inside the logarithm; the weights "
    "scale with a free "
    "parameter, so the log_det depends on it while the map does not, and the two "
    "directions disagree.",
    inputs=(
        "x = 0.3, all weights 0 but the last, u_w0 = -5: the identity; boundary 3, 4 bins, float64"
    ),
    second="by hand: the identity has log_det 0; autograd's slope of the same call is 1",
    severity="ordinary inputs",
)
def linear_rational() -> Shown:
    return eps_case(-5.0)


@case(
    "torchflows",
    "linear-rational-log-det-large",
    layer="LinearRational, LRSCoupling, LRS*MaskedAutoregressive",
    what="The same with u_w0 = -10: the log_det of the identity is -0.68.",
    inputs="x = 0.3, all weights 0 but the last, u_w0 = -10; boundary 3, 4 bins, float64",
    second="by hand: the identity has log_det 0; autograd's slope of the same call is 1",
    severity="edge",
)
def linear_rational_large() -> Shown:
    return eps_case(-10.0)


@case(
    "torchflows",
    "actnorm-state-dict",
    layer="ActNorm",
    what="Whether it is initialised is no part of the state_dict: a trained layer that is "
    "loaded and trained on "
    "throws its loaded weights away at the first batch.",
    inputs=(
        "state_dict of a layer trained on [[0, 0], [2, 4]], loaded, .train(), one batch "
        "[[10, 10], [11, 19]]"
    ),
    second="by hand: loaded weights stay; in eval mode they do",
    severity="ordinary inputs",
)
def actnorm_state() -> Shown:
    trained = layers.ActNorm((2,)).train()
    trained(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    state = copy.deepcopy(trained.state_dict())
    loaded = layers.ActNorm((2,))
    loaded.load_state_dict(state)
    batch = torch.tensor([[10.0, 10.0], [11.0, 19.0]])
    loaded.eval()(batch)
    kept = torch.equal(loaded.value, state["value"])
    loaded.train()(batch)
    shown = [[round(v, 4) for v in row] for row in loaded.value.tolist()]
    right = [[round(v, 4) for v in row] for row in state["value"].tolist()]
    return Shown(f"{shown}", f"{right}", kept and not torch.equal(loaded.value, state["value"]))


@case(
    "torchflows",
    "actnorm-constant-channel",
    layer="ActNorm",
    what="A channel that is constant over the first batch gives NaN from then on.",
    inputs="first batch [[1, 2], [1, 4]] in training mode, then [[0, 0]]",
    second="by hand: any finite scale",
    severity="edge",
)
def actnorm_constant() -> Shown:
    layer = layers.ActNorm((2,)).train()
    layer(torch.tensor([[1.0, 2.0], [1.0, 4.0]]))
    got = layer(torch.zeros(1, 2))[1]
    return Shown(f"log_det = {number(got)}", "a finite log_det", not bool(got.isfinite().all()))


@case(
    "torchflows",
    "coupling-empty-batch",
    layer="AffineCoupling and every layer with a conditioner",
    what="A batch of zero rows raises, while ElementwiseAffine returns zero rows.",
    inputs="AffineCoupling((4,))(torch.zeros(0, 4))",
    second="by hand: zero rows are mapped to zero rows; ElementwiseAffine does",
    severity="edge",
)
def empty_batch() -> Shown:
    got = raised(lambda: layers.AffineCoupling((4,))(torch.zeros(0, 4)))
    other = layers.ElementwiseAffine((4,))(torch.zeros(0, 4))[0]
    return Shown(got or "returns", "shape (0, 4)", bool(got) and other.shape == (0, 4))


@case(
    "torchflows",
    "umnn-inverse-gradient",
    layer="UMNNMaskedAutoregressive, inverse",
    what="A gradient through the inverse raises: the backward of its bisection calls the "
    "integrand without the "
    "parameters.",
    inputs="z = zeros(2, 3) with requires_grad, inverse(z).sum().backward()",
    second="by hand: dx/dz = 1/g(x) exists; the forward has its gradient",
    severity="ordinary inputs",
)
def umnn_gradient() -> Shown:
    torch.manual_seed(0)
    layer = layers.UMNNMaskedAutoregressive((3,))
    x = torch.zeros(2, 3, requires_grad=True)
    forward = raised(lambda: layer(x)[0].sum().backward())
    z = torch.zeros(2, 3, requires_grad=True)
    got = raised(lambda: layer.inverse(z)[0].sum().backward())
    return Shown(got or "a gradient", "a gradient", bool(got) and not forward)


@case(
    "torchflows",
    "autoregressive-inverse-log-det",
    layer="MaskedAutoregressiveBijection.inverse: RQS, LRS, UMNN, sigmoidal; not affine ones",
    what="The log_det of the sequential inverse is taken in the last pass, in which every "
    "element but the last "
    "is already x instead of z.",
    inputs=(
        "torch.manual_seed(0); UMNNMaskedAutoregressive((3,)).double(), weights + 0.5 N(0, "
        "1), x = N(0, 1)"
    ),
    second=(
        "by hand: minus the forward's log_det at the x that it returned; central differences "
        "of the forward"
    ),
    severity="ordinary inputs",
)
def autoregressive_inverse() -> Shown:
    torch.manual_seed(0)
    layer = layers.UMNNMaskedAutoregressive((3,)).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight += 0.5 * torch.randn_like(weight)
        x = torch.randn(1, 3).double()
        z, forward = layer(x)
        back, got = layer.inverse(z)
        step = 1e-6 * torch.eye(3, dtype=torch.float64)
        columns = [(layer(x + s)[0] - layer(x - s)[0])[0] / 2e-6 for s in step]
    slope = torch.linalg.slogdet(torch.stack(columns, 1))[1].item()
    same = (back - x).abs().max().item() < 1e-5 and abs(slope - forward.item()) < 1e-5
    text = f"log_det = {number(-forward)} ({number(-slope, 6)} by differences)"
    return Shown(f"log_det = {number(got)}", text, same and abs(got.item() + forward.item()) > 0.1)


@case(
    "torchflows",
    "log-det-float32",
    layer="ShiftCoupling, HouseholderProductMatrix, RandomPermutationMatrix",
    what="The log_det of a float64 layer, 0, is of dtype float32.",
    inputs="ShiftCoupling((4,)).double()(torch.zeros(2, 4, dtype=torch.float64))",
    second="by hand: AffineCoupling's is float64",
    severity="ordinary inputs",
    kind="limit",
)
def log_det_dtype() -> Shown:
    x = torch.zeros(2, 4, dtype=torch.float64)
    got, other = (
        cls((4,)).double()(x)[1].dtype for cls in (layers.ShiftCoupling, layers.AffineCoupling)
    )
    return Shown(str(got), str(other), got == torch.float32 and other == torch.float64)


@case(
    "torchflows",
    "sigmoid-log-det",
    layer="Sigmoid, DeepSigmoidalCoupling, DeepSigmoidal*MaskedAutoregressive",
    what="The log_det sums the logarithms of the hidden units instead of the units, and takes "
    "log d - log(1 - d) "
    "where -log d - log(1 - d) is meant.",
    inputs="Sigmoid((1,)), x = 0.3, all weights 0, float64",
    second=(
        "mpmath's derivative of logit(sum w sigmoid(a x + b)), and autograd's slope of the "
        "same call"
    ),
    severity="ordinary inputs",
)
def sigmoid_log_det() -> Shown:
    layer = Sigmoid((1,))
    weights = torch.zeros(1, *layer.parameter_shape, dtype=torch.float64)
    x = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    z, got = layer(x, weights)
    (slope,) = torch.autograd.grad(z.sum(), x)
    a = mp.log1p(mp.exp(mp.mpf(layer.default_u_a))) + mp.mpf(layer.min_scale)
    right = mp.log(a)  # of equal units the logit undoes the sigmoid: z = a x
    text = f"log_det = {number(right)}; autograd {number(slope.log())}"
    agrees = abs(slope.log().item() - right) < 1e-9
    return Shown(f"log_det = {number(got)}", text, agrees and abs(got.item() - right) > 1e-3)


@case(
    "torchflows",
    "dense-sigmoid-log-det",
    layer="DenseSigmoidalCoupling, DeepDenseSigmoidalCoupling and their autoregressive forms",
    what=(
        "The log_det of a nearly linear map, right at 0.0009, is -1552: units are summed as "
        "logarithms here too."
    ),
    inputs="torch.manual_seed(1); DenseSigmoidalCoupling((2,)).double(), x = [0.3, 0.7]",
    second="autograd and central differences of the same call",
    severity="ordinary inputs",
)
def dense_sigmoid() -> Shown:
    torch.manual_seed(1)
    layer = layers.DenseSigmoidalCoupling((2,)).double()
    x = torch.tensor([[0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    z, got = layer(x)
    (slope,) = torch.autograd.grad(z[0, 1], x)
    step = torch.tensor([[0.0, 1e-5]], dtype=torch.float64)
    rise = (layer(x + step)[0] - layer(x - step)[0])[0, 1] / 2e-5
    text = f"log_det = {number(slope[0, 1].log(), 6)} ({number(rise.log(), 6)} by differences)"
    agrees = abs(slope[0, 1].item() - rise.item()) < 1e-6
    return Shown(f"log_det = {number(got, 6)}", text, agrees and abs(got.item()) > 1)


if __name__ == "__main__":
    run()
