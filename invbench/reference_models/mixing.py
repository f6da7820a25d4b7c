"""What stands before every coupling of the published flows."""

from __future__ import annotations

from torch import nn

from invbench.flows import ActNorm, Conv1x1

__all__ = ["mixing"]


def mixing(prefix: str, channels: int) -> dict[str, nn.Module]:
    """ActNorm, then the 1×1 convolution over ``channels``, under the names ``prefix_actnorm`` and ``prefix_conv1x1``."""
    return {f"{prefix}_actnorm": ActNorm(channels), f"{prefix}_conv1x1": Conv1x1(channels)}
