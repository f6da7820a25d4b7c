"""How a search climbs: what it goes up, in which order, and what it does where no gradient
leads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.attacks.gradient import PASSES_OF_GRADIENT, ascend
from invbench.attacks.gradient_free import squares
from invbench.attacks.objective import OBJECTIVES, Objective
from invbench.attacks.outcome import LEVELS_SEEN, Outcome
from invbench.attacks.space import Space
from invbench.flows import ConditionalFlow

__all__ = ["LARGE_X", "Ladder", "climb"]

# of the steps, and of the evaluations, for rows that have nothing to show
RESTART, SQUARES = 0.25, 1 / 3


@dataclass(frozen=True)
class Ladder:
    """``first``: objectives that share the steps, each from the start. Rows that have nothing to
    show go on: up ``last`` from a random point, and by random squares up ``last``. ``shown``:
    whether an outcome's rows have something to show."""

    first: Sequence[Objective]
    last: Objective
    shown: Callable[[Outcome], Tensor]

    @classmethod
    def of(cls, objective: Objective) -> Ladder:
        """One objective of its own: rows that a gradient steered have something to show."""
        return cls([objective], objective, lambda found: found.steered)


# Either of the first two stands still where the other goes on: growth where a layer that cannot
# move is the largest, output where one pixel saturates; and where neither leads beyond F2, the
# slope may be hidden
LARGE_X = Ladder(
    (OBJECTIVES["growth"], OBJECTIVES["output"]),
    OBJECTIVES["smooth"],
    lambda found: found.log10_x > LEVELS_SEEN["F2"],
)


def climb(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    steps: int,
    seed: int = 0,
    ladder: Ladder = LARGE_X,
) -> Outcome:
    """``steps`` gradient steps up the first objectives of ``ladder``. Rows with nothing to show
    then get a quarter of the steps from a random point, and a third of the evaluations for random
    squares, which need no gradient. What has been non-finite once is searched no further."""
    everyone = torch.arange(len(space.start), device=space.start.device)
    found = Outcome.at(space.start)
    for k, objective in enumerate(ladder.first):
        part = steps // len(ladder.first) + (k < steps % len(ladder.first))
        open_ = everyone[found.value < math.inf]
        if part and len(open_):
            found.join(open_, ascend(flow, space.rows(open_), objective, part, twin=twin))

    def without() -> Tensor:
        return everyone[~ladder.shown(found) & (found.value < math.inf)]

    if len(open_ := without()):
        here, part = space.rows(open_), math.ceil(RESTART * steps)
        anywhere = here.random(seed, open_.tolist())
        found.join(open_, ascend(flow, here, ladder.last, part, start=anywhere, twin=twin))
    if len(open_ := without()):
        evaluations = math.ceil(SQUARES * PASSES_OF_GRADIENT * steps) * ladder.last.passes
        found.join(open_, squares(flow, space.rows(open_), ladder.last, evaluations, seed))
    return found
