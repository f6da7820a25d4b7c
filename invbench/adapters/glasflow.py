"""glasflow: RealNVP and neural spline flows on its own copy of nflows; forward is data → noise,
conditions are ``conditional``."""

from __future__ import annotations

from glasflow import CouplingNSF, RealNVP
from torch import nn

from invbench.adapters.generic import Adapted
from invbench.flows.example_layers import randomized
from invbench.registry import layer

DIM, COND = 6, 3
SMALL = {
    "n_inputs": DIM,
    "n_transforms": 2,
    "n_neurons": 16,
    "n_conditional_inputs": COND,
    "batch_norm_between_transforms": False,
}


@layer("glasflow/realnvp", event_shape=(DIM,), cond_shape=(COND,))
def realnvp(seed: int) -> nn.Module:
    """RealNVP, two transforms."""
    return Adapted(randomized(RealNVP(**SMALL), seed, 0.1), condition="conditional")


@layer("glasflow/coupling-nsf", event_shape=(DIM,), cond_shape=(COND,))
def coupling_nsf(seed: int) -> nn.Module:
    """CouplingNSF, two transforms."""
    return Adapted(
        randomized(CouplingNSF(num_bins=8, tail_bound=3.0, **SMALL), seed, 0.1),
        condition="conditional",
    )
