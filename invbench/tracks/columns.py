"""The columns that every track's table has, how numbers are shown, and what a column means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COMMON", "DIGITS", "Meaning", "absent", "shown"]

COMMON = (
    "entry track case cases n photographs seeds status inf_pct inf_lo inf_hi error_pct "
    "error_lo error_hi max_abs_log10 "
    "critical_radius kappa_lower inv_lipschitz_lower inv_lipschitz_upper rank_lo rank_hi tier "
    "tier_given rank_of"
).split()

# decimals shown, of common columns and of those that tracks add; others get four significant digits
DIGITS: dict[str, int] = dict.fromkeys(
    "inf_pct inf_lo inf_hi error_pct error_lo error_hi".split(), 1
) | dict.fromkeys("max_abs_log10 critical_radius".split(), 2)


@dataclass(frozen=True)
class Meaning:
    """A column. ``better``: "low", "high" or "" where neither is. ``tracks``: what differs in a
    track."""

    name: str
    title: str
    group: str
    text: str
    formula: str
    source: str
    misleads: str
    better: str = ""
    tracks: dict[str, str] = field(default_factory=dict)


def absent(value: Any) -> bool:
    """Nothing was measured."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: Any, column: str) -> str:
    """A value as a person reads it."""
    if absent(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if column in DIGITS:
        return f"{value:.{DIGITS[column]}f}"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.4g}"
