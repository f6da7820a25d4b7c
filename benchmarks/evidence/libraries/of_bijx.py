"""bijx (needs jax): its maps between the line and an interval. ``python of_bijx.py`` lists the
cases."""

from __future__ import annotations

from typing import Any

import bijx
import jax
import jax.numpy as jnp
from common import Shown, case, mp, number, run


def log_det_at(layer: Any, x: float, dtype: str) -> float:
    """The forward log_det: bijx hands a log-density on, and takes the log_det from it."""
    with jax.enable_x64(dtype == "float64"):
        return -float(layer.forward(jnp.asarray([x], dtype), jnp.zeros(1, dtype))[1][0])


def infinite(layer: Any, near: float, far: float, right: Any) -> Shown:
    """log_det is minus infinity in float32 at ``near``, where the same call in float64 agrees with
    60 digits, and in float64 at ``far``."""
    got, wide, beyond = (
        log_det_at(layer, *at) for at in ((near, "float32"), (near, "float64"), (far, "float64"))
    )
    agrees = abs(wide - right(near)) < 1e-6
    return Shown(
        f"log_det = {number(got)}; at {far:g} in float64 {number(beyond)}",
        f"log_det = {number(right(near))}, and in float64 it is {number(wide)}; at {far:g} "
        f"{number(right(far))}",
        got == beyond == float("-inf") and agrees,
    )


@case(
    "bijx",
    "tanh-log-det",
    layer="Tanh",
    what="log(1 - tanh(x)^2) is minus infinity as soon as tanh(x) rounds to 1.",
    inputs="x = 9.5, float32; x = 20, float64",
    second="mpmath: 2 (log 2 - x - log(1 + exp(-2x))); the same call with x64 gives it at 9.5",
    severity="edge",
)
def tanh_log_det() -> Shown:
    return infinite(
        bijx.Tanh(), 9.5, 20.0, lambda x: 2 * (mp.log(2) - x - mp.log1p(mp.exp(-2 * x)))
    )


@case(
    "bijx",
    "sigmoid-log-det",
    layer="Sigmoid",
    what="log(y) + log(1 - y) is minus infinity as soon as y = sigmoid(x) rounds to 1.",
    inputs="x = 20, float32; x = 40, float64",
    second="mpmath: -x - 2 log(1 + exp(-x)); the same call with x64 gives it at 20, and at -20 "
    "float32 does",
    severity="edge",
)
def sigmoid_log_det() -> Shown:
    layer = bijx.Sigmoid()

    def right(x: float) -> Any:
        return -x - 2 * mp.log1p(mp.exp(-x))

    shown = infinite(layer, 20.0, 40.0, right)
    even = abs(log_det_at(layer, -20.0, "float32") - right(-20.0)) < 1e-5
    return Shown(shown.got, shown.right, shown.wrong and even)


@case(
    "bijx",
    "tan-near-zero",
    layer="Tan",
    what="x - 0.5 rounds away all of a small x, and float32's pi/2 is beyond pi/2: tan has the "
    "wrong sign there, and the round trip ends at the other end of the interval.",
    inputs="x = 1e-8, float32",
    second="mpmath: tan(pi (x - 1/2)) of that float32; the same call with x64 gives it; its own "
    "reverse",
    severity="edge",
)
def tan_near_zero() -> Shown:
    layer = bijx.Tan()
    x = jnp.asarray([1e-8], "float32")
    exact = mp.tan(mp.pi * (mp.mpf(float(x[0])) - mp.mpf(1) / 2))
    z, density = layer.forward(x, jnp.zeros(1, "float32"))
    back = float(layer.reverse(z, density)[0][0])
    with jax.enable_x64(True):
        wide = float(layer.forward(jnp.asarray(x, "float64"), jnp.zeros(1, "float64"))[0][0])
    agrees = abs(wide - exact) < 1e-6 * abs(exact)
    return Shown(
        f"z = {number(float(z[0]))}, and back x = {number(back)}",
        f"z = {number(exact)}, and back 1e-08",
        agrees and float(z[0]) > 0 > exact and abs(back - 1e-8) > 0.5,
    )


if __name__ == "__main__":
    run()
