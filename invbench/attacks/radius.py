"""The critical radius: how little a drawn latent must move for the flow to fail."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from invbench.attacks.climb import climb
from invbench.attacks.judge import Verdict, judge
from invbench.attacks.space import Space
from invbench.flows import ConditionalFlow

__all__ = ["LARGEST", "SMALLEST", "Radii", "critical_radii"]

SMALLEST, LARGEST = 2.0**-6, 4.0  # in τ

Level = Callable[[Verdict], bool]
DEFAULT: Mapping[str, Level] = {
    name: lambda v, name=name: v.levels[name] for name in ("F2", "F1", "F4")
}  # type: ignore[misc]


@dataclass(frozen=True)
class Radii:
    """Per level and input: the least ℓ∞ radius, in τ, at which the search reached the level;
    infinite (censored) where it did not within 4τ, NaN where no search got under way
    (``Outcome.searched``), so that nothing is known.

    Known to a factor of 2^(8/2^bisections); ``log10_x[i]``: (radius, log10 |x|) of every search
    made on input i.
    """

    levels: dict[str, list[float]]
    log10_x: list[list[tuple[float, float]]]
    evaluations: list[float]


def critical_radii(
    flow: ConditionalFlow,
    space: Space,
    steps: int,
    bisections: int = 5,
    levels: Mapping[str, Level] = DEFAULT,
    scale: int | None = 4,
    twin: ConditionalFlow | None = None,
) -> Radii:
    """Bisection of log radius in [1/64, 4]·τ, each radius tried by ``climb`` with ``steps``, the
    start unmoved.

    ``levels``: name → whether a verdict reaches it. A search serves every level: what it reached
    counts at its radius and beyond. A row whose untouched origin fails already has radius 0.
    ``space`` moves latents; its radius is replaced. ``scale`` None: there is no condition image to
    compare with (level F4 is not reached).
    """
    clean = None if scale is None else space.origin.y
    rows = space.start.shape[0]
    everyone = torch.arange(rows, device=space.start.device)
    low = {level: torch.full((rows,), SMALLEST / 2, dtype=torch.float64) for level in levels}
    high = {level: torch.full((rows,), math.inf, dtype=torch.float64) for level in levels}
    seen: list[list[tuple[float, float]]] = [[] for _ in range(rows)]
    spent = torch.zeros(rows, dtype=torch.float64)
    searched = torch.zeros(rows, dtype=torch.bool)

    def note(
        index: torch.Tensor, radius: torch.Tensor, at: torch.Tensor, passes: torch.Tensor
    ) -> None:
        verdicts = judge(
            flow, space.rows(index).unpack(at), None if clean is None else clean[index], scale or 1
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
        here = replace(space.rows(index), radius=radius.to(space.start))
        found = climb(flow, twin, here, steps)
        note(index, radius, found.worst, found.evaluations.cpu())
        searched[index] |= found.searched.cpu()

    note(everyone, torch.zeros(rows), space.start, torch.ones(rows))
    attempt(everyone, torch.full((rows,), LARGEST, dtype=torch.float64))
    for level in levels:
        for _ in range(bisections):
            # tried already for another level, unreachable, or as fine as asked for
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
