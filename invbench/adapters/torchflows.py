"""torchflows: forward is data → noise, log_det (B,), conditions are ``context``.

Its one-way layers (Planar, Radial, Sylvester have no forward) are adapted by ``inverse``. ActNorm
is there as after training, and fresh under ``torchflows/actnorm-fresh``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchflows.bijections.finite import matrix
from torchflows.bijections.finite.autoregressive import layers
from torchflows.bijections.finite.residual import ProximalResFlow
from torchflows.bijections.finite.residual.radial import Radial

from invbench.adapters.generic import Adapted
from invbench.flows.example_layers import randomized
from invbench.registry import layer

DIM, COND = 6, 3
ORDER = tuple(range(DIM))
COUPLING = {"untouched": (0, 1, 2), "order": ORDER}
AUTOREGRESSIVE = {"order": ORDER}
# of [-100, 100] or [-10, 10], without gradients
BISECTION = {"inverse": "sampling", "tolerance": 1e-4}
ITERATED = {"inverse": "iterated", "tolerance": 1e-4}


def _conditional(name: str, cls: Any, doc: str, declared: dict[str, Any], **options: Any) -> None:
    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        module = cls((DIM,), context_shape=(COND,), **options)
        return Adapted(randomized(module, seed, 0.2), condition="context")

    make.__doc__ = doc
    layer(f"torchflows/{name}", event_shape=(DIM,), cond_shape=(COND,), **declared)(make)


SPLINE = {"transformer_kwargs": {"boundary": 3.0, "n_bins": 8}}
SAMPLING = {**COUPLING, **BISECTION, "data_range": (-8, 8)}
_conditional("affine-coupling", layers.AffineCoupling, "AffineCoupling", COUPLING)
_conditional(
    "inverse-affine-coupling", layers.InverseAffineCoupling, "InverseAffineCoupling", COUPLING
)
_conditional("shift-coupling", layers.ShiftCoupling, "ShiftCoupling", COUPLING)
_conditional("rq-coupling", layers.RQSCoupling, "RQSCoupling, box ±3", COUPLING, **SPLINE)
_conditional("lr-coupling", layers.LRSCoupling, "LRSCoupling, box ±3", COUPLING, **SPLINE)
_conditional(
    "deep-sigmoidal-coupling", layers.DeepSigmoidalCoupling, "DeepSigmoidalCoupling", SAMPLING
)
_conditional(
    "dense-sigmoidal-coupling", layers.DenseSigmoidalCoupling, "DenseSigmoidalCoupling", SAMPLING
)
_conditional(
    "affine-autoregressive",
    layers.AffineForwardMaskedAutoregressive,
    "AffineForwardMaskedAutoregressive (MAF)",
    AUTOREGRESSIVE,
)
_conditional(
    "rq-autoregressive",
    layers.RQSForwardMaskedAutoregressive,
    "RQSForwardMaskedAutoregressive, box ±3",
    AUTOREGRESSIVE,
    **SPLINE,
)
_conditional(
    "umnn-autoregressive",
    layers.UMNNMaskedAutoregressive,
    "UMNNMaskedAutoregressive: an integral, inverted by bisection in [-100, 100]",
    {**AUTOREGRESSIVE, **BISECTION, "data_range": (-20, 20)},
)


def _plain(name: str, make_module: Callable[[], Any], doc: str, **declared: Any) -> None:
    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return Adapted(randomized(make_module(), seed, 0.2))

    make.__doc__ = doc
    layer(f"torchflows/{name}", event_shape=(DIM,), **declared)(make)


_plain(
    "elementwise-affine",
    lambda: layers.ElementwiseAffine((DIM,)),
    "ElementwiseAffine",
    **AUTOREGRESSIVE,
)
_plain("lu", lambda: matrix.LUMatrix((DIM,)), "LUMatrix")
_plain("qr", lambda: matrix.QRMatrix((DIM,)), "QRMatrix")
_plain("householder", lambda: matrix.HouseholderProductMatrix((DIM,)), "HouseholderProductMatrix")
_plain("permutation", lambda: matrix.RandomPermutationMatrix((DIM,)), "RandomPermutationMatrix")
_plain(
    "proximal-resflow",
    lambda: ProximalResFlow((DIM,)),
    "ProximalResFlow, 25 iterations back",
    **ITERATED,
)


@layer("torchflows/actnorm", event_shape=(DIM,))
def actnorm(seed: int) -> nn.Module:
    """ActNorm as after training: initialised."""
    module = layers.ActNorm((DIM,))
    module.first_training_batch_pass = False
    return Adapted(randomized(module, seed, 0.2))


@layer("torchflows/actnorm-fresh", event_shape=(DIM,), training="differs")
def actnorm_fresh(seed: int) -> nn.Module:
    """ActNorm that takes its weights from the first batch in training mode."""
    return Adapted(layers.ActNorm((DIM,)))


class OneWay(nn.Module):
    """A layer that has ``inverse`` only: its map is called forward here."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, log_det = self.module.inverse(x)  # type: ignore[operator]
        return value, log_det


@layer("torchflows/radial", event_shape=(DIM,), inverse="none")
def radial(seed: int) -> nn.Module:
    """Radial, noise → data only."""
    torch.manual_seed(seed)
    return OneWay(Radial((DIM,)))
