"""Rules of further layers, shipped architectures with bounded designs, and conditioners that say
±Inf."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

import invbench
from invbench.bounds import certify
from invbench.couplings import RQBounded
from invbench.couplings.compiled import CompiledCoupling
from invbench.flows import ActNorm, ConditionalFlow, DenseConditioner
from invbench.flows.example_layers import randomized
from invbench.flows.orthogonal_additive import OrthogonalAdditive
from invbench.flows.residual import ResidualBlock
from invbench.registry import FLOWS
from tests.support.bounded_flows import RADIUS, BoundedSplit, Pushed, Saturated, latents, tiny, told


def vectors(*layers: nn.Module) -> ConditionalFlow:
    named = {f"layer{k}": layer for k, layer in enumerate(layers)}
    return ConditionalFlow(named, nn.Identity(), lambda y: [(6,)]).eval()


def corners(rows: int, radius: float = RADIUS) -> list[torch.Tensor]:
    return [radius * torch.randn(rows, 6, generator=torch.Generator().manual_seed(0)).sign()]


class TestVectors:
    def test_a_residual_block_moves_by_no_more_than_its_last_layer(self):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            block = ResidualBlock(6, 4)
        found = certify(vectors(ActNorm(6), block), RADIUS)
        with torch.no_grad():
            reached = (
                vectors(ActNorm(6), block)
                .decode(corners(4096), torch.zeros(4096, 2))
                .abs()
                .max()
                .item()
            )
            bias = block.last.bias.abs().max().item()
        assert RADIUS + 0.1 < reached <= found.max_abs <= RADIUS + 2 * 0.7 + bias

    def test_an_orthogonal_mixing_turns_the_box(self):
        layer = randomized(
            OrthogonalAdditive(6, 2, partial(DenseConditioner, width=4, hidden=1)), 0, 0.4
        )
        assert certify(vectors(layer)).reason == "layer0: Additive has an unbounded shift"
        still = certify(vectors(layer), RADIUS, moves=lambda name, inner: 0.0)
        exact = (RADIUS * layer._rotation().T.abs().sum(1)).max().item()
        assert still.max_abs == pytest.approx(exact, rel=1e-5)

    def test_a_flow_whose_layers_do_not_tell_their_width(self):
        assert (
            certify(vectors(nn.Identity())).reason
            == "latent: no layer tells the number of channels"
        )


@pytest.fixture(scope="module")
def flow():
    """The shipped ``cubic-rational-bounded`` with its shifts saturated at 2 and a bounded split in
    place of exp(logs)."""
    own = invbench.load_flow("srflow", "cubic-rational-bounded")
    flow = FLOWS["srflow"].obj(Saturated, "mini", 0)
    flow.load_state_dict(own.state_dict())
    flow.layers["level1_split"].__class__ = BoundedSplit  # the same conditioner, another formula
    return flow.eval()


class TestTrained:
    def test_an_ascent_on_latents_and_condition_stays_below(self, flow):
        """Pixels of the condition free in [−5, 5]; 25 sign steps on the largest |residual|."""
        found = certify(flow, RADIUS, 0.9)
        assert 10 < found.max_residual < 25 and found.dtypes[0] == "float16"
        generator = torch.Generator().manual_seed(0)
        y = torch.rand(1, 3, 4, 4, generator=generator)
        z, reached = flow.sample_latents(1, y, 0.9, generator), 0.0
        for _ in range(25):
            z, y = (
                [v.detach().clamp(-3.6, 3.6).requires_grad_() for v in z],
                y.detach().clamp(-5, 5).requires_grad_(),
            )
            residual = flow.decode(z, y) - flow._base(y)
            reached = max(reached, residual.detach().abs().max().item())
            *gz, gy = torch.autograd.grad(residual.abs().amax(), [*z, y])
            with torch.no_grad():
                z = [v + 0.8 * g.sign() for v, g in zip(z, gz, strict=True)]
                y = y + 0.5 * gy.sign()
        assert 0.15 * found.max_residual < reached <= found.max_residual

    def test_half_precision_decodes_are_finite_and_below(self, flow):
        half = FLOWS["srflow"].obj(Saturated, "mini", 0)
        half.load_state_dict(flow.state_dict())
        half.layers["level1_split"].__class__ = BoundedSplit
        half = half.half().eval()
        found = certify(half, RADIUS, 0.9)
        y = torch.rand(4, 3, 4, 4, generator=torch.Generator().manual_seed(1)).half()
        z = [
            v.clamp(-3.6, 3.6)
            for v in half.sample_latents(4, y, 5.0, torch.Generator().manual_seed(2))
        ]
        with torch.no_grad():
            x = half.decode(z, y)
        assert x.isfinite().all() and x.abs().max().item() <= found.max_abs


@pytest.mark.parametrize("design", [Pushed, Saturated], ids=lambda d: d.__name__)
def test_infinite_outputs_of_conditioners_saturate_and_are_certified(design):
    flow = tiny(design, BoundedSplit)
    bound = certify(flow, RADIUS).max_abs
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for raw in told(flow):
                signs = torch.randn(raw.shape, generator=generator).sign()
                raw.copy_(
                    torch.where(
                        torch.rand(raw.shape, generator=generator) < 0.2, math.inf * signs, signs
                    )
                )
            x = flow.decode(latents(16, seed, corners=True), torch.zeros(16, 3, 2, 2))
        assert x.abs().max().item() <= bound  # NaN is not


def test_a_compiled_coupling_has_the_moves_of_its_design():
    flow = tiny(RQBounded)
    size = certify(flow).max_abs
    for name, layer in flow.layers.items():
        if name.endswith("coupling"):
            layer.coupling = CompiledCoupling(layer.coupling)
    assert certify(flow).max_abs == size
