"""normflows: its flows map noise → data, so forward here is their ``inverse``; conditions are
``context``."""

from __future__ import annotations

import torch
from normflows import flows, nets
from normflows.utils.splines import unconstrained_rational_quadratic_spline
from torch import Tensor, nn

from invbench.adapters.generic import Adapted, Functional
from invbench.flows.example_layers import randomized
from invbench.registry import coupling, layer

DIM, COND, BINS, BOX = 6, 3, 8, 3.0


def _adapted(module: nn.Module, seed: int, condition: str | None = None) -> nn.Module:
    return Adapted(randomized(module, seed, 0.2), "inverse", "forward", condition)


@layer(
    "normflows/affine-coupling", event_shape=(DIM,), untouched=(0, 1, 2), order=tuple(range(DIM))
)
def affine_coupling(seed: int) -> nn.Module:
    """AffineCouplingBlock, scale by exp."""
    return _adapted(flows.AffineCouplingBlock(nets.MLP([3, 16, 6]), scale_map="exp"), seed)


@layer(
    "normflows/affine-coupling-sigmoid",
    event_shape=(DIM,),
    untouched=(0, 1, 2),
    order=tuple(range(DIM)),
)
def affine_coupling_sigmoid(seed: int) -> nn.Module:
    """AffineCouplingBlock, scale by sigmoid."""
    return _adapted(flows.AffineCouplingBlock(nets.MLP([3, 16, 6]), scale_map="sigmoid"), seed)


@layer("normflows/masked-affine", event_shape=(DIM,), untouched=(1, 3, 5), order=(1, 3, 5, 0, 2, 4))
def masked_affine(seed: int) -> nn.Module:
    """MaskedAffineFlow (RealNVP)."""
    mask = torch.tensor([0.0, 1.0] * (DIM // 2))
    return _adapted(
        flows.MaskedAffineFlow(mask, nets.MLP([DIM, 16, DIM]), nets.MLP([DIM, 16, DIM])), seed
    )


@layer("normflows/rq-coupling", event_shape=(DIM,), cond_shape=(COND,))
def rq_coupling(seed: int) -> nn.Module:
    """CoupledRationalQuadraticSpline."""
    module = flows.CoupledRationalQuadraticSpline(
        DIM, 1, 16, num_context_channels=COND, num_bins=BINS, tail_bound=BOX
    )
    return _adapted(module, seed, "context")


@layer("normflows/rq-autoregressive", event_shape=(DIM,), cond_shape=(COND,))
def rq_autoregressive(seed: int) -> nn.Module:
    """AutoregressiveRationalQuadraticSpline."""
    module = flows.AutoregressiveRationalQuadraticSpline(
        DIM, 1, 16, num_context_channels=COND, num_bins=BINS, tail_bound=BOX
    )
    return _adapted(module, seed, "context")


@layer("normflows/affine-autoregressive", event_shape=(DIM,), cond_shape=(COND,))
def affine_autoregressive(seed: int) -> nn.Module:
    """MaskedAffineAutoregressive."""
    return _adapted(
        flows.MaskedAffineAutoregressive(DIM, 16, context_features=COND, num_blocks=1),
        seed,
        "context",
    )


@layer("normflows/lu-permute", event_shape=(DIM,))
def lu_permute(seed: int) -> nn.Module:
    """LULinearPermute."""
    return _adapted(flows.LULinearPermute(DIM), seed)


@layer("normflows/conv1x1", event_shape=(4, 2, 2))
def conv1x1(seed: int) -> nn.Module:
    """Invertible1x1Conv, LU."""
    return _adapted(flows.Invertible1x1Conv(4, use_lu=True), seed)


@layer("normflows/glow-block", event_shape=(4, 2, 2))
def glow_block(seed: int) -> nn.Module:
    """GlowBlock with its ActNorms marked as initialised."""
    module = flows.GlowBlock(4, 8)
    for part in module.modules():
        if isinstance(part, flows.ActNorm):
            part.data_dep_init_done.fill_(1.0)
    return _adapted(module, seed)


@layer("normflows/glow-block-fresh", event_shape=(4, 2, 2), training="differs")
def glow_block_fresh(seed: int) -> nn.Module:
    """GlowBlock whose ActNorm takes its weights from the first batch, in eval mode too."""
    return _adapted(flows.GlowBlock(4, 8), seed)


@layer("normflows/actnorm", event_shape=(DIM,))
def actnorm(seed: int) -> nn.Module:
    """ActNorm marked as initialised."""
    module = flows.ActNorm((DIM,))
    module.data_dep_init_done.fill_(1.0)
    return _adapted(module, seed)


@coupling("normflows/rq")
class RQ(Functional):
    """unconstrained_rational_quadratic_spline."""

    param_widths = (BINS, BINS, BINS - 1)
    n_params = sum(param_widths)
    metadata = {
        "citation": "normflows, normflows.utils.splines",
        "family": "spline",
        "formula": "RQ, 8 bins",
    }

    def run(self, x: Tensor, parts: list[Tensor], inverse: bool) -> tuple[Tensor, Tensor]:
        value, log_slope = unconstrained_rational_quadratic_spline(
            x, *parts, inverse=inverse, tail_bound=BOX
        )
        return value, log_slope
