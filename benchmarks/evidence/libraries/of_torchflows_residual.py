"""torchflows: residual blocks and matrices. ``python of_torchflows_residual.py`` lists the
cases."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import torch
from common import Shown, case, number, raised, run
from torchflows.bijections.finite.matrix import LUMatrix, RandomPermutationMatrix
from torchflows.bijections.finite.residual.iterative import InvertibleResNetBlock
from torchflows.bijections.finite.residual.proximal import ProximalResFlowBlock
from torchflows.bijections.finite.residual.radial import Radial


def half() -> torch.nn.Module:
    """g(x) = x / 2, so that x + g(x) has log_det log(1.5)."""
    g = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(g.weight, 0.5)
    return g


@case(
    "torchflows",
    "residual-inverse-sign",
    layer="IterativeResidualBijection.inverse: InvertibleResNet, ResFlow",
    what="inverse returns the forward's log_det, not minus it. (Its power series of two terms "
    "is an estimate: "
    "0.375 on the average.)",
    inputs="InvertibleResNetBlock((1,), g = x/2).inverse(1.5), mean log_det of 20 000 rows",
    second="by hand: dx/dz = 2/3; to two terms of the series -0.375",
    severity="ordinary inputs",
)
def inverse_sign() -> Shown:
    layer = InvertibleResNetBlock((1,), g=half()).eval()
    torch.manual_seed(0)
    forward = layer(torch.ones(20000, 1))[1].mean().item()
    x, log_det = layer.inverse(torch.full((20000, 1), 1.5))
    back = log_det.mean().item()
    text = f"log_det = {number(back, 3)} of the inverse, {number(forward, 3)} of the forward"
    right = f"-0.375 of the inverse (exactly {number(-mp.log(1.5), 4)})"
    return Shown(text, right, back > 0.3 and forward > 0.3 and abs(x.mean().item() - 1) < 1e-5)


@case(
    "torchflows",
    "residual-random-map",
    layer="InvertibleResNetBlock, ResFlowBlock with their own network",
    what="The spectral norm is estimated anew from random numbers in every call, in eval mode "
    "too: the layer is "
    "another map each time, and the round trip ends elsewhere.",
    inputs="torch.manual_seed(0); InvertibleResNetBlock((3,)).eval(), x = ones(1, 3), twice",
    second="by hand: two calls of a deterministic layer on the same x agree",
    severity="ordinary inputs",
)
def random_map() -> Shown:
    torch.manual_seed(0)
    layer, x = InvertibleResNetBlock((3,)).eval(), torch.ones(1, 3)
    with torch.no_grad():
        first, second = (layer(x, skip_log_det=True)[0] for _ in range(2))
        back = layer.inverse(first, skip_log_det=True)[0]
    far, away = ((a - b).abs().max().item() for a, b in ((first, second), (back, x)))
    text = f"two calls differ by {number(far, 3)}, the round trip by {number(away, 3)}"
    return Shown(text, "0 and rounding", far > 1e-4)


def slopes(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> tuple[float, float]:
    """log|det| of the Jacobian of one row, by autograd and by central differences."""
    j = torch.autograd.functional.jacobian(lambda v: function(v[None])[0], x[0])
    step = 1e-6 * torch.eye(x.shape[1], dtype=x.dtype)
    columns = [(function(x + s) - function(x - s))[0] / 2e-6 for s in step]
    return tuple(torch.linalg.slogdet(m)[1].item() for m in (j, torch.stack(columns, 1)))  # type: ignore


@case(
    "torchflows",
    "radial-log-det",
    layer="Radial",
    what="r is |z - z0| of each coordinate, but the log_det is the formula for the norm, "
    "summed over coordinates: "
    "right in one dimension only.",
    inputs="Radial((2,)), beta 1, alpha softplus(0), z0 = 0, z = [0.5, -1], float64",
    second="autograd and central differences of the same call",
    severity="ordinary inputs",
)
def radial() -> Shown:
    layer = Radial((2,)).double()
    with torch.no_grad():
        layer.beta.fill_(1.0)
        layer.unconstrained_alpha.zero_()
        layer.z0.zero_()
    z = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    got = layer.inverse(z)[1].item()
    auto, differences = slopes(lambda v: layer.inverse(v)[0], z)
    text = f"log_det = {number(auto)} ({number(differences, 6)} by differences)"
    wrong = abs(got - auto) > 1e-3 and abs(auto - differences) < 1e-5
    return Shown(f"log_det = {number(got)}", text, wrong)


def proximal() -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return ProximalResFlowBlock((2,)).double().eval(), torch.tensor(
        [[0.3, -0.7]], dtype=torch.float64
    )


@case(
    "torchflows",
    "proximal-inverse",
    layer="ProximalResFlowBlock, ProximalResFlow",
    what="The inverse of a fresh block with its default options ends 0.34 away from the input, "
    "however many "
    "iterations it is given: the iteration solves another equation than forward's.",
    inputs="torch.manual_seed(0); ProximalResFlowBlock((2,)).double().eval(), x = [0.3, -0.7]",
    second=(
        "by hand: inverse(forward(x)) is x; 25 and 400 iterations give the same, so it has "
        "converged"
    ),
    severity="ordinary inputs",
)
def proximal_inverse() -> Shown:
    layer, x = proximal()
    z = layer(x)[0]
    few, many = (layer.inverse(z, n_iterations=n)[0].detach() for n in (25, 400))
    text = f"{[round(v, 4) for v in many[0].tolist()]} after 400 iterations"
    wrong = (many - x).abs().max().item() > 0.01 and (few - many).abs().max().item() < 1e-6
    return Shown(text, "[0.3, -0.7]", wrong)


@case(
    "torchflows",
    "proximal-log-det",
    layer="ProximalResFlowBlock, ProximalResFlow",
    what="The log_det of a block of one layer is not that of its forward.",
    inputs="torch.manual_seed(0); ProximalResFlowBlock((2,)).double().eval(), x = [0.3, -0.7]",
    second="autograd and central differences of the same call",
    severity="ordinary inputs",
)
def proximal_log_det() -> Shown:
    layer, x = proximal()
    got = layer(x)[1].item()
    auto, differences = slopes(lambda v: layer(v, skip_log_det=True)[0], x)
    text = f"log_det = {number(auto)} ({number(differences, 6)} by differences)"
    wrong = abs(got - auto) > 1e-2 and abs(auto - differences) < 1e-5
    return Shown(f"log_det = {number(got)}", text, wrong)


@case(
    "torchflows",
    "permutation-state-dict",
    layer="RandomPermutationMatrix",
    what=(
        "The permutation is no part of the state_dict: a saved model that is loaded elsewhere "
        "permutes otherwise."
    ),
    inputs="two layers of 6 elements, the state_dict of the first loaded into the second",
    second="by hand: after loading, both map [0 … 5] alike",
    severity="ordinary inputs",
)
def permutation() -> Shown:
    torch.manual_seed(0)
    first, second = RandomPermutationMatrix((6,)), RandomPermutationMatrix((6,))
    second.load_state_dict(first.state_dict())
    x = torch.arange(6.0)[None]
    got, right = (layer(x)[0].int().tolist()[0] for layer in (second, first))
    return Shown(
        str(got), f"{right}; the state_dict holds {list(first.state_dict())}", got != right
    )


@case(
    "torchflows",
    "lu-float64",
    layer="LUMatrix",
    what="A float64 layer raises: its unit diagonal is made in the default dtype.",
    inputs="LUMatrix((3,)).double()(torch.zeros(1, 3, dtype=torch.float64))",
    second="by hand: the same call in float32 returns",
    severity="ordinary inputs",
)
def lu_double() -> Shown:
    x = torch.zeros(1, 3)
    got = raised(lambda: LUMatrix((3,)).double()(x.double()))
    return Shown(got or "returns", "returns", bool(got) and not raised(lambda: LUMatrix((3,))(x)))


if __name__ == "__main__":
    run()
