"""Searches for what breaks a conditional flow: objectives, where they may go, how they climb, and
the standard ensemble."""

from invbench.attacks import attack as _attack  # noqa: F401  registers the attacks
from invbench.attacks.budget import ATTACK_BUDGETS, AttackBudget, attack_budget
from invbench.attacks.ensemble import frozen, run_ensemble, sanity
from invbench.attacks.found import Found, run_attack
from invbench.attacks.judge import LEVELS, Verdict, judge
from invbench.attacks.radius import Radii, critical_radii
from invbench.attacks.space import Inputs, Space

__all__ = [
    "ATTACK_BUDGETS",
    "LEVELS",
    "AttackBudget",
    "Found",
    "Inputs",
    "Radii",
    "Space",
    "Verdict",
    "attack_budget",
    "critical_radii",
    "frozen",
    "judge",
    "run_attack",
    "run_ensemble",
    "sanity",
]
