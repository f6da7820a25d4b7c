"""normflows: its affine and planar layers. ``python of_normflows_layers.py`` lists the cases."""

from __future__ import annotations

import math

import torch
from common import Shown, case, mp, number, run
from normflows import flows
from torch import Tensor, nn


def constant(inputs: int, values: list[float]) -> nn.Linear:
    """A conditioner that returns the same for every input."""
    net = nn.Linear(inputs, len(values))
    with torch.no_grad():
        net.weight.zero_()
        net.bias.copy_(torch.tensor(values))
    return net


def planar(u: float) -> tuple[Tensor, Tensor]:
    """log_det of a planar layer in float64, and autograd's log|det J| of the same call."""
    layer = flows.Planar(
        (2,), "leaky_relu", u=torch.tensor([[u, 0.0]]), w=torch.tensor([[1.0, 0.0]])
    ).double()
    z = torch.tensor([[0.5, 0.0]], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v)[0].sum(0), z).squeeze(1)
    return layer(z)[1], torch.linalg.slogdet(jacobian)[1]


@case(
    "normflows",
    "planar-float32",
    layer="Planar(act='leaky_relu'), forward",
    what="The log_det of a float64 layer is computed and returned in float32: its slope is made "
    "of a truth value and a Python number.",
    inputs="Planar((2,), 'leaky_relu', u = [0.3, 0], w = [1, 0]).double(), z = [0.5, 0]",
    second="mpmath: log log(1 + exp(w u)), and autograd's log|det J| of the same call",
    severity="ordinary inputs",
)
def planar_float32() -> Shown:
    got, auto = planar(0.3)
    right = mp.log(mp.log1p(mp.exp(mp.mpf(torch.tensor(0.3).item()))))
    agrees = abs(auto.item() - right) < 1e-14
    wrong = got.dtype == torch.float32 and abs(got.item() - right) > 1e-10
    return Shown(f"{number(got.item())} ({got.dtype})", number(right), wrong and agrees)


@case(
    "normflows",
    "planar-infinite",
    layer="Planar(act='leaky_relu'), forward",
    what="Where w u is -20 the log_det of a float64 layer is minus infinity: 1 + (-1 + 2e-9) is "
    "rounded to 0 in float32.",
    inputs="Planar((2,), 'leaky_relu', u = [-20, 0], w = [1, 0]).double(), z = [0.5, 0]",
    second="mpmath: log log(1 + exp(-20)), and autograd's log|det J| of the same call",
    severity="edge",
)
def planar_infinite() -> Shown:
    got, auto = planar(-20.0)
    right = mp.log(mp.log1p(mp.exp(-20)))
    agrees = abs(auto.item() - right) < 1e-6
    return Shown(f"log_det = {number(got.item())}", number(right), agrees and got.isinf().item())


@case(
    "normflows",
    "masked-affine-nan",
    layer="MaskedAffineFlow",
    what="An element that the mask leaves as it is becomes NaN where exp of its own unused scale "
    "overflows: 0 times infinity, in both directions.",
    inputs="mask [1, 0], scales [100, 0], z = [2, 3], float32",
    second="by hand: a masked element passes unchanged; the same call in float64 gives 2, 3",
    severity="edge",
)
def masked_affine_nan() -> Shown:
    layer = flows.MaskedAffineFlow(torch.tensor([1.0, 0.0]), s=constant(2, [100.0, 0.0]))
    z = torch.tensor([[2.0, 3.0]])
    got = layer(z)[0].detach()
    right = layer.double()(z.double())[0].detach()
    wrong = bool(got.isnan().any()) and torch.equal(right, z.double())
    return Shown(f"{got.tolist()}", f"{right.tolist()}", wrong)


@case(
    "normflows",
    "sigmoid-log-det",
    layer="AffineCoupling, AffineCouplingBlock, GlowBlock with scale_map 'sigmoid'",
    what="The log_det is log(sigmoid(s + 2)), which is minus infinity once sigmoid is 0 in "
    "float32.",
    inputs="AffineCoupling(scale_map='sigmoid').inverse, shift 0, scale -110, float32",
    second="mpmath: -log(1 + exp(108)); the same call in float64 gives it",
    severity="edge",
)
def sigmoid_log_det() -> Shown:
    layer = flows.AffineCoupling(constant(1, [0.0, -110.0]), scale_map="sigmoid")
    z = torch.ones(1, 1)
    got = layer.inverse([z, z])[1].item()
    right = -mp.log1p(mp.exp(108))
    wide = layer.double().inverse([z.double(), z.double()])[1].item()
    wrong = math.isinf(got) and abs(wide - right) < 1e-9
    return Shown(f"log_det = {number(got)}", number(right), wrong)


@case(
    "normflows",
    "permute-float32",
    layer="Permute",
    what="The log_det of float64 data, 0, is of dtype float32.",
    inputs="Permute(4)(torch.zeros(2, 4, dtype=torch.float64))",
    second="by hand: AffineConstFlow's is float64",
    severity="ordinary inputs",
    kind="limit",
)
def permute_float32() -> Shown:
    z = torch.zeros(2, 4, dtype=torch.float64)
    got = flows.Permute(4)(z)[1].dtype
    beside = flows.AffineConstFlow((4,)).double()(z)[1].dtype
    return Shown(f"{got}", f"{beside}", got == torch.float32 and beside == torch.float64)


if __name__ == "__main__":
    run()
