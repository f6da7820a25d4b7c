"""FrEIA: its fixed transforms and normalisation. ``python of_freia.py`` lists the cases."""

from __future__ import annotations

import FrEIA.modules as blocks
import mpmath as mp
import torch
from common import Shown, case, number, raised, run


@case(
    "FrEIA",
    "sigmoid-shape",
    layer="InvertibleSigmoid",
    what="For data of more than one dimension the log_det is summed over the channels only: it "
    "has a number per "
    "pixel, not one per row, and added to another block's it broadcasts to a wrong sum.",
    inputs="InvertibleSigmoid([(2, 3, 3)]), x = zeros(1, 2, 3, 3)",
    second="by hand: 18 elements of slope 1/4, 18 log(1/4)",
    severity="ordinary inputs",
)
def sigmoid_shape() -> Shown:
    got = blocks.InvertibleSigmoid([(2, 3, 3)])((torch.zeros(1, 2, 3, 3),))[1]
    right = 18 * mp.log(mp.mpf(1) / 4)
    text = f"log_det of shape {tuple(got.shape)}, first {number(got)}"
    return Shown(text, f"shape (1,), {number(right)}", got.shape != (1,))


@case(
    "FrEIA",
    "sigmoid-log-det",
    layer="InvertibleSigmoid",
    what="log(1 / ((1 + exp x)(1 + exp -x))) overflows inside the logarithm: minus infinity.",
    inputs="x = 89, float32",
    second="mpmath: -x - 2 log(1 + exp(-x))",
    severity="beyond any data",
)
def sigmoid_log_det() -> Shown:
    got = blocks.InvertibleSigmoid([(1,)])((torch.tensor([[89.0]]),))[1]
    right = -89 - 2 * mp.log1p(mp.exp(-89))
    return Shown(
        f"log_det = {number(got)}", f"log_det = {number(right)}", not bool(got.isfinite().all())
    )


@case(
    "FrEIA",
    "actnorm-init-data",
    layer="ActNorm",
    what=(
        "The documented argument init_data cannot be given: `if init_data:` asks a tensor for "
        "its truth."
    ),
    inputs="ActNorm([(2,)], init_data=torch.ones(8, 2))",
    second="by hand: the docstring takes a tensor; the same batch through forward initialises",
    severity="ordinary inputs",
)
def init_data() -> Shown:
    data = torch.arange(16.0).reshape(8, 2)
    got = raised(lambda: blocks.ActNorm([(2,)], init_data=data))
    other = raised(lambda: blocks.ActNorm([(2,)])((data,)))
    return Shown(got or "an initialised layer", "an initialised layer", bool(got) and not other)


@case(
    "FrEIA",
    "actnorm-one-row",
    layer="ActNorm",
    what=(
        "A first batch of one row leaves every weight NaN for good: the deviation of one row "
        "is NaN."
    ),
    inputs="ActNorm([(2,)]), first batch [[1, 2]], then [[0, 0]]",
    second="by hand: any finite scale",
    severity="edge",
)
def actnorm_one_row() -> Shown:
    layer = blocks.ActNorm([(2,)])
    layer((torch.tensor([[1.0, 2.0]]),))
    got = layer((torch.zeros(1, 2),))[0][0]
    return Shown(f"z = {got.tolist()}", "finite values", not bool(got.isfinite().all()))


@case(
    "FrEIA",
    "actnorm-constant-channel",
    layer="ActNorm",
    what=(
        "A channel that is constant over the first batch makes its scale infinite and what "
        "follows NaN."
    ),
    inputs="ActNorm([(2,)]), first batch [[1, 2], [1, 4]], then [[0, 0]]",
    second="by hand: any finite scale",
    severity="edge",
)
def actnorm_constant() -> Shown:
    layer = blocks.ActNorm([(2,)])
    layer((torch.tensor([[1.0, 2.0], [1.0, 4.0]]),))
    got = layer((torch.zeros(1, 2),))[1]
    return Shown(f"log_det = {number(got)}", "a finite log_det", not bool(got.isfinite().all()))


@case(
    "FrEIA",
    "all-in-one-empty-batch",
    layer="AllInOneBlock",
    what="A batch of zero rows raises, while GLOWCouplingBlock returns zero rows.",
    inputs="torch.zeros(0, 4)",
    second="by hand: zero rows are mapped to zero rows; GLOWCouplingBlock does",
    severity="edge",
)
def empty_batch() -> Shown:
    def net(n_in: int, n_out: int) -> torch.nn.Module:
        return torch.nn.Linear(n_in, n_out)

    x = (torch.zeros(0, 4),)
    got = raised(lambda: blocks.AllInOneBlock([(4,)], subnet_constructor=net)(x))
    other = blocks.GLOWCouplingBlock([(4,)], subnet_constructor=net)(x)[0][0]
    return Shown(got or "returns", "shape (0, 4)", bool(got) and other.shape == (0, 4))


if __name__ == "__main__":
    run()
