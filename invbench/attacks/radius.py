"""The critical radius: how far a drawn latent must move for the flow to fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from invbench.attacks.climb import climb
from invbench.attacks.judge import AttackVerdict, judge
from invbench.attacks.threat_model import ThreatModel
from invbench.flows import ConditionalFlow

__all__ = ["LARGEST", "SMALLEST", "Radii", "critical_radii"]

SMALLEST, LARGEST = 2.0**-6, 4.0  # in τ

Level = Callable[[AttackVerdict], bool]
DEFAULT: Mapping[str, Level] = {
    "F2": lambda verdict: verdict.levels["F2"],
    "F1": lambda verdict: verdict.levels["F1"],
    "F4": lambda verdict: verdict.levels["F4"],
}


@dataclass(frozen=True)
class Radii:
    """The critical radii of B inputs.

    ``levels[level][i]``: the least ℓ∞ radius, in τ, at which a search on input i reached the level,
    to a factor of 2^(8/2^bisections). Infinite (censored) where none did within 4τ, NaN where no
    search got under way (``SearchTrace.searched``), so that nothing is known. ``log10_x[i]``:
    (radius, log10 |x|) of every search on input i.
    """

    levels: dict[str, list[float]]
    log10_x: list[list[tuple[float, float]]]
    evaluations: list[float]


def critical_radii(
    flow: ConditionalFlow,
    threat: ThreatModel,
    steps: int,
    bisections: int = 5,
    levels: Mapping[str, Level] = DEFAULT,
    scale: int | None = 4,
    float64_reference: ConditionalFlow | None = None,
) -> Radii:
    """Bisect the logarithm of the radius in [1/64, 4]·τ; each radius is tried by ``climb`` for
    ``steps`` steps from the start.

    ``levels``: name → whether a verdict reaches it. Every search serves all levels: what it reached
    counts at its radius and beyond. An input that fails at its start has radius 0. ``threat`` moves
    latents; its radius is replaced. ``scale`` and ``float64_reference``: as in ``run_attack``.
    """
    clean = None if scale is None else threat.origin.y
    rows = threat.start.shape[0]
    everyone = torch.arange(rows, device=threat.start.device)
    low = {level: torch.full((rows,), SMALLEST / 2, dtype=torch.float64) for level in levels}
    high = {level: torch.full((rows,), math.inf, dtype=torch.float64) for level in levels}
    seen: list[list[tuple[float, float]]] = [[] for _ in range(rows)]
    spent = torch.zeros(rows, dtype=torch.float64)
    searched = torch.zeros(rows, dtype=torch.bool)

    def note(
        index: torch.Tensor, radius: torch.Tensor, at: torch.Tensor, passes: torch.Tensor
    ) -> None:
        verdicts = judge(
            flow, threat.rows(index).unpack(at), None if clean is None else clean[index], scale or 1
        )
        for k, (row, verdict) in enumerate(zip(index.tolist(), verdicts, strict=True)):
            r = float(radius[k])
            seen[row].append((r, verdict.log10_x))
            spent[row] += float(passes[k])
            for level, reached in levels.items():
                if reached(verdict):
                    high[level][row] = min(high[level][row].item(), r)
                elif r < high[level][row]:
                    low[level][row] = max(low[level][row].item(), r)

    def attempt(index: torch.Tensor, radius: torch.Tensor) -> None:
        here = replace(threat.rows(index), radius=radius.to(threat.start))
        trace = climb(flow, float64_reference, here, steps)
        note(index, radius, trace.worst, trace.evaluations.cpu())
        searched[index] |= trace.searched.cpu()

    note(everyone, torch.zeros(rows), threat.start, torch.ones(rows))
    attempt(everyone, torch.full((rows,), LARGEST, dtype=torch.float64))
    for level in levels:
        for _ in range(bisections):
            # left out: what is unreachable, fails at once, or is as fine as asked for
            width = (high[level] / low[level]).log2()
            open_ = (
                (high[level].isfinite() & (high[level] > 0) & (width > 9 / 2**bisections))
                .nonzero()
                .flatten()
            )
            if not len(open_):
                break
            attempt(open_.to(everyone), (low[level][open_] * high[level][open_]).sqrt())
    for level in levels:
        high[level][~searched & high[level].isinf()] = math.nan
    return Radii({level: high[level].tolist() for level in levels}, seen, spent.tolist())
