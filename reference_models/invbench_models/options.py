"""Choices of the architecture that the reference flows have by name: the 1×1 convolutions and the
map of a split."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from invbench.couplings.base import Elementwise
from invbench.flows import (
    BoundedSplit,
    Conv1x1,
    DesignSplit,
    FrozenConv1x1,
    OrthogonalConv1x1,
    Split,
)
from invbench.flows.conditioner import Conditioner

__all__ = ["OPTIONS", "conv1x1_layer", "split_layer"]

CONV1X1: dict[str, type[nn.Module]] = {
    "free": Conv1x1,
    "orthogonal": OrthogonalConv1x1,
    "frozen": FrozenConv1x1,
}
SPLITS: dict[str, type[Split]] = {
    "affine": Split,
    "bounded": BoundedSplit,
    "design": DesignSplit,
}
# option → its values; the first is what a flow is without the option
OPTIONS = {"conv1x1": tuple(CONV1X1), "split": tuple(SPLITS)}


def conv1x1_layer(kind: str, channels: int) -> nn.Module:
    """The 1×1 convolution of this name over ``channels``."""
    return CONV1X1[kind](channels)


def split_layer(
    kind: str, channels: int, conditioner: Conditioner, coupling: Callable[[], Elementwise]
) -> Split:
    """The split of this name; ``coupling`` makes the design of a split by design."""
    if kind == "design":
        return DesignSplit(channels, conditioner, coupling())
    return SPLITS[kind](channels, conditioner)
