"""Conditional flows and their layers.

An invertible layer has ``forward(x, cond=None)`` and ``inverse(z, cond=None)``. Each returns the
value and the log_det, (B,), of the direction called.
"""

from invbench.flows import example_layers as _example_layers  # noqa: F401  registers the layers
from invbench.flows.actnorm import ActNorm
from invbench.flows.bounded_split import BoundedSplit
from invbench.flows.conditional_flow import ConditionalFlow
from invbench.flows.conditioner import ConvConditioner, DenseConditioner, ZeroConv
from invbench.flows.conv1x1 import Conv1x1
from invbench.flows.coupling import ConditionalCoupling
from invbench.flows.design_split import DesignSplit
from invbench.flows.frozen_conv1x1 import FrozenConv1x1
from invbench.flows.orthogonal_conv1x1 import OrthogonalConv1x1
from invbench.flows.split import Split
from invbench.flows.squeeze import Squeeze

__all__ = [
    "ActNorm",
    "BoundedSplit",
    "ConditionalCoupling",
    "ConditionalFlow",
    "Conv1x1",
    "ConvConditioner",
    "DenseConditioner",
    "DesignSplit",
    "FrozenConv1x1",
    "OrthogonalConv1x1",
    "Split",
    "Squeeze",
    "ZeroConv",
]
