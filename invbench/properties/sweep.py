"""The fixed sweeps that ``check`` runs and the strategy that the suites draw from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invbench.conditions.recipe import CONDITION_PATTERNS, PATTERNS, Recipe

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["BUDGETS", "CORPUS_VERSION", "recipes", "sweep"]

CORPUS_VERSION = 1
X_SCALES = {"normal": (0, -2, 6, 100), "box": (-1, 0), "log": (0, 20), "tails": (0, 10), "knots": (0,), "zeros": (0,)}
COND_SCALES = {"zeros": (0,), "normal": (0, 1), "box": (2, 3), "saturated": (2, 3)}
BUDGETS = {"smoke": (128, 1), "default": (512, 1), "deep": (4096, 4)}  # rows, seeds


def sweep(budget: str) -> list[Recipe]:
    """Every pattern × scale of x with every pattern × scale of the condition; ``smoke`` pairs them up instead."""
    rows, seeds = BUDGETS[budget]
    xs = [(p, s) for p, scales in X_SCALES.items() for s in scales]
    conds = [(p, s) for p, scales in COND_SCALES.items() for s in scales]
    pairs = [(x, c) for x in xs for c in conds]
    if budget == "smoke":
        pairs = [(x, conds[i % len(conds)]) for i, x in enumerate(xs)] + [(xs[0], c) for c in conds]
    return [Recipe(*x, *c, rows, seed) for seed in range(seeds) for x, c in pairs]


def recipes(rows: int = 256) -> SearchStrategy[Recipe]:
    """Hypothesis strategy: a recipe, shrinking towards standard normal input and zero parameters."""
    from hypothesis import strategies as st

    return st.builds(
        Recipe,
        pattern=st.sampled_from(list(PATTERNS)),
        log2_scale=st.integers(-20, 100),
        cond_pattern=st.sampled_from(list(CONDITION_PATTERNS)),
        cond_log2_scale=st.integers(-3, 3),
        rows=st.just(rows),
        seed=st.integers(0, 2**20),
    )
