"""A 1×1 convolution that is not trained."""

from __future__ import annotations

from invbench.flows.conv1x1 import Conv1x1

__all__ = ["FrozenConv1x1"]


class FrozenConv1x1(Conv1x1):
    """``Conv1x1`` whose W stays the random orthogonal matrix that it starts as, as in the released
    spline model of Hong, Park, Chun (ICCV 2023). Inverse and log_det are those of any W, so that a
    stored matrix may be any."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.weight.requires_grad_(False)
