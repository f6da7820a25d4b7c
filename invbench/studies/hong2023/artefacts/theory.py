"""Claim C2 by optimisation and by formula: the one-layer problem of eq. 8 (no cap on the scale s)
and eq. 9 (s ≤ 1), and other caps."""

from __future__ import annotations

import math
from itertools import product

import pandas as pd

from invbench.measures.theory import minimise, nll, optimum
from invbench.studies.study import Made, Study

__all__ = ["capped", "make", "uncapped"]

CAPS = (0.1, 0.5, 1.0, 1.1, 2.0, 10.0)
X1 = (-2.0, -0.3, 0.05, 0.7, 3.0)
STARTS = ((0.05, 0.0), (0.09, -3.0), (0.02, 5.0), (0.1, 1.0))
TEXT = """One conditional affine coupling, z = (x₁, s·x₁ + t), loss (x₁² + (s·x₁ + t)²)/2 − log s (the paper's eq. 8), x₁ known from y.

Without a cap the loss falls without bound along t = −s·x₁ (formula: x₁²/2 − log s), here x₁ = 0.7:

{uncapped}

An optimiser (L-BFGS-B) without a cap goes on until its own limits: {escaped}.

With s ≤ c the optimum is (s, t) = (c, −c·x₁); c = 1 is the paper's eq. 9. Found by L-BFGS-B from {starts} starts for each of {x1} x₁:

{capped}

**The paper**: the loss is unbounded below, and with 0 < s ≤ 1 the solution is (1, −x₁). What differs: nothing; no model is trained here.
"""


def capped() -> pd.DataFrame:
    """Worst distance of the optimiser, over starts and x₁, from (c, −c·x₁)."""
    rows = []
    for cap in CAPS:
        off = [0.0, 0.0, 0.0]
        for x1, start in product(X1, STARTS):
            for k, (found, expected) in enumerate(
                zip(minimise(x1, cap, start=start), optimum(x1, cap), strict=True)
            ):
                off[k] = max(off[k], abs(found - expected))
        s, t, loss = minimise(0.7, cap)
        row = {
            "cap on s": cap,
            "runs": len(X1) * len(STARTS),
            "s found (x1 = 0.7)": s,
            "formula s": cap,
        }
        row |= {
            "t found": t,
            "formula t": -cap * 0.7,
            "loss found": loss,
            "formula loss": optimum(0.7, cap)[2],
        }
        rows.append(row | {"worst error of s": off[0], "of t": off[1], "of the loss": off[2]})
    return pd.DataFrame(rows)


def uncapped() -> pd.DataFrame:
    """The loss along s = 10^k, t = −s·x₁."""
    rows = []
    for k in range(0, 301, 50):
        s, t = 10.0**k, -(10.0**k) * 0.7
        rows.append(
            {"s": s, "t": t, "loss": nll(s, t, 0.7), "formula": 0.7**2 / 2 - k * math.log(10)}
        )
    return pd.DataFrame(rows)


def make(study: Study) -> Made:
    """Needs no measurement."""
    tables = {"theory_capped": capped(), "theory_uncapped": uncapped()}
    free = [(x1, *minimise(x1, None)) for x1 in X1]
    text = TEXT.format(
        uncapped=tables["theory_uncapped"].to_markdown(index=False, floatfmt=".6g"),
        capped=tables["theory_capped"].to_markdown(index=False, floatfmt=".6g"),
        escaped="; ".join(
            f"x₁ = {x1:g}: s = {s:.3g}, loss {loss:.3f} against {nll(1, -x1, x1):.3f} at s = 1"
            for x1, s, _, loss in free
        ),
        starts=len(STARTS),
        x1=len(X1),
    )
    return Made(text, tables, {})
