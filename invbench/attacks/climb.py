"""The gradient search of the attacks: which objectives it climbs, in which order, and what it does
where no gradient leads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from invbench.attacks.gradient import PASSES_OF_GRADIENT, apgd
from invbench.attacks.gradient_free import square_attack
from invbench.attacks.objective import OBJECTIVES, Objective
from invbench.attacks.search_trace import LEVELS_SEEN, SearchTrace
from invbench.attacks.threat_model import ThreatModel
from invbench.flows import ConditionalFlow

__all__ = ["LARGE_X", "Ladder", "climb"]

# what rows without success get on top: a share of the steps for a restart, and of the evaluations
# for random squares
RESTART, SQUARES = 0.25, 1 / 3


@dataclass(frozen=True)
class Ladder:
    """Which objectives a search climbs.

    The objectives ``first`` share the steps, and each begins at the start. Rows without success go
    on with the objective ``last``: by gradient from a random point, then by random squares.
    ``succeeded``: trace → whether each row has success, (B,).
    """

    first: Sequence[Objective]
    last: Objective
    succeeded: Callable[[SearchTrace], Tensor]

    @classmethod
    def of(cls, objective: Objective) -> Ladder:
        """A single objective; a row that a gradient steered counts as a success."""
        return cls([objective], objective, lambda trace: trace.steered)


# For large |x|. Growth stands still where the largest layer cannot move, output where one pixel
# saturates; each goes on where the other stands. Where neither reaches F2, the smooth maximum may
# still have a slope.
LARGE_X = Ladder(
    (OBJECTIVES["growth"], OBJECTIVES["output"]),
    OBJECTIVES["smooth"],
    lambda trace: trace.log10_x > LEVELS_SEEN["F2"],
)


def climb(
    flow: ConditionalFlow,
    float64_reference: ConditionalFlow | None,
    threat: ThreatModel,
    steps: int,
    seed: int = 0,
    ladder: Ladder = LARGE_X,
) -> SearchTrace:
    """``steps`` gradient steps up the first objectives of ``ladder``, on every row of ``threat``.

    Rows without success then get a quarter of the steps from a random point, and after that a third
    of the evaluations for random squares, which need no gradient. A row whose value is infinite is
    searched no further. ``float64_reference``: as in ``apgd``.
    """
    everyone = torch.arange(len(threat.start), device=threat.start.device)
    trace = SearchTrace.at(threat.start)
    for k, objective in enumerate(ladder.first):
        part = steps // len(ladder.first) + (k < steps % len(ladder.first))
        open_ = everyone[trace.value < math.inf]
        if part and len(open_):
            trace.join(
                open_,
                apgd(
                    flow, threat.rows(open_), objective, part, float64_reference=float64_reference
                ),
            )

    def without_success() -> Tensor:
        return everyone[~ladder.succeeded(trace) & (trace.value < math.inf)]

    if len(open_ := without_success()):
        here, part = threat.rows(open_), math.ceil(RESTART * steps)
        anywhere = here.random(seed, open_.tolist())
        trace.join(
            open_,
            apgd(
                flow, here, ladder.last, part, start=anywhere, float64_reference=float64_reference
            ),
        )
    if len(open_ := without_success()):
        evaluations = math.ceil(SQUARES * PASSES_OF_GRADIENT * steps) * ladder.last.passes
        trace.join(open_, square_attack(flow, threat.rows(open_), ladder.last, evaluations, seed))
    return trace
