"""Searches without gradients: squares (Andriushchenko et al., ECCV 2020) and, as the control,
random points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.attacks.objective import Objective
from invbench.attacks.outcome import Outcome
from invbench.attacks.space import Space
from invbench.flows import ConditionalFlow

__all__ = ["draw", "squares"]

FIRST_SHARE = 0.3  # of the positions that the first squares cover
HALVED_AT = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85)  # of the budget: the share of positions is halved


@torch.no_grad()
def squares(
    flow: ConditionalFlow, space: Space, objective: Objective, evaluations: int, seed: int = 0
) -> Outcome:
    """In a random square of positions, each channel of one part is set to the origin ± reach; kept
    where the value grows.

    The first proposal covers everything, and the second is its mirror image.
    Row i draws from stream i of ``seed``; a row is done when its value is infinite.
    """
    origin = space.start
    found = Outcome.at(origin)
    rows = torch.arange(origin.shape[0], device=origin.device)
    scale = objective.scale(flow, space.unpack(origin)) if objective.scale else None
    found.saw(rows, origin, objective.read(flow, space.unpack(origin), scale), objective.passes, 0)
    first = origin.clone()
    generators = [torch.Generator().manual_seed(seed * 1_000_003 + row) for row in range(len(rows))]
    for step in range(1, evaluations // objective.passes):
        rows = rows[found.value[rows] < math.inf]
        if not len(rows):
            break
        share = (
            1.0
            if step == 1
            else FIRST_SHARE / 2 ** sum(step > at * evaluations for at in HALVED_AT)
        )
        here = space.rows(rows)
        if step == 2:
            proposal = 2 * here.start - first[rows]
        else:
            proposal = found.best[rows].clone()
            for k, row in enumerate(rows.tolist()):
                _propose(proposal[k], here, k, share, generators[row])
        if step == 1:
            first[rows] = proposal
        proposal = here.project(proposal)
        own = None if scale is None else scale[rows]
        found.saw(
            rows, proposal, objective.read(flow, here.unpack(proposal), own), objective.passes, step
        )
    return found


def _propose(
    point: Tensor, space: Space, row: int, share: float, generator: torch.Generator
) -> None:
    """Overwrite one square of one part of ``point``; a part is chosen as often as it has positions,
    at least sometimes."""
    sizes = [math.prod(shape) for shape in space.shapes]
    chance = torch.tensor([size / sum(sizes) + 1 / len(sizes) for size in sizes])
    chosen = (
        range(len(sizes))
        if share == 1
        else [int(torch.multinomial(chance, 1, generator=generator))]
    )
    for part in chosen:
        first = sum(sizes[:part])
        channels, height, width = (*space.shapes[part], 1, 1)[:3]
        mask = torch.zeros(channels, height, width, dtype=torch.bool)
        rows, columns = (max(1, round(math.sqrt(share) * side)) for side in (height, width))
        top, left = (
            int(torch.randint(side - length + 1, (1,), generator=generator))
            for side, length in ((height, rows), (width, columns))
        )
        if height * width == 1:  # a vector: a share of its coordinates
            mask[torch.rand(channels, generator=generator) < max(share, 1 / channels)] = True
        else:
            mask[:, top : top + rows, left : left + columns] = True
        sign = (torch.randint(0, 2, (channels, 1, 1), generator=generator) * 2 - 1).expand_as(mask)
        where = mask.flatten().to(point.device)
        span = slice(first, first + sizes[part])
        target = space.start[row, span] + space.reach[row, span] * sign.flatten().to(point)
        point[span] = torch.where(where, target, point[span])


@torch.no_grad()
def draw(
    flow: ConditionalFlow, space: Space, objective: Objective, evaluations: int, seed: int = 0
) -> Outcome:
    """Independent random points of the space, as many as the budget pays for: what a search must
    beat.

    A row that turned non-finite is drawn no further. Row i, draw k comes from stream (k, i) of
    ``seed``: batches do not matter.
    """
    found = Outcome.at(space.start)
    rows = torch.arange(space.start.shape[0], device=space.start.device)
    scale = objective.scale(flow, space.unpack(space.start)) if objective.scale else None
    for step in range(1, evaluations // objective.passes + 1):
        rows = rows[found.value[rows] < math.inf]
        if not len(rows):
            break
        here = space.rows(rows)
        v = here.random(seed, [step * 10_007 + row for row in rows.tolist()])
        own = None if scale is None else scale[rows]
        found.saw(rows, v, objective.read(flow, here.unpack(v), own), objective.passes, step)
    return found
