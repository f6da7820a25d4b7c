"""distrax (needs jax, and brings TFP): its Sigmoid. ``python of_distrax.py`` lists the cases."""

from __future__ import annotations

import distrax
import jax
from common import Shown, case, run
from sigmoid_tail import SECOND, WHAT, tail
from tensorflow_probability.substrates import jax as tfp


@case(
    "distrax",
    "sigmoid-tail",
    layer="Sigmoid",
    what=WHAT,
    inputs="x = -9.1, float64",
    second=f"{SECOND}; TFP's Sigmoid",
    severity="edge",
    kind="limit",
)
def sigmoid_tail() -> Shown:
    with jax.enable_x64(True):
        return tail(distrax.Sigmoid(), tfp.bijectors.Sigmoid().forward)


if __name__ == "__main__":
    run()
