"""Checks of what designs and splits declare, before a certificate rests on it."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from invbench.bounds.moves import move_of, uncompiled
from invbench.couplings.base import Elementwise
from invbench.errors import UsageError
from invbench.flows import ConditionalCoupling, ConditionalFlow, Split

__all__ = ["refuse_false_claims", "refuse_false_move", "refuse_false_reach"]

# of the raw parameters that a claim is tried with: from none to saturated
SCALES = (0.0, 1.0, 4.0, 16.0, 60.0)
SETS, POINTS, REACH = 48, 129, 8.0
FAR = (16.0, 256.0, 65536.0)


def refuse_false_claims(flow: ConditionalFlow) -> None:
    """Try every design of the flow, one of each class and options, and every split that declares a
    reach. Raises ``UsageError`` where a claim is false."""
    tried: set[tuple[type, str]] = set()
    for part in flow.modules():
        if isinstance(part, ConditionalCoupling):
            design = uncompiled(part.coupling)
            own = {k: v for k, v in vars(design).items() if not k.startswith("_")}
            key = type(design), repr(sorted(own.items(), key=lambda item: item[0]))
            if key not in tried or next(design.parameters(), None) is not None:
                refuse_false_move(design)
            tried.add(key)
        elif isinstance(part, Split) and callable(getattr(part, "reach", None)):
            refuse_false_reach(part)


def refuse_false_move(design: Elementwise) -> None:
    """Try the declared displacement and shift at 48 parameter sets of each scale and 135 points, in
    float64.

    Half the range of c⁻¹(y) − y over y is the least sup |c⁻¹(y) − (y − t)| over shifts t, as in the
    law ``declared-displacement``. Raises ``UsageError`` where it exceeds the displacement, or where
    |c⁻¹(y) − y| exceeds displacement + shift_bound.
    """
    design = copy.deepcopy(uncompiled(design)).double()
    displacement = getattr(design, "displacement", None)
    if displacement is None or not displacement < math.inf:
        return
    generator = torch.Generator().manual_seed(0)
    y = torch.cat(
        (torch.linspace(-REACH, REACH, POINTS), torch.tensor(FAR), -torch.tensor(FAR))
    ).double()[:, None]
    params = torch.cat(
        [
            s * torch.randn(design.n_params, SETS, generator=generator, dtype=torch.float64)
            for s in SCALES
        ],
        dim=1,
    )
    with torch.no_grad():
        values = y.expand(-1, params.shape[1])
        moved = design.inverse(values, params[:, None].expand(-1, *values.shape))[0] - values
    allowed = 1e-9 * (1 + y.abs().max().item())
    half = ((moved.amax(0) - moved.amin(0)) / 2).max().item()
    _refuse(design, "displacement", half, displacement, allowed)
    bound = move_of(design).bound
    if bound < math.inf:
        _refuse(design, "displacement + shift_bound", moved.abs().max().item(), bound, allowed)


def _refuse(owner: nn.Module, what: str, found: float, bound: float, allowed: float) -> None:
    if not found <= bound + allowed:  # NaN is no evidence of a bound
        raise UsageError(
            f"{type(owner).__name__} declares {what} = {bound:.6g} and its inverse moves a "
            f"value by {found:.6g}: no certificate "
            "rests on it; correct the declared constant (invbench check shows the case)"
        )


def refuse_false_reach(split: Split, latent: float = 4.0) -> None:
    """Try the declared ``reach`` of a split: its inverse at latents |ε| ≤ 4, half of them at ±4,
    with drawn numbers in place of the outputs of its conditioner.

    Raises ``UsageError`` where the reach is exceeded, or where the split cannot be tried.
    """
    tried = copy.deepcopy(split).double()
    generator = torch.Generator().manual_seed(0)
    found = 0.0
    try:
        with torch.no_grad():
            z1, raw = _asked(tried, generator)
            eps = latent * (2 * torch.rand(z1.shape, generator=generator, dtype=torch.float64) - 1)
            eps[::2] = latent * eps[::2].sign()
            for scale in SCALES:
                tried.network = _Drawn(
                    scale * torch.randn(raw.shape, generator=generator, dtype=torch.float64)
                )
                found = max(
                    found,
                    tried.inverse(z1, eps)[0][:, tried.kept :]
                    .abs()
                    .nan_to_num(math.inf)
                    .max()
                    .item(),
                )
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"{type(split).__name__} declares a reach that cannot be tried: {error}"
        ) from error
    _refuse(split, f"reach({latent:g})", found, float(split.reach(latent)), 1e-6)  # type: ignore[operator]


def _asked(split: Split, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(kept halves, the conditioner's outputs): images of 2×2 positions, or vectors where it takes
    no images."""
    z1 = torch.randn(SETS, split.kept, 2, 2, generator=generator, dtype=torch.float64)
    try:
        return z1, split.network(z1)
    except (IndexError, RuntimeError, ValueError):
        return z1[..., 0, 0], split.network(z1[..., 0, 0])


class _Drawn(nn.Module):
    """A conditioner with given outputs."""

    def __init__(self, raw: Tensor) -> None:
        super().__init__()
        self.raw = raw

    def forward(self, h: Tensor) -> Tensor:
        return self.raw
