"""How a wrong number relates to the right one: what a maintainer would look for first."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["pair", "pattern_of", "relation"]

CLOSE = 1e-3
FACTORS = (2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25)


def relation(got: float, right: float) -> str:
    """In words: the same size with the other sign, a factor, an offset; empty where there is
    nothing to say."""
    if math.isnan(got) or math.isnan(right):
        return "NaN"
    if math.isinf(got) or math.isinf(right):
        return "infinite"
    size = max(abs(got), abs(right), 1e-300)
    if abs(got + right) <= CLOSE * size and abs(right) > 1e-12:
        return "the same size with the opposite sign"
    if abs(right) <= 1e-12 * size:
        return "the right value is 0"
    if abs(got) <= 1e-12 * size:
        return "0 came out"
    for factor in FACTORS:
        if abs(got - factor * right) <= CLOSE * abs(factor * right):
            return f"{factor:.3g} times the right value"
    return ""


def pair(got: float, right: float, name: str = "right") -> str:
    """``got 1.2, right -1.2: the same size with the opposite sign``."""
    said = relation(got, right)
    return f"got {got:.9g}, {name} {right:.9g}" + (f": {said}" if said else "")


def pattern_of(got: Tensor, right: Tensor, wrong: Tensor, x: Tensor) -> str:
    """What the wrong rows have in common: a constant offset or factor, or the sign of x; empty
    where nothing shows."""
    wrong = wrong.flatten()
    if int(wrong.sum()) < 3:
        return ""
    difference, ratio = (got - right).flatten()[wrong], (got / right).flatten()[wrong]
    for what, values in (("offset", difference), ("factor", ratio)):
        middle = values.median().item()
        if (
            math.isfinite(middle)
            and abs(middle) > 1e-9
            and bool(((values - middle).abs() <= CLOSE * abs(middle)).all())
        ):
            return f"a constant {what} of {middle:.6g} in all of {len(values)} wrong rows"
    signs = x.reshape(len(wrong), -1) if x.numel() and x.shape[0] == len(wrong) else None
    if signs is not None and signs.shape[1] and (~wrong).any():
        for text, test in (("x < 0", torch.lt), ("x > 0", torch.gt)):
            where = test(signs, 0).any(1)
            if bool(where[wrong].all()) and not bool(where[~wrong].any()):
                return f"only where {text}"
    return ""
