"""How many digits survive a round trip x → y → x̂, and how many its conditioning lets survive.

Rounding y once, by a relative u, moves x̂ by up to κ·u·‖x‖ with κ = σmax(J⁻¹)·‖y‖/‖x‖. A loss far
beyond that is the implementation's; a large κ is the design's (Higham, Accuracy and Stability of
Numerical Algorithms, 2002, section 1.6).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invbench.bounds.lipschitz import decoder, encoder, largest_jacobian_norm
from invbench.bounds.zonotope import roundoff
from invbench.couplings.base import Elementwise
from invbench.devices import tf32
from invbench.flows import ConditionalFlow

__all__ = ["PRECISIONS", "Loss", "Precision", "coupling_loss", "flow_loss"]


@dataclass(frozen=True)
class Precision:
    """A way to compute.

    ``dtype``: of weights and inputs. ``autocast``: a lower dtype of some operations. ``u``: unit
    roundoff of the coarsest operation. ``device``: on which it exists.
    """

    dtype: torch.dtype
    u: float
    autocast: torch.dtype | None = None
    tf32: bool = False
    device: str = "any"

    def context(self, device: str) -> AbstractContextManager[object]:
        """The context in which a module computes in this precision."""
        return (
            nullcontext() if self.autocast is None else torch.autocast(device, dtype=self.autocast)
        )


PRECISIONS: dict[str, Precision] = {
    "float64": Precision(torch.float64, roundoff(torch.float64)),
    "float32": Precision(torch.float32, roundoff(torch.float32)),
    "tf32": Precision(torch.float32, 2.0**-11, tf32=True, device="cuda"),
    "bfloat16": Precision(torch.bfloat16, roundoff(torch.bfloat16)),
    "float16": Precision(torch.float16, roundoff(torch.float16)),
    "autocast-bfloat16": Precision(torch.float32, roundoff(torch.bfloat16), torch.bfloat16),
    "autocast-float16": Precision(torch.float32, roundoff(torch.float16), torch.float16),
}


@dataclass(frozen=True)
class Loss:
    """The loss of one round trip x → y → x̂; norms are over all elements of a row.

    ``kappa``: κ = σmax(J⁻¹)·‖y‖/‖x‖, tier L0, in float64. ``predicted``: u·κ, what rounding y once
    may cost. ``measured``: ‖x̂ − x‖/‖x‖ in the precision, infinite when not finite.
    ``T``: ‖x̂ − x‖/(u·(‖x‖ + σmax(J⁻¹)·‖y‖)). ``eta``: ‖f(x̂) − y‖/(u·(‖y‖ + ‖J‖·‖x̂‖)) with f in
    float64. In sound code T and eta are small multiples of the number of layers.
    """

    kappa: float
    predicted: float
    measured: float
    T: float
    eta: float

    @property
    def digits(self) -> float:
        """The decimal digits that are left: −log10 of the measured loss, at least 0; 17 for an
        exact round trip."""
        return (
            17.0
            if self.measured == 0
            else max(0.0, -math.log10(self.measured))
            if self.measured < math.inf
            else 0.0
        )


def _norm(v: Tensor) -> Tensor:
    return v.double().flatten(1).norm(dim=1)


def _losses(
    u: float,
    x: Tensor,
    y: Tensor,
    back: Tensor,
    again: Tensor,
    inverse_norm: Tensor,
    norm: Tensor,
) -> list[Loss]:
    size_x, size_y = _norm(x), _norm(y)
    error, residual = _norm(back.double() - x.double()), _norm(again - y.double())
    reach = size_x + inverse_norm * size_y
    rows = torch.stack(
        (
            inverse_norm * size_y / size_x,
            u * inverse_norm * size_y / size_x,
            error / size_x,
            error / (u * reach),
            residual / (u * (size_y + norm * _norm(back))),
        ),
        1,
    )
    return [Loss(*row) for row in rows.nan_to_num(math.inf, math.inf).tolist()]


@torch.no_grad()
def coupling_loss(
    design: Elementwise, x: Tensor, params: Tensor, precision: Precision
) -> list[Loss]:
    """One ``Loss`` per row of x (B, N), with params (n_params, B, N).

    Inputs are rounded to the precision first, so that only the computation is judged. J is
    diagonal, so its norms are the extremes of the slopes.
    """
    narrow = copy.deepcopy(design).to(precision.dtype)
    wide = copy.deepcopy(design).double()
    x, params = x.to(precision.dtype), params.to(precision.dtype)
    with precision.context(x.device.type):
        y, _ = narrow(x, params)
        back, _ = narrow.inverse(y, params)
    again, _ = wide(back.double(), params.double())
    _, log_slope = wide(x.double(), params.double())
    slopes = log_slope.exp()
    return _losses(precision.u, x, y, back, again, 1 / slopes.amin(1), slopes.amax(1))


def flow_loss(
    flow: ConditionalFlow, x: Tensor, y: Tensor, names: list[str], products: int = 30
) -> dict[str, list[Loss]]:
    """Name of a precision → one ``Loss`` per row of x, for the round trip data → latents → data of
    a flow in evaluation mode.

    The latents are what ``Loss`` calls y. The norms of J and J⁻¹ come from ``products`` products
    with the Jacobian in float64, once for all precisions.
    """
    wide = copy.deepcopy(flow).double()
    with torch.no_grad():
        exact, _ = wide.encode(x.double(), y.double())
    inverse, point = decoder(wide, exact, y.double())
    inverse_norm = largest_jacobian_norm(inverse, point, products).value
    norm = largest_jacobian_norm(encoder(wide, y.double()), x.double(), products).value
    found: dict[str, list[Loss]] = {}
    for name in names:
        precision = PRECISIONS[name]
        narrow: Callable[[Tensor], Tensor] | nn.Module = copy.deepcopy(flow).to(precision.dtype)
        assert isinstance(narrow, ConditionalFlow)
        xs, ys = x.to(precision.dtype), y.to(precision.dtype)
        with torch.no_grad(), tf32(precision.tf32), precision.context(x.device.type):
            latents, _ = narrow.encode(xs, ys)
            back = narrow.decode(latents, ys)
        with torch.no_grad():
            again = torch.cat([z.flatten(1) for z in wide.encode(back.double(), ys.double())[0]], 1)
        z = torch.cat([part.flatten(1) for part in latents], 1)
        found[name] = _losses(precision.u, xs, z, back, again, inverse_norm, norm)
    return found
