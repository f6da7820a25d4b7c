"""nflows: coupling, autoregressive and linear transforms; its elementwise splines. Forward is data
→ noise, conditions are ``context``."""

from __future__ import annotations

from typing import Any

import torch
from nflows.nn.nets import ResidualNet
from nflows.transforms import autoregressive, coupling, lu, nonlinearities, normalization, svd
from nflows.transforms.splines import cubic, linear, quadratic, rational_quadratic
from torch import Tensor, nn

from invbench.adapters.generic import Adapted, Functional
from invbench.flows.example_layers import randomized
from invbench.registry import coupling as register_coupling
from invbench.registry import layer

DIM, COND, BINS, BOX = 6, 3, 8, 3.0
HALF = {"untouched": (0, 2, 4), "order": (0, 2, 4, 1, 3, 5)}
SPLINE = {"tails": "linear", "tail_bound": BOX, "num_bins": BINS}


def network(n_in: int, n_out: int) -> nn.Module:
    return ResidualNet(n_in, n_out, hidden_features=16, context_features=COND, num_blocks=1)


def _coupling(name: str, cls: Any, doc: str, **options: Any) -> None:
    def make(seed: int) -> nn.Module:
        mask = torch.tensor([0, 1] * (DIM // 2))
        return Adapted(randomized(cls(mask, network, **options), seed, 0.2), condition="context")

    make.__doc__ = doc
    layer(name, event_shape=(DIM,), cond_shape=(COND,), **HALF)(make)


def _autoregressive(name: str, cls: Any, doc: str, **options: Any) -> None:
    def make(seed: int) -> nn.Module:
        module = cls(DIM, 16, context_features=COND, num_blocks=1, **options)
        return Adapted(randomized(module, seed, 0.2), condition="context")

    make.__doc__ = doc
    layer(name, event_shape=(DIM,), cond_shape=(COND,), order=tuple(range(DIM)))(make)


_coupling(
    "nflows/additive-coupling", coupling.AdditiveCouplingTransform, "AdditiveCouplingTransform"
)
_coupling("nflows/affine-coupling", coupling.AffineCouplingTransform, "AffineCouplingTransform")
_coupling(
    "nflows/rq-coupling",
    coupling.PiecewiseRationalQuadraticCouplingTransform,
    "RQ coupling",
    **SPLINE,
)
_coupling(
    "nflows/quadratic-coupling",
    coupling.PiecewiseQuadraticCouplingTransform,
    "Quadratic coupling",
    **SPLINE,
)
_coupling(
    "nflows/cubic-coupling", coupling.PiecewiseCubicCouplingTransform, "Cubic coupling", **SPLINE
)
_autoregressive(
    "nflows/affine-autoregressive",
    autoregressive.MaskedAffineAutoregressiveTransform,
    "Masked affine autoregressive",
)
_autoregressive(
    "nflows/rq-autoregressive",
    autoregressive.MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    "Masked RQ autoregressive",
    **SPLINE,
)


@layer("nflows/lu-linear", event_shape=(DIM,))
def lu_linear(seed: int) -> nn.Module:
    """LULinear."""
    return Adapted(randomized(lu.LULinear(DIM), seed, 0.2))


@layer("nflows/svd-linear", event_shape=(DIM,))
def svd_linear(seed: int) -> nn.Module:
    """SVDLinear by Householder reflections."""
    return Adapted(randomized(svd.SVDLinear(DIM, num_householder=4), seed, 0.2))


@layer("nflows/actnorm", event_shape=(DIM,))
def actnorm(seed: int) -> nn.Module:
    """ActNorm, initialised."""
    module = normalization.ActNorm(DIM)
    module.initialized.fill_(True)
    return Adapted(randomized(module, seed, 0.2))


@layer("nflows/actnorm-fresh", event_shape=(DIM,), training="differs")
def actnorm_fresh(seed: int) -> nn.Module:
    """ActNorm that takes its weights from the first batch in training mode."""
    return Adapted(normalization.ActNorm(DIM))


def _nonlinearity(name: str, make_module: Any, doc: str, **declared: Any) -> None:
    def make(seed: int) -> nn.Module:
        return Adapted(make_module())

    make.__doc__ = doc
    layer(f"nflows/{name}", event_shape=(DIM,), order=tuple(range(DIM)), **declared)(make)


_nonlinearity("tanh", nonlinearities.Tanh, "Tanh", codomain="interval(-1, 1)")
_nonlinearity("log-tanh", nonlinearities.LogTanh, "LogTanh: tanh up to 1, then a logarithm")
_nonlinearity("leaky-relu", nonlinearities.LeakyReLU, "LeakyReLU")
_nonlinearity(
    "sigmoid",
    nonlinearities.Sigmoid,
    "Sigmoid, clamped to 1e-6 from its edges",
    codomain="unit_interval",
)


def _functional(name: str, function: Any, param_widths: tuple[int, ...], cite: str) -> None:
    class Spline(Functional):
        n_params = sum(param_widths)
        metadata = {
            "citation": f"nflows, {function.__module__}",
            "family": "spline",
            "formula": cite,
        }

        def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
            value, log_slope = function(x, *parts, inverse=inverse, tail_bound=BOX)
            return value, log_slope

    Spline.param_widths = param_widths
    register_coupling(name)(Spline)


_functional(
    "nflows/rq",
    rational_quadratic.unconstrained_rational_quadratic_spline,
    (BINS, BINS, BINS - 1),
    "RQ, 8 bins",
)
_functional(
    "nflows/quadratic",
    quadratic.unconstrained_quadratic_spline,
    (BINS, BINS - 1),
    "quadratic spline, 8 bins",
)
_functional(
    "nflows/cubic", cubic.unconstrained_cubic_spline, (BINS, BINS, 1, 1), "cubic spline, 8 bins"
)
_functional("nflows/linear", linear.unconstrained_linear_spline, (BINS,), "linear spline, 8 bins")
