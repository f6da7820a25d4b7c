"""The order of layers in the published flows of images."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from invbench.flows import ActNorm, Conv1x1, Split, Squeeze
from invbench.flows.conditioner import Conditioner, ZeroConv

__all__ = ["level_layers"]


def level_layers(
    levels: int,
    steps: int,
    step: Callable[[str, int], dict[str, nn.Module]],
    *,
    splits: int = 0,
    predictor: Conditioner = ZeroConv,
    transitions: int = 0,
) -> dict[str, nn.Module]:
    """The layers of a flow of images with three channels, in order; names begin with ``level1_``,
    ``level2_``, …

    A level is squeeze → ``transitions`` × (ActNorm → 1×1) → ``steps`` × (ActNorm → 1×1 →
    ``step(prefix, channels)``). The first ``splits`` levels end with a ``Split``, with the
    conditioner ``predictor``, which halves the channels.
    """
    layers: dict[str, nn.Module] = {}
    channels = 3
    for level in range(1, levels + 1):
        layers[f"level{level}_squeeze"] = Squeeze()
        channels *= 4
        for k in range(1, transitions + 1):
            layers.update(_mixing(f"level{level}_transition{k}", channels))
        for k in range(1, steps + 1):
            prefix = f"level{level}_step{k}"
            layers.update(_mixing(prefix, channels))
            layers.update(step(prefix, channels))
        if level <= splits:
            layers[f"level{level}_split"] = Split(channels, predictor)
            channels //= 2
    return layers


def _mixing(prefix: str, channels: int) -> dict[str, nn.Module]:
    return {f"{prefix}_actnorm": ActNorm(channels), f"{prefix}_conv1x1": Conv1x1(channels)}
