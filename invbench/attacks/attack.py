"""The attacks by name: what each moves, what it goes up, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from invbench.attacks.budget import AttackBudget
from invbench.attacks.climb import Ladder, climb
from invbench.attacks.failure_rate import failure_rate_objective
from invbench.attacks.gradient_free import draw, squares
from invbench.attacks.objective import OBJECTIVES
from invbench.attacks.outcome import Outcome
from invbench.attacks.space import Space
from invbench.flows import ConditionalFlow
from invbench.registry import ATTACKS

__all__ = ["Attack", "Search"]

# (flow, its float64 twin or None, space, budget, seed) -> what was found
Search = Callable[[ConditionalFlow, "ConditionalFlow | None", Space, AttackBudget, int], Outcome]


@dataclass(frozen=True)
class Attack:
    """``moved``: "latents", "y" (the condition), "x" (the image). ``uses_eps``: it needs a radius
    in pixels. ``keeps``: the point that it is judged by, that of the largest |x| or that of the
    largest objective. ``gradient``: it needs one. ``typical``: over the typical set."""

    name: str
    statement: str
    moved: tuple[str, ...]
    search: Search
    keeps: Literal["x", "value"] = "x"
    uses_eps: bool = False
    gradient: bool = True
    typical: bool = False

    @property
    def over_latents(self) -> bool:
        """Whether it moves the condition alone, and so is judged by the share of latents that
        fail."""
        return self.moved == ("y",)


def _climb(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return climb(flow, twin, space, budget.steps, seed)


def _stretch(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return climb(flow, twin, space, budget.stretch_steps, seed, Ladder.of(OBJECTIVES["stretch"]))


def _round_trip(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return climb(
        flow, twin, space, budget.round_trip_steps, seed, Ladder.of(OBJECTIVES["round-trip"])
    )


def _failure_rate(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return climb(
        flow,
        twin,
        space,
        budget.condition_steps,
        seed,
        Ladder.of(failure_rate_objective(budget.latents)),
    )


def _squares(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return squares(flow, space, OBJECTIVES["output"], budget.evaluations, seed)


def _draw(
    flow: ConditionalFlow,
    twin: ConditionalFlow | None,
    space: Space,
    budget: AttackBudget,
    seed: int,
) -> Outcome:
    return draw(flow, space, OBJECTIVES["output"], budget.evaluations, seed)


_TABLE = (
    Attack(
        "latent",
        "gradient search over latents: the growth of any layer, and |x|",
        ("latents",),
        _climb,
    ),
    Attack(
        "latent-typical",
        "the same over latents that have the marginals and covariances of a draw",
        ("latents",),
        _climb,
        typical=True,
    ),
    Attack(
        "latent-squares",
        "the same without gradients: random squares",
        ("latents",),
        _squares,
        gradient=False,
    ),
    Attack(
        "latent-random",
        "the control: random latents, as many evaluations",
        ("latents",),
        _draw,
        gradient=False,
    ),
    Attack(
        "latent-stretch",
        "gradient search over latents: σmax of the decoder's Jacobian",
        ("latents",),
        _stretch,
        "value",
    ),
    Attack(
        "latent-round-trip",
        "gradient search over latents: relative error of x → z → x̂",
        ("latents",),
        _round_trip,
        "value",
    ),
    Attack(
        "condition",
        "gradient search over conditions within eps: share of latents that fail",
        ("y",),
        _failure_rate,
        "value",
        True,
    ),
    Attack(
        "both",
        "gradient search over latents and condition within eps: the growth of any layer, and |x|",
        ("latents", "y"),
        _climb,
        "x",
        True,
    ),
    Attack(
        "image",
        "gradient search over images within eps: relative error of x → z → x̂",
        ("x",),
        _round_trip,
        "value",
        True,
    ),
)
for _attack in _TABLE:
    ATTACKS.register(
        _attack.name, _attack, {"formula": _attack.statement, "citation": "invbench/attacks"}
    )
