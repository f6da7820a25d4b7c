"""The objective of attacks on a condition: the share of latents that fail under it. A single latent
would hide what a condition does to the others."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.attacks.objective import Objective, Reading, layer_sizes, log10_largest, start_sizes
from invbench.attacks.threat_model import Inputs
from invbench.flows import ConditionalFlow
from invbench.uniform import stream_seed

__all__ = ["failure_rate_objective", "failures", "pooled"]

BATCH = 16
# log10 of the growth that counts as an explosion, and how soft the count is
LARGE, WIDTH = 1.0, 0.5


def pooled(inputs: Inputs) -> Inputs:
    """Inputs whose latents are (B, N, …), as B·N rows of one latent each."""
    count = inputs.latents[0].shape[1]
    return Inputs(inputs.y.repeat_interleave(count, 0), [z.flatten(0, 1) for z in inputs.latents])


def _start_sizes(flow: ConditionalFlow, inputs: Inputs) -> Tensor:
    """``start_sizes`` of every latent of every row, (B, N, layers)."""
    sizes = start_sizes(flow, pooled(inputs))
    return sizes.reshape(len(inputs.y), -1, sizes.shape[1])


def _expected(flow: ConditionalFlow, inputs: Inputs, scale: Tensor | None) -> Reading:
    """The share of the N latents that explode, smoothed: the mean of sigmoid((g − 1)/0.5), where g
    is the largest over layers of log10(max |h| / max |h| at the start).

    It looks at all layers, not at x alone, because a layer has a slope long before x is large. A
    latent that is not finite counts as 1 and has no slope.
    """
    rows = inputs.y.shape[0]
    sizes, x = layer_sizes(flow, pooled(inputs))
    growth = (sizes - (0 if scale is None else scale.flatten(0, 1))).amax(1)
    finite = growth.isfinite()
    log = torch.where(finite, growth, torch.zeros_like(growth))
    share = torch.where(finite, torch.sigmoid((log - LARGE) / WIDTH), torch.ones_like(log))
    mean = share.view(rows, -1).mean(1)
    return Reading(mean, mean.detach().double(), x.detach().reshape(rows, -1))


def failure_rate_objective(latents: int) -> Objective:
    """The objective of attacks on conditions, with ``latents`` latents per row. Its value is a
    share, not a logarithm."""
    statement = f"share of {latents} latents that explode, smoothed"
    return Objective("failure-rate", statement, _expected, latents, _start_sizes)


@torch.no_grad()
def failures(
    flow: ConditionalFlow,
    y: Tensor,
    latents: int,
    temperature: float,
    seed: int,
    level: float = 1.0,
) -> tuple[list[float], Inputs]:
    """(per row of y, the share of ``latents`` drawn latents that fail; the inputs with the latent
    of the largest |x|).

    A latent fails when some |x| exceeds 10^level or is not finite. Row i draws from stream i of
    ``seed``, so two calls with different conditions see the same latents.
    """
    shares, worst = [], []
    for row in range(y.shape[0]):
        generator = torch.Generator().manual_seed(stream_seed(seed, row))
        sizes, parts = [], []
        for first in range(0, latents, BATCH):
            n = min(BATCH, latents - first)
            some = y[row : row + 1].expand(n, *y.shape[1:])
            parts.append(flow.sample_latents(n, some, temperature, generator))
            sizes.append(log10_largest(flow.decode(parts[-1], some)))
        size = torch.cat(sizes)
        shares.append((size > level).double().mean().item())
        at = int(size.argmax())
        worst.append([z[at % BATCH] for z in parts[at // BATCH]])
    return shares, Inputs(y, [torch.stack(z) for z in zip(*worst, strict=True)])
