"""The order of layers in the published flows of images."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from invbench.couplings.base import Elementwise
from invbench.flows import ActNorm, Squeeze
from invbench.flows.conditioner import Conditioner, ZeroConv
from invbench_models.options import conv1x1_layer, split_layer

__all__ = ["level_layers"]


def level_layers(
    levels: int,
    steps: int,
    step: Callable[[str, int], dict[str, nn.Module]],
    coupling: Callable[[], Elementwise],
    *,
    splits: int = 0,
    predictor: Conditioner = ZeroConv,
    transitions: int = 0,
    conv1x1: str = "free",
    split: str = "affine",
) -> dict[str, nn.Module]:
    """The layers of a flow of images with three channels, in order; names begin with ``level1_``,
    ``level2_``, …

    A level is squeeze → ``transitions`` × (ActNorm → 1×1) → ``steps`` × (ActNorm → 1×1 →
    ``step(prefix, channels)``). The first ``splits`` levels end with a split, with the conditioner
    ``predictor``, which halves the channels. ``conv1x1`` and ``split`` are names of ``options``;
    ``coupling`` makes the design of a split by design.
    """
    layers: dict[str, nn.Module] = {}
    channels = 3
    for level in range(1, levels + 1):
        layers[f"level{level}_squeeze"] = Squeeze()
        channels *= 4
        for k in range(1, transitions + 1):
            layers.update(_mixing(f"level{level}_transition{k}", channels, conv1x1))
        for k in range(1, steps + 1):
            prefix = f"level{level}_step{k}"
            layers.update(_mixing(prefix, channels, conv1x1))
            layers.update(step(prefix, channels))
        if level <= splits:
            layers[f"level{level}_split"] = split_layer(split, channels, predictor, coupling)
            channels //= 2
    return layers


def _mixing(prefix: str, channels: int, conv1x1: str) -> dict[str, nn.Module]:
    return {
        f"{prefix}_actnorm": ActNorm(channels),
        f"{prefix}_conv1x1": conv1x1_layer(conv1x1, channels),
    }
