"""FrEIA: blocks take and return lists; conditions are ``c=[…]``, the direction is ``rev``."""

from __future__ import annotations

from typing import Any

import FrEIA.modules as blocks
import torch
from torch import Tensor, nn

from invbench.adapters.generic import Adapted, Functional, per_row
from invbench.flows.example_layers import randomized
from invbench.registry import coupling, layer

DIM, COND = 6, 3


class Block(Adapted):
    """``module((x,), c=[cond], rev=…)`` returns ((z,), log_det)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module, "forward", "forward")

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._direction(x, cond, False)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._direction(z, cond, True)

    def _direction(self, v: Tensor, cond: Tensor | None, rev: bool) -> tuple[Tensor, Tensor]:
        conditions = {} if cond is None else {"c": (cond,)}
        (value,), log_det = self.module((v,), rev=rev, **conditions)
        return value, per_row(log_det, v)


def network(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 16), nn.ReLU(), nn.Linear(16, n_out))


def _block(
    name: str,
    cls: Any,
    doc: str,
    conditional: bool = True,
    declared: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    said = {"event_shape": (DIM,), **(declared or {})}

    def make(seed: int) -> nn.Module:
        conditions = {"dims_c": [(COND,)]} if conditional else {}
        return Block(randomized(cls([said["event_shape"]], **conditions, **options), seed, 0.1))

    make.__doc__ = doc
    layer(name, cond_shape=(COND,) if conditional else None, **said)(make)


SUBNET: dict[str, Any] = {"subnet_constructor": network}
_block("FrEIA/nice-coupling", blocks.NICECouplingBlock, "NICECouplingBlock", **SUBNET)
_block("FrEIA/rnvp-coupling", blocks.RNVPCouplingBlock, "RNVPCouplingBlock", **SUBNET)
_block("FrEIA/glow-coupling", blocks.GLOWCouplingBlock, "GLOWCouplingBlock", **SUBNET)
_block("FrEIA/gin-coupling", blocks.GINCouplingBlock, "GINCouplingBlock", **SUBNET)
_block(
    "FrEIA/one-sided-coupling", blocks.AffineCouplingOneSided, "AffineCouplingOneSided", **SUBNET
)
_block(
    "FrEIA/conditional-affine",
    blocks.ConditionalAffineTransform,
    "ConditionalAffineTransform",
    **SUBNET,
)
_block("FrEIA/all-in-one", blocks.AllInOneBlock, "AllInOneBlock", **SUBNET)
_block("FrEIA/permute", blocks.PermuteRandom, "PermuteRandom", conditional=False, seed=3)
_block(
    "FrEIA/householder",
    blocks.HouseholderPerm,
    "HouseholderPerm",
    conditional=False,
    n_reflections=3,
)
IMAGE = {"event_shape": (2, 3, 3), "codomain": "unit_interval"}
FRESH = {"training": "differs"}  # it takes its weights from the first batch, in eval mode too
_block(
    "FrEIA/sigmoid",
    blocks.InvertibleSigmoid,
    "InvertibleSigmoid",
    conditional=False,
    declared=IMAGE,
)
_block("FrEIA/actnorm-fresh", blocks.ActNorm, "ActNorm, fresh", conditional=False, declared=FRESH)


@layer("FrEIA/actnorm", event_shape=(DIM,))
def actnorm(seed: int) -> nn.Module:
    """ActNorm as after training: initialised."""
    module = blocks.ActNorm([(DIM,)])
    module.init_on_next_batch = False
    return Block(randomized(module, seed, 0.1))


@coupling("FrEIA/affine")
class Affine(Functional):
    """The affine map inside GLOWCouplingBlock: exp(clamp·0.636·atan a)·x + t."""

    param_widths = (2,)
    n_params = 2
    metadata = {
        "citation": "FrEIA.modules.coupling_layers",
        "family": "affine",
        "formula": "GLOWCouplingBlock's map",
    }

    def __init__(self) -> None:
        super().__init__()
        self.block = blocks.GLOWCouplingBlock([(2,)], subnet_constructor=_identity)

    def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = self.block._coupling1(x[:, None], parts[0], rev=inverse)
        return value[:, 0], torch.as_tensor(log_slope)


def _identity(n_in: int, n_out: int) -> nn.Module:
    return nn.Identity()
