"""flowjax (needs jax): its scales. ``python of_flowjax.py`` lists the cases."""

from __future__ import annotations

import equinox
import flowjax.bijections as fj
import jax
import jax.numpy as jnp
from common import Shown, case, mp, number, run
from paramax import unwrap


@case(
    "flowjax",
    "scale-underflow",
    layer="Affine, Scale, and Coupling and MaskedAutoregressive of Affine",
    what="The scale is softplus(s) and the log_det log(softplus(s)): where softplus is 0 in "
    "float32, s < -87 in XLA on a CPU, the log_det is minus infinity and the inverse NaN.",
    inputs="Affine with s = -100, x = 1, float32",
    second="mpmath: log log(1 + exp(-100)); the same call with x64 gives it",
    severity="edge",
    kind="limit",
)
def scale_underflow() -> Shown:
    def of(dtype: str) -> tuple[float, float]:
        raw = jnp.asarray(-100.0, dtype)
        layer = unwrap(equinox.tree_at(lambda b: b.scale.args[0], fj.Affine(), raw))
        zero = layer.inverse_and_log_det(jnp.zeros((), dtype))[0]
        return float(layer.transform_and_log_det(jnp.ones((), dtype))[1]), float(zero)

    got, back = of("float32")
    with jax.enable_x64(True):
        wide, _ = of("float64")
    right = mp.log(mp.log1p(mp.exp(-100)))
    wrong = got == float("-inf") and abs(wide - right) < 1e-9
    return Shown(f"log_det = {number(got)}, inverse(0) = {number(back)}", number(right), wrong)


if __name__ == "__main__":
    run()
