"""The fixed sweeps of ``check``, and the strategy from which the suites draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from invbench.laws.cases.recipe import CONDITION_PATTERNS, PATTERNS, InputRecipe

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "BUDGETS",
    "CORPUS_VERSION",
    "VALUE_INDEPENDENT",
    "recipes",
    "sweep",
    "value_independent",
]

CORPUS_VERSION = 4
X_SCALES = {
    "normal": (0, -2, 6, 100),
    "box": (-1, 0),
    "log": (0, 20),
    "tails": (0, 10),
    "knots": (0,),
    "zeros": (0,),
}
COND_SCALES = {"zeros": (0,), "normal": (0, 1), "box": (2, 3), "saturated": (2, 3)}
# raw parameters to ±36: the square of exp of them is in the range of float32
FAR = (("normal", 3), ("box", 5))
FAR_X = (("normal", 0), ("box", 0), ("tails", 0))
WEIGHT_SCALES = (
    ("scaled", -6),
    ("scaled", 3),
    ("noise", 0),
    ("noise", 2),
    ("saturated", 1),
    ("reflected", 0),
)
WEIGHTS = ("initial", "scaled", "noise", "saturated", "reflected")
VALUE_INDEPENDENT, VALUE_INDEPENDENT_ROWS = 4, 96  # cases of the value-independent laws, and rows
BUDGETS = {"smoke": (128, 1), "default": (512, 1), "deep": (4096, 4)}  # rows, seeds


def sweep(budget: str, weighted: bool = False, first_seed: int = 0) -> list[InputRecipe]:
    """Every pattern × scale of x with every pattern × scale of the condition, and a few with
    conditions far out. ``smoke`` pairs them up instead.

    ``weighted``: the subject has weights. Every pattern × scale of x is then run with adversarial
    weights too, and all cases have a quarter of the rows. ``first_seed`` moves the corpus to other
    random numbers; published results have 0.
    """
    rows, seeds = BUDGETS[budget]
    rows = rows // 4 if weighted else rows
    xs = [(p, s) for p, scales in X_SCALES.items() for s in scales]
    conds = [(p, s) for p, scales in COND_SCALES.items() for s in scales]
    pairs = [(x, c) for x in xs for c in conds] + [(x, c) for x in FAR_X for c in FAR]
    if budget == "smoke":
        pairs = [(x, conds[i % len(conds)]) for i, x in enumerate(xs)] + [
            (xs[0], c) for c in (*conds, *FAR)
        ]
    recipes = []
    for seed in range(first_seed, first_seed + seeds):
        recipes += [InputRecipe(*x, *c, rows, seed) for x, c in pairs]
        if weighted:
            base = [InputRecipe(*x, *conds[i % len(conds)], rows, seed) for i, x in enumerate(xs)]
            ways = [(r, WEIGHT_SCALES[i % len(WEIGHT_SCALES)]) for i, r in enumerate(base)]
            if budget != "smoke":
                ways = [(r, way) for r in base for way in WEIGHT_SCALES]
            # a seed of its own for each: weights of one draw may all have determinants of one sign
            recipes += [
                replace(r, weights=w, log2_weights=k, seed=r.seed + 1000 * (i + 1))
                for i, (r, (w, k)) in enumerate(ways)
            ]
    return recipes


def recipes(rows: int = 256, weighted: bool = False) -> SearchStrategy[InputRecipe]:
    """Hypothesis strategy: a recipe, shrinking towards standard normal input, zero parameters and
    initial weights."""
    from hypothesis import strategies as st

    more = (
        {"weights": st.sampled_from(WEIGHTS), "log2_weights": st.integers(-6, 3)}
        if weighted
        else {}
    )
    return st.builds(
        InputRecipe,
        pattern=st.sampled_from(list(PATTERNS)),
        log2_scale=st.integers(-20, 100),
        cond_pattern=st.sampled_from(list(CONDITION_PATTERNS)),
        cond_log2_scale=st.integers(-3, 5),
        rows=st.just(rows),
        seed=st.integers(0, 2**20),
        **more,
    )


def value_independent(
    cases: Sequence[InputRecipe], count: int = VALUE_INDEPENDENT, rows: int = VALUE_INDEPENDENT_ROWS
) -> list[InputRecipe]:
    """The recipes for laws that do not depend on the values: magnitudes near 1, each pattern of the
    condition."""
    plain = [
        r for r in cases if r.pattern == "normal" and r.log2_scale == 0 and r.weights == "initial"
    ]
    chosen = plain[:: max(1, len(plain) // VALUE_INDEPENDENT)][:count]
    return [replace(r, rows=min(r.rows, rows), seed=r.seed + i) for i, r in enumerate(chosen)]
