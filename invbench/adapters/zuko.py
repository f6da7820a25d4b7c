"""zuko: lazy transforms data → noise, conditioned by a call; its elementwise transforms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from zuko import transforms
from zuko.flows import GeneralCouplingTransform, MaskedAutoregressiveTransform

from invbench.adapters.generic import Adapted, Functional, per_row
from invbench.flows.example_layers import randomized
from invbench.registry import coupling, layer

DIM, COND, BINS, BOX = 6, 3, 8, 3.0
SPLINE = (BINS,), (BINS,), (BINS - 1,)


class Lazy(Adapted):
    """A lazy transform: ``module(cond)`` is a torch transform."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module, "forward", "forward")

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, log_det = self.module(cond).call_and_ladj(x)
        return value, per_row(log_det, x)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        value, log_det = self.module(cond).inv.call_and_ladj(z)
        return value, per_row(log_det, z)


def _lazy(name: str, cls: Any, doc: str, declared: dict[str, Any], **options: Any) -> None:
    def make(seed: int) -> nn.Module:
        return Lazy(randomized(cls(DIM, COND, hidden_features=(16,), **options), seed, 0.2))

    make.__doc__ = doc
    layer(name, event_shape=(DIM,), cond_shape=(COND,), **declared)(make)


ORDER = {"order": tuple(range(DIM))}
# eps, the documented tolerance of the inverse
BISECTION = {**ORDER, "inverse": "iterated", "tolerance": 1e-6}
WITHIN = {**BISECTION, "data_range": (-10, 10)}  # bound: the inverse is sought there
MASK = torch.tensor([True, False] * (DIM // 2))
HALF = {"untouched": (0, 2, 4), "order": (0, 2, 4, 1, 3, 5)}
RQS = {"univariate": transforms.MonotonicRQSTransform, "shapes": SPLINE}
SOS = {"univariate": transforms.SOSPolynomialTransform, "shapes": ((3, 5),)}
BERNSTEIN = {"univariate": transforms.BoundedBernsteinTransform, "shapes": ((8,),)}
_lazy(
    "zuko/affine-coupling", GeneralCouplingTransform, "Affine coupling (RealNVP)", HALF, mask=MASK
)
_lazy("zuko/rq-coupling", GeneralCouplingTransform, "RQ coupling", HALF, mask=MASK, **RQS)
_lazy(
    "zuko/affine-autoregressive",
    MaskedAutoregressiveTransform,
    "Affine autoregressive (MAF)",
    ORDER,
)
_lazy(
    "zuko/rq-autoregressive", MaskedAutoregressiveTransform, "RQ autoregressive (NSF)", ORDER, **RQS
)
_lazy(
    "zuko/sos-autoregressive",
    MaskedAutoregressiveTransform,
    "Sum of squares (SOSPF)",
    WITHIN,
    **SOS,
)
_lazy(
    "zuko/bernstein-autoregressive",
    MaskedAutoregressiveTransform,
    "Bernstein polynomials (BPF)",
    BISECTION,
    **BERNSTEIN,
)


def _elementwise(name: str, cls: Any, widths: tuple[int, ...], **options: Any) -> None:
    class Univariate(Functional):
        n_params = sum(widths)
        metadata = {"citation": "zuko.transforms", "family": "library", "formula": cls.__name__}

        def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
            transform = cls(*(p[:, 0] if p.shape[1] == 1 else p for p in parts), **options)
            value, log_slope = (transform.inv if inverse else transform).call_and_ladj(x)
            return value, log_slope

    Univariate.param_widths = widths
    coupling(name)(Univariate)


_elementwise("zuko/affine", transforms.MonotonicAffineTransform, (1, 1))
_elementwise("zuko/rq", transforms.MonotonicRQSTransform, (BINS, BINS, BINS - 1), bound=BOX)
_elementwise("zuko/bernstein", transforms.BoundedBernsteinTransform, (8,))
