"""The attacks by name: what each moves, what it maximises, and how it searches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from invbench.attacks.budget import AttackBudget
from invbench.attacks.climb import LARGE_X, Ladder, climb
from invbench.attacks.failure_rate import failure_rate_objective
from invbench.attacks.gradient_free import random_search, square_attack
from invbench.attacks.objective import OBJECTIVES
from invbench.attacks.search_trace import SearchTrace
from invbench.attacks.threat_model import ThreatModel
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS

__all__ = ["Attack", "Search", "standard_attacks"]

# (flow, the same in float64 or None, threat model, budget, seed) -> what the search saw
Search = Callable[
    [ConditionalFlow, "ConditionalFlow | None", ThreatModel, AttackBudget, int], SearchTrace
]


@dataclass(frozen=True)
class Attack:
    """One row of the table of attacks.

    ``moved``: the inputs it changes, of "latents", "y" (the condition) and "x" (the image).
    ``keeps``: the point by which it is judged: "x", that of the largest |x|, or "value", that of
    the largest objective. ``uses_eps``: it needs a radius in pixels. ``gradient``: it follows
    gradients. ``typical``: it is held to the typical set of latents. ``pixels``: what a pixel may
    be; ``free``: it may be that, whatever it was. ``standard``: it is one of the ensemble, which
    runs where no attack is named.
    """

    name: str
    statement: str
    moved: tuple[str, ...]
    search: Search
    keeps: Literal["x", "value"] = "x"
    uses_eps: bool = False
    gradient: bool = True
    typical: bool = False
    pixels: tuple[float, float] = (0.0, 1.0)
    free: bool = False
    standard: bool = True

    @property
    def reach(self) -> float:
        """The largest change of a pixel, where no eps is asked for."""
        return self.pixels[1] - self.pixels[0] if self.free else 0.0

    @property
    def over_latents(self) -> bool:
        """Whether it moves the condition alone, and so is judged by the share of latents that
        fail."""
        return self.moved == ("y",)


def _climb(
    steps: Callable[[AttackBudget], int],
    ladder: Callable[[AttackBudget], Ladder] = lambda budget: LARGE_X,
) -> Search:
    """``climb`` for the steps and up the ladder that the budget gives."""

    def search(
        flow: ConditionalFlow,
        float64_reference: ConditionalFlow | None,
        threat: ThreatModel,
        budget: AttackBudget,
        seed: int,
    ) -> SearchTrace:
        return climb(flow, float64_reference, threat, steps(budget), seed, ladder(budget))

    return search


def _without_gradient(method: Callable[..., SearchTrace]) -> Search:
    """``method`` on the largest |x|, for as many evaluations as the gradient search has."""

    def search(
        flow: ConditionalFlow,
        float64_reference: ConditionalFlow | None,
        threat: ThreatModel,
        budget: AttackBudget,
        seed: int,
    ) -> SearchTrace:
        return method(flow, threat, OBJECTIVES["output"], budget.evaluations, seed)

    return search


LARGE = _climb(lambda budget: budget.steps)
JACOBIAN_NORM = _climb(
    lambda budget: budget.stretch_steps, lambda budget: Ladder.of(OBJECTIVES["jacobian-norm"])
)
ROUND_TRIP = _climb(
    lambda budget: budget.round_trip_steps, lambda budget: Ladder.of(OBJECTIVES["round-trip"])
)
FAILURE_RATE = _climb(
    lambda budget: budget.condition_steps,
    lambda budget: Ladder.of(failure_rate_objective(budget.latents)),
)

_TABLE = (
    Attack(
        "latent",
        "gradient search over latents: the growth of any layer, and |x|",
        ("latents",),
        LARGE,
    ),
    Attack(
        "latent-typical",
        "the same over latents that have the marginals and covariances of a draw",
        ("latents",),
        LARGE,
        typical=True,
    ),
    Attack(
        "latent-squares",
        "the same without gradients: random squares",
        ("latents",),
        _without_gradient(square_attack),
        gradient=False,
    ),
    Attack(
        "latent-random",
        "the control: random latents, as many evaluations",
        ("latents",),
        _without_gradient(random_search),
        gradient=False,
    ),
    Attack(
        "latent-stretch",
        "gradient search over latents: σmax of the decoder's Jacobian",
        ("latents",),
        JACOBIAN_NORM,
        keeps="value",
    ),
    Attack(
        "latent-round-trip",
        "gradient search over latents: relative error of x → z → x̂",
        ("latents",),
        ROUND_TRIP,
        keeps="value",
    ),
    Attack(
        "condition",
        "gradient search over conditions within eps: share of latents that fail",
        ("y",),
        FAILURE_RATE,
        keeps="value",
        uses_eps=True,
    ),
    Attack(
        "both",
        "gradient search over latents and condition within eps: the growth of any layer, and |x|",
        ("latents", "y"),
        LARGE,
        uses_eps=True,
    ),
    Attack(
        "image",
        "gradient search over images within eps: relative error of x → z → x̂",
        ("x",),
        ROUND_TRIP,
        keeps="value",
        uses_eps=True,
    ),
    Attack(
        "out-of-range",
        "gradient search over latents, and conditions with pixels anywhere in [−5, 5]: |x|",
        ("latents", "y"),
        _climb(lambda budget: budget.steps, lambda budget: Ladder.of(OBJECTIVES["output"])),
        pixels=(-5.0, 5.0),
        free=True,
        standard=False,
    ),
)
for _attack in _TABLE:
    ATTACKS.register(
        _attack.name, _attack, {"formula": _attack.statement, "citation": "invbench/attacks"}
    )


def standard_attacks() -> tuple[str, ...]:
    """Names of the attacks of the ensemble, a user's own among them."""
    return tuple(name for name in ATTACKS if ATTACKS[name].obj.standard)
