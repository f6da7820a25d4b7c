"""The round-trip error of a flow: encode, then decode."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.flows import ConditionalFlow

__all__ = ["round_trip_error"]


@torch.no_grad()
def round_trip_error(flow: ConditionalFlow, x: Tensor, y: Tensor) -> Tensor:
    """max |decode(encode(x, y), y) − x| per row, (B,), in units of x; NaN counts as infinite."""
    latents, _ = flow.encode(x, y)
    error = (flow.decode(latents, y) - x).flatten(1).abs().amax(1)
    return error.nan_to_num(nan=torch.inf, posinf=torch.inf)
