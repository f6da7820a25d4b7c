"""distreqx (needs jax): its Sigmoid. ``python of_distreqx.py`` lists the cases."""

from __future__ import annotations

import distreqx.bijectors as dq
import jax
from common import Shown, case, run
from sigmoid_tail import SECOND, WHAT, tail


@case(
    "distreqx",
    "sigmoid-tail",
    layer="Sigmoid",
    what=WHAT,
    inputs="x = -9.1, float64",
    second=f"{SECOND}; jax.nn.sigmoid",
    severity="edge",
    kind="limit",
)
def sigmoid_tail() -> Shown:
    with jax.enable_x64(True):
        return tail(dq.Sigmoid(), jax.nn.sigmoid)


if __name__ == "__main__":
    run()
