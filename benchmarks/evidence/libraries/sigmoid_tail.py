"""A sigmoid that is exp(x) below -9, with the log_det of the true one: of distrax, and of distreqx,
whose code reads the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from common import Shown, mp, number

WHAT = (
    "Below x = -9 the value is exp(x) in every dtype, which the code's comment calls an "
    "approximation: off by 1.1e-4 of itself, a step down at -9, and not the map whose log_det "
    "is returned."
)
SECOND = "mpmath: 1 / (1 + exp(-x)); its own inverse, which is that of sigmoid; autodiff's slope"


def tail(layer: Any, other: Callable[[Any], Any]) -> Shown:
    """Three witnesses beside 60 digits: another sigmoid, the inverse, and autodiff; and the step.

    Call it with x64 on.
    """
    x = jnp.asarray(-9.1, "float64")
    z, log_det = layer.forward_and_log_det(x)
    right = 1 / (1 + mp.exp(-mp.mpf(-9.1)))
    slope = float(jnp.log(jax.grad(lambda v: layer.forward_and_log_det(v)[0])(x)))
    back = float(layer.inverse_and_log_det(z)[0])
    below, above = (float(layer.forward_and_log_det(jnp.asarray(-9 + d))[0]) for d in (-1e-9, 1e-9))
    agrees = abs(float(other(x)) - right) < 1e-12 * right
    return Shown(
        f"z = {number(float(z))}, and back x = {number(back)}; log_det = {number(float(log_det))}, "
        f"log slope = {number(slope)}; f(-9 - 1e-9) - f(-9 + 1e-9) = {number(below - above, 3)}",
        f"z = {number(right)}; log_det = log slope; f rises",
        agrees
        and abs(float(z) - right) > 1e-5 * right
        and abs(back + 9.1) > 1e-5
        and abs(float(log_det) - slope) > 1e-5
        and below > above,
    )
