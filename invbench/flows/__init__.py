"""Conditional flows and their layers.

An invertible layer has ``forward(x, cond=None)`` and ``inverse(z, cond=None)``. Each returns the
value and the log_det, (B,), of the direction called.
"""

from invbench.flows import example_layers as _example_layers  # noqa: F401  registers the layers
from invbench.flows.actnorm import ActNorm
from invbench.flows.conditional_flow import ConditionalFlow
from invbench.flows.conditioner import ConvConditioner, DenseConditioner, ZeroConv
from invbench.flows.conv1x1 import Conv1x1
from invbench.flows.coupling import ConditionalCoupling
from invbench.flows.split import Split
from invbench.flows.squeeze import Squeeze

__all__ = [
    "ActNorm",
    "ConditionalCoupling",
    "ConditionalFlow",
    "Conv1x1",
    "ConvConditioner",
    "DenseConditioner",
    "Split",
    "Squeeze",
    "ZeroConv",
]
