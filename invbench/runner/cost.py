"""How long cells take, from those that were measured before: the order of a run and the time that
is left."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache

from invbench.store.case import case_of
from invbench.store.cell import Cell, CellSpec

__all__ = ["Costs", "Remaining", "longest_first"]

TELLING = ("ok", "diverged", "timeout", "skipped")  # an error says how long it took to fail
# below so many seconds: seconds of the unit, and how it reads
UNITS = (
    (60, 1, "less than a minute"),
    (90 * 60, 60, "about {:.0f} min"),
    (36 * 3600, 3600, "about {:.0f} h"),
    (math.inf, 86400, "about {:.0f} days"),
)


class Costs:
    """Median seconds of a cell, by kind: of the same entry, kind of case and settings, else of the
    next coarser kind that has been seen."""

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._seconds: dict[Hashable, list[float]] = defaultdict(list)
        self._medians: dict[Hashable, float] = {}
        for cell in cells:
            self.add(cell)

    def add(self, cell: Cell) -> None:
        seconds = cell.provenance.get("seconds")
        if cell.status in TELLING and isinstance(seconds, (int, float)) and math.isfinite(seconds):
            for kind in kinds_of(cell.spec):
                self._seconds[kind].append(float(seconds))
                self._medians.pop(kind, None)

    def seconds(self, spec: CellSpec) -> float | None:
        """None when nothing on this device and with as much to do has been measured yet."""
        return self.of_kinds(kinds_of(spec))

    def of_kinds(self, kinds: Sequence[Hashable]) -> float | None:
        for kind in kinds:
            if kind not in self._medians and kind in self._seconds:
                self._medians[kind] = statistics.median(self._seconds[kind])
            if kind in self._medians:
                return self._medians[kind]
        return None


@lru_cache(maxsize=100_000)
def _kinds(
    track: str, entry: str, case: str, settings: str, *shared: Hashable
) -> tuple[Hashable, ...]:
    exact = (track, case, settings, *shared)
    return (entry, *exact), exact, (track, case, *shared), (track, *shared), shared


def kinds_of(spec: CellSpec) -> tuple[Hashable, ...]:
    """From fine to coarse. Seeds and strengths do not matter; the device does, and whether there
    are weights: without them a cell is skipped."""
    settings = json.dumps([spec.settings, spec.dtype, spec.batch_size], sort_keys=True)
    case = case_of(spec).model_copy(update={"severity": None, "eps": None}).name
    return _kinds(spec.track, spec.entry, case, settings, spec.device, bool(spec.weights_digest))


def longest_first(specs: Sequence[CellSpec], costs: Costs) -> list[CellSpec]:
    """By powers of two of their seconds, within which the order of the plan stays; cells of unknown
    cost keep it too, and come first."""

    def level(spec: CellSpec) -> float:
        seconds = costs.seconds(spec)
        return -math.inf if seconds is None else -math.floor(math.log2(max(seconds, 0.01)))

    return sorted(specs, key=level)


class Remaining:
    """Time left of a run on ``workers`` lanes: what its cells take, shared among them, then the
    exclusive ones one after another."""

    def __init__(self, specs: Iterable[CellSpec], costs: Costs, workers: int) -> None:
        self.workers, self._costs = workers, costs
        self._specs = {spec.key: spec for spec in specs}
        self._shared: Counter[tuple[Hashable, ...]] = Counter()
        self._alone: Counter[tuple[Hashable, ...]] = Counter()
        for spec in self._specs.values():
            self._group(spec)[kinds_of(spec)] += 1

    def __len__(self) -> int:
        return len(self._specs)

    def _group(self, spec: CellSpec) -> Counter[tuple[Hashable, ...]]:
        return self._alone if spec.exclusive else self._shared

    def finish(self, cell: Cell) -> None:
        spec = self._specs.pop(cell.key)
        self._costs.add(cell)
        self._group(spec)[kinds_of(spec)] -= 1

    @property
    def seconds(self) -> float | None:
        """None while the cost of some cell is not known."""
        total, longest = 0.0, 0.0
        for group, lanes in ((self._shared, self.workers), (self._alone, 1)):
            for kinds, count in group.items():
                seconds = self._costs.of_kinds(kinds) if count else 0.0
                if seconds is None:
                    return None
                total += seconds * count / lanes
                longest = max(longest, seconds if count else 0.0)
        return max(total, longest)

    def __str__(self) -> str:
        """In words, as exact as such an estimate can be."""
        seconds, workers = (
            self.seconds,
            f"with {self.workers} worker{'s' if self.workers > 1 else ''}",
        )
        if seconds is None:
            return f"no cell measured before says how long {workers}"
        for most, unit, name in UNITS:
            if seconds < most:
                return f"{name.format(seconds / unit)} {workers}"
        raise AssertionError(seconds)
