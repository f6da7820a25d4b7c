"""How long a search may take: three fixed budgets, the same for every model."""

from __future__ import annotations

from dataclasses import dataclass

from invbench.errors import UsageError

__all__ = ["ATTACK_BUDGETS", "AttackBudget", "attack_budget"]


@dataclass(frozen=True)
class AttackBudget:
    """``steps`` of the gradient search on activations (3 evaluations each), ``stretch_steps`` and
    ``round_trip_steps`` of those on the other objectives, ``condition_steps`` over ``latents``
    latents at once; ``fresh`` unseen latents judge a condition; ``radius_steps`` and ``bisections``
    of the critical radius. The searches without gradients get the evaluations of the gradient
    search."""

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
        return 3 * self.steps


ATTACK_BUDGETS = {
    "smoke": AttackBudget(8, 3, 4, 4, 4, 16, 6, 2),
    "default": AttackBudget(40, 12, 15, 15, 8, 64, 20, 5),
    "full": AttackBudget(200, 60, 60, 60, 16, 200, 50, 7),
}


def attack_budget(name: str) -> AttackBudget:
    """Raises ``UsageError`` when there is no such budget."""
    if name not in ATTACK_BUDGETS:
        raise UsageError(f"budget {name!r} is not known; choose from {', '.join(ATTACK_BUDGETS)}")
    return ATTACK_BUDGETS[name]
