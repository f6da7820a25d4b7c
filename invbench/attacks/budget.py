"""How long a search may take: three fixed budgets, the same for every model."""

from __future__ import annotations

from dataclasses import dataclass

from invbench.errors import UsageError

__all__ = ["ATTACK_BUDGETS", "AttackBudget", "attack_budget"]


@dataclass(frozen=True)
class AttackBudget:
    """How many steps the searches of one attack may take.

    ``steps``: of the gradient search for large values. ``stretch_steps``: of that for the norm of
    the Jacobian. ``round_trip_steps``: of that for the round-trip error. ``condition_steps``: of
    that over conditions, with ``latents`` latents at once; ``fresh`` unseen latents judge what it
    found. ``radius_steps`` and ``bisections``: of the critical radius.
    """

    steps: int
    stretch_steps: int
    round_trip_steps: int
    condition_steps: int
    latents: int
    fresh: int
    radius_steps: int
    bisections: int

    @property
    def evaluations(self) -> int:
        """Passes through the flow of a search without gradients: as many as the gradient search
        for large values takes, 3 per step."""
        return 3 * self.steps


ATTACK_BUDGETS = {
    "smoke": AttackBudget(8, 3, 4, 4, 4, 16, 6, 2),
    "default": AttackBudget(40, 12, 15, 15, 8, 64, 20, 5),
    "full": AttackBudget(200, 60, 60, 60, 16, 200, 50, 7),
}


def attack_budget(name: str) -> AttackBudget:
    """The budget of a name: smoke, default or full. Raises ``UsageError`` for any other."""
    if name not in ATTACK_BUDGETS:
        raise UsageError(f"budget {name!r} is not known; choose from {', '.join(ATTACK_BUDGETS)}")
    return ATTACK_BUDGETS[name]
