"""How many rows and cases a check takes. Chosen from fixed steps by the cost of calls, and kept in
the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from invbench.laws.guard import TookTooLong, guarded
from invbench.laws.subject import Subject

__all__ = ["SECONDS", "Clock", "Plan", "interleaved", "planned"]

SECONDS = {"smoke": 5.0, "default": 30.0, "deep": 600.0}  # of one processor
LIMITS = {"smoke": 2.5, "default": 9.0, "deep": 60.0}  # for one law on one case
# shares of the seconds: by these the value-independent laws, and those of the corpus, must end
VALUE_INDEPENDENT_SHARE, CORPUS_SHARE = 0.4, 0.8
# calls of forward and inverse: for one case of the corpus, for all value-independent laws
CALLS, VALUE_INDEPENDENT_CALLS = 46, 400
NUMBER = 4e-6  # seconds for the work around one number of a case: drawing, comparing
# rows of a case of the value-independent laws: the most, the least
VALUE_INDEPENDENT_ROWS, FEWEST = 96, 12
SHARES = (1.0, 0.5, 0.25, 0.125, 0.0625, 0.03, 0.0)  # of the rows
MANY = 40  # cases of the corpus that are worth fewer rows
MOST = 10.0  # seconds for one call
GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Plan:
    """``rows`` of a case, and how many ``cases`` of the corpus, in the order of ``interleaved``.
    ``few``: cases of the value-independent laws, of ``few_rows`` each. ``left_out``: laws for which
    there was no time. ``limit``: seconds for one law on one case. The report has these names."""

    rows: int
    few_rows: int
    limit: float
    few: int = 0
    cases: int = 0
    left_out: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def interleaved(count: int) -> list[int]:
    """0 … count − 1 in an order in which every beginning is a spread sample."""
    return sorted(range(count), key=lambda i: (i * GOLDEN) % 1)


class Clock:
    """Processor seconds since it was made, and those of the budget. ``excused`` are seconds that
    do not count, as those of a compiler."""

    def __init__(self, budget: str, excused: Callable[[], float] = lambda: 0.0) -> None:
        self.budget, self.started = SECONDS[budget], time.process_time()
        self.excused, self.before = excused, excused()

    def spent(self) -> float:
        return time.process_time() - self.started - (self.excused() - self.before)

    def left(self, share: float = 1.0) -> float:
        return share * self.budget - self.spent()


def planned(subject: Subject, budget: str, rows: int, cases: int) -> Plan:
    """The most rows with which a good part of the corpus fits into the budget, by the time of calls
    at two batch sizes."""
    small, large = (_seconds(subject, n) for n in (2, 32))
    slope = max(0.0, (large - small) / 30)
    base = max(1e-5, small - 2 * slope)
    slope += NUMBER / CALLS * torch.Size(subject.event_shape).numel()
    wanted = (
        (rows, CALLS * min(cases, MANY), CORPUS_SHARE - VALUE_INDEPENDENT_SHARE, 3),
        (VALUE_INDEPENDENT_ROWS, VALUE_INDEPENDENT_CALLS, VALUE_INDEPENDENT_SHARE, FEWEST),
    )
    sizes = []
    for most, calls, part, least in wanted:
        fits = (
            n
            for n in (max(least, int(most * s)) for s in SHARES)
            if calls * (base + slope * n) <= part * SECONDS[budget]
        )
        sizes.append(next(fits, least))
    return Plan(sizes[0], sizes[1], LIMITS[budget])


def _seconds(subject: Subject, rows: int) -> float:
    """Seconds of one call of a direction, the faster of two."""
    times = []
    with torch.no_grad():
        x, cond = subject.probes(rows)
        for _ in range(2):
            started = time.process_time()
            try:
                with guarded(MOST):
                    z = subject.forward(x, cond)[0]
                    if subject.invertible:
                        subject.inverse(z, cond)
            except (Exception, SystemExit, TookTooLong):
                return 1e-3  # the laws will report what is wrong
            times.append(time.process_time() - started)
    return min(times) / 2
