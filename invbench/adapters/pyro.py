"""pyro: torch transforms noise → data, conditioned by ``.condition(…)``; its elementwise
splines."""

from __future__ import annotations

from typing import Any

import pyro.distributions.transforms as transforms
import torch
from pyro.distributions.transforms.spline import _monotonic_rational_spline
from torch import Tensor, nn
from torch.nn.functional import softplus

from invbench.adapters.generic import AdaptedTransform, Functional
from invbench.flows.example_layers import randomized
from invbench.registry import coupling, layer

DIM, COND, BINS, BOX = 6, 3, 8, 3.0


def _layer(
    name: str,
    function: Any,
    doc: str,
    conditional: bool = False,
    declared: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    def make(seed: int) -> nn.Module:
        arguments = (DIM, COND) if conditional else (DIM,)
        return AdaptedTransform(randomized(function(*arguments, **options), seed, 0.2))

    make.__doc__ = doc
    layer(
        name, event_shape=(DIM,), cond_shape=(COND,) if conditional else None, **(declared or {})
    )(make)


# a power series of so many terms, in both directions
SERIES = {"inverse": "iterated", "tolerance": 1e-6}
HIDDEN: dict[str, Any] = {"hidden_dims": [16]}
_layer("pyro/affine-coupling", transforms.affine_coupling, "AffineCoupling", **HIDDEN)
_layer(
    "pyro/conditional-affine-coupling",
    transforms.conditional_affine_coupling,
    "ConditionalAffineCoupling",
    True,
    **HIDDEN,
)
_layer(
    "pyro/affine-autoregressive", transforms.affine_autoregressive, "AffineAutoregressive", **HIDDEN
)
_layer(
    "pyro/spline-quadratic",
    transforms.spline,
    "Spline, rational quadratic",
    order="quadratic",
    bound=BOX,
)
_layer(
    "pyro/spline-linear", transforms.spline, "Spline, rational linear", order="linear", bound=BOX
)
_layer("pyro/spline-coupling", transforms.spline_coupling, "SplineCoupling", bound=BOX, **HIDDEN)
_layer(
    "pyro/spline-autoregressive",
    transforms.spline_autoregressive,
    "SplineAutoregressive",
    bound=BOX,
    **HIDDEN,
)
_layer(
    "pyro/conditional-spline",
    transforms.conditional_spline,
    "ConditionalSpline",
    True,
    bound=BOX,
    **HIDDEN,
)
_layer("pyro/householder", transforms.householder, "Householder", count_transforms=2)
_layer(
    "pyro/matrix-exponential",
    transforms.matrix_exponential,
    "MatrixExponential",
    declared=SERIES,
    iterations=12,
)


def _spline(name: str, param_widths: tuple[int, ...], formula: str) -> None:
    class Spline(Functional):
        n_params = sum(param_widths)
        metadata = {
            "citation": "pyro.distributions.transforms.spline",
            "family": "spline",
            "formula": formula,
        }

        def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
            widths, heights, slopes = parts[0].softmax(-1), parts[1].softmax(-1), softplus(parts[2])
            rest = torch.sigmoid(parts[3]) if len(parts) > 3 else None
            value, log_slope = _monotonic_rational_spline(
                x, widths, heights, slopes, rest, inverse=inverse, bound=BOX
            )
            return value, log_slope

    Spline.param_widths = param_widths
    coupling(name)(Spline)


_spline("pyro/rq", (BINS, BINS, BINS - 1), "rational quadratic, 8 bins")
_spline("pyro/linear-rational", (BINS, BINS, BINS - 1, BINS), "linear rational, 8 bins")
