"""Attacks on a condition: over many latents, since one fixed latent hides what a condition does to
the others."""

from __future__ import annotations

import torch
from torch import Tensor

from invbench.attacks.objective import Objective, Reading, layer_sizes, log10_largest, start_sizes
from invbench.attacks.space import Inputs
from invbench.flows import ConditionalFlow

__all__ = ["failure_rate_objective", "failures", "pooled"]

BATCH = 16
# log10 of the growth that counts as an explosion, and how soft the count is
LARGE, WIDTH = 1.0, 0.5


def pooled(inputs: Inputs) -> Inputs:
    """Rows (B) with latents (B, N, …) as B·N rows of one latent each."""
    count = inputs.latents[0].shape[1]
    return Inputs(inputs.y.repeat_interleave(count, 0), [z.flatten(0, 1) for z in inputs.latents])


def _start_sizes(flow: ConditionalFlow, inputs: Inputs) -> Tensor:
    """(B, N, layers)."""
    sizes = start_sizes(flow, pooled(inputs))
    return sizes.reshape(len(inputs.y), -1, sizes.shape[1])


def _expected(flow: ConditionalFlow, inputs: Inputs, scale: Tensor | None) -> Reading:
    """Mean over N latents of sigmoid((g − 1)/0.5), g the largest over layers of log10(max |h| / max
    |h| at the start): a smooth count of the latents that explode.

    Layers, not x alone: one of them has a slope where x does not look conspicuous yet. A latent
    that is not finite counts 1 and has no slope.
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
    """The objective for conditions with ``latents`` latents per row; its value is a share, not a
    logarithm."""
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
    """(the share of ``latents`` latents that give some |x| > 10^level or a non-finite one, the
    inputs that give the largest |x|), per row of y.

    Row i draws from stream i of ``seed``: called with two conditions, the latents are the same.
    """
    shares, worst = [], []
    for row in range(y.shape[0]):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + row)
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
