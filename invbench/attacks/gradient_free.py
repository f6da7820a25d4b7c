"""Searches without gradients: random squares (Andriushchenko et al., Square Attack, ECCV 2020) and
the control, random points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invbench.attacks.objective import Objective
from invbench.attacks.search_trace import SearchTrace
from invbench.attacks.threat_model import ThreatModel
from invbench.flows import ConditionalFlow
from invbench.uniform import stream_seed

__all__ = ["random_search", "square_attack"]

FIRST_SHARE = 0.3  # of the positions, which the first squares cover
HALVED_AT = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85)  # shares of the budget at which it is halved


@torch.no_grad()
def square_attack(
    flow: ConditionalFlow,
    threat: ThreatModel,
    objective: Objective,
    evaluations: int,
    seed: int = 0,
) -> SearchTrace:
    """Set each channel of one part, in a random square of positions, to start ± reach; keep the
    change where the value grows.

    The first proposal covers all positions, and the second is its mirror image. Row i draws from
    stream i of ``seed``, so batches do not matter. A row is done when its value is infinite.
    """
    origin = threat.start
    trace = SearchTrace.at(origin)
    rows = torch.arange(origin.shape[0], device=origin.device)
    scale = objective.scale(flow, threat.unpack(origin)) if objective.scale else None
    trace.saw(rows, origin, objective.read(flow, threat.unpack(origin), scale), objective.passes, 0)
    first = origin.clone()
    generators = [torch.Generator().manual_seed(stream_seed(seed, row)) for row in range(len(rows))]
    for step in range(1, evaluations // objective.passes):
        rows = rows[trace.value[rows] < math.inf]
        if not len(rows):
            break
        share = (
            1.0
            if step == 1
            else FIRST_SHARE / 2 ** sum(step > at * evaluations for at in HALVED_AT)
        )
        here = threat.rows(rows)
        if step == 2:
            proposal = 2 * here.start - first[rows]
        else:
            proposal = trace.best[rows].clone()
            for k, row in enumerate(rows.tolist()):
                _propose(proposal[k], here, k, share, generators[row])
        if step == 1:
            first[rows] = proposal
        proposal = here.project(proposal)
        own = None if scale is None else scale[rows]
        trace.saw(
            rows, proposal, objective.read(flow, here.unpack(proposal), own), objective.passes, step
        )
    return trace


def _propose(
    point: Tensor, threat: ThreatModel, row: int, share: float, generator: torch.Generator
) -> None:
    """Overwrite one square of one part of ``point``. Large parts are chosen more often, and small
    ones not never."""
    sizes = [math.prod(shape) for shape in threat.shapes]
    chance = torch.tensor([size / sum(sizes) + 1 / len(sizes) for size in sizes])
    chosen = (
        range(len(sizes))
        if share == 1
        else [int(torch.multinomial(chance, 1, generator=generator))]
    )
    for part in chosen:
        first = sum(sizes[:part])
        channels, height, width = (*threat.shapes[part], 1, 1)[:3]
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
        target = threat.start[row, span] + threat.reach[row, span] * sign.flatten().to(point)
        point[span] = torch.where(where, target, point[span])


@torch.no_grad()
def random_search(
    flow: ConditionalFlow,
    threat: ThreatModel,
    objective: Objective,
    evaluations: int,
    seed: int = 0,
) -> SearchTrace:
    """Independent random points of the threat model, as many as the evaluations allow. A search
    must beat them.

    Point k of row i comes from a stream of (seed, k, i), so batches do not matter. A row is done
    when its value is infinite.
    """
    trace = SearchTrace.at(threat.start)
    rows = torch.arange(threat.start.shape[0], device=threat.start.device)
    scale = objective.scale(flow, threat.unpack(threat.start)) if objective.scale else None
    for step in range(1, evaluations // objective.passes + 1):
        rows = rows[trace.value[rows] < math.inf]
        if not len(rows):
            break
        here = threat.rows(rows)
        v = here.random(seed, [step * 10_007 + row for row in rows.tolist()])
        own = None if scale is None else scale[rows]
        trace.saw(rows, v, objective.read(flow, here.unpack(v), own), objective.passes, step)
    return trace
