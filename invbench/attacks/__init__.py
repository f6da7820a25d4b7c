"""Searches for inputs that break a conditional flow: objectives, threat models, search methods, and
the standard ensemble of attacks."""

from invbench.attacks import attack as _attack  # noqa: F401  registers the attacks
from invbench.attacks.budget import ATTACK_BUDGETS, AttackBudget, attack_budget
from invbench.attacks.ensemble import frozen, run_ensemble, sanity
from invbench.attacks.judge import LEVELS, AttackVerdict, judge
from invbench.attacks.radius import Radii, critical_radii
from invbench.attacks.result import AttackResult, run_attack
from invbench.attacks.threat_model import Inputs, ThreatModel

__all__ = [
    "ATTACK_BUDGETS",
    "LEVELS",
    "AttackBudget",
    "AttackResult",
    "AttackVerdict",
    "Inputs",
    "Radii",
    "ThreatModel",
    "attack_budget",
    "critical_radii",
    "frozen",
    "judge",
    "run_attack",
    "run_ensemble",
    "sanity",
]
