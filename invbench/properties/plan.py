"""How many rows and cases a check takes: chosen from fixed steps by what a call costs, and kept in the report."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from invbench.properties.subject import Subject

__all__ = ["SECONDS", "Plan", "planned"]

SECONDS = {"smoke": 5.0, "default": 30.0, "deep": 600.0}
LIMITS = {"smoke": 4.0, "default": 10.0, "deep": 60.0}  # at least, for one law on one case
SHARE = 0.6  # of the time that is planned for; the rest is for doubts, reductions and a busy machine
CALLS_OF_FEW, CALLS_OF_CASE = 330, 46  # of forward and inverse, for the laws of a few recipes and of one recipe of the corpus
FEW_ROWS = 96
# (share of the rows, every k-th case of the corpus, few recipes)
STEPS = (
    (1.0, 1, 4),
    (0.5, 1, 4),
    (0.25, 1, 2),
    (0.25, 2, 2),
    (0.125, 4, 2),
    (0.125, 8, 1),
    (0.0625, 16, 1),
    (0.03, 32, 1),
    (0.03, 64, 1),
    (0.0, 1000, 1),
)


@dataclass(frozen=True)
class Plan:
    """``rows`` of a case, every ``every``-th recipe of the corpus, ``few`` recipes with ``few_rows`` for the laws that do not depend on
    values; ``limit``: seconds after which a law on one case is given up."""

    rows: int
    every: int
    few: int
    few_rows: int
    limit: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def planned(subject: Subject, budget: str, rows: int, cases: int) -> Plan:
    """The largest step that fits into the budget's seconds, by the time of calls at two sizes of batch."""
    small, large = (_seconds(subject, n) for n in (2, 32))
    slope = max(0.0, (large - small) / 30)
    base = max(1e-5, small - 2 * slope)
    elements = subject.event_shape and torch.Size(subject.event_shape).numel()
    jacobians = 0 if subject.elementwise else min(elements, 256)
    for share, every, few in STEPS:
        n, n_few = max(3, int(rows * share)), max(4, int(FEW_ROWS * max(share, 0.04)))
        of_case = (CALLS_OF_CASE + 2 * jacobians) * (base + slope * n)
        of_few = (CALLS_OF_FEW + 12 * jacobians) * (base + slope * n_few)
        if of_few * few + of_case * max(1, cases // every) <= SHARE * SECONDS[budget]:
            break
    limit = max(LIMITS[budget], 1000 * (base + slope * n))
    return Plan(n, every, few, n_few, round(min(limit, SECONDS[budget]), 1))


def _seconds(subject: Subject, rows: int) -> float:
    """Of one call of each direction, the faster of two."""
    times = []
    with torch.no_grad():
        x, cond = subject.probes(rows)
        for _ in range(2):
            started = time.perf_counter()
            try:
                z = subject.forward(x, cond)[0]
                if subject.invertible:
                    subject.inverse(z, cond)
            except Exception:
                return 1e-3  # the laws will say what is wrong
            times.append(time.perf_counter() - started)
    return min(times) / 2
