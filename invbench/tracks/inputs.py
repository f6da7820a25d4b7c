"""The inputs behind a row: which an entry's trainings saw, by photograph, and on which they
failed."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from invbench.store.cell import FAILED
from invbench.store.record import Record

__all__ = ["MEASURES", "Inputs", "Part", "union"]

Array = NDArray[np.float64]
Part = tuple[
    Hashable, ...
]  # a condition or attack as it was measured: (case, settings), of toys (case, settings, seed)
MEASURES = ("inf", "error")


@dataclass(frozen=True)
class Trial:
    """One cell: its inputs, and 0 or 1 for each of them and measure."""

    seed: int
    part: Part
    names: tuple[str, ...]
    failures: dict[str, Array]


@dataclass(frozen=True)
class Inputs:
    """``trials`` of one entry in one case; ``named``: by photographs, which all trainings see.
    Inputs without names are drawn anew for each trained toy, so that its seed is the cluster; of a
    single toy each input is one. ``lost``: (seed, inputs) of cells that failed."""

    trials: tuple[Trial, ...]
    named: bool
    lost: tuple[tuple[int, int], ...] = ()
    _photographs: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, cells: Sequence[Record]) -> Inputs:
        """Of the cells that measured inputs. A failed cell lost as many as its finished siblings
        had, at least one."""
        measured = [cell for cell in cells if "inf" in cell.measures]
        named = bool(measured) and all(
            isinstance(cell.measures.get("names"), list) for cell in measured
        )
        texts: dict[int, str] = {}  # of settings and names that cells share as one object
        known: dict[int, tuple[object, tuple[str, ...]]] = {}
        trials = []
        for cell in measured:
            spec, measures = cell.spec, cell.measures
            if id(spec.settings) not in texts:
                texts[id(spec.settings)] = (
                    json.dumps(spec.settings, sort_keys=True) if spec.settings else "{}"
                )
            failures = {name: np.array(cell.numbers(name)) for name in MEASURES}
            if (names := measures.get("names")) is None or not named:
                labels = tuple(map(str, range(len(failures["inf"]))))
            elif id(names) in known:
                labels = known[id(names)][1]
            else:
                known[id(names)] = names, (labels := tuple(map(str, names)))
            part: Part = (spec.case, texts[id(spec.settings)])
            trials.append(Trial(spec.seed, part if named else (*part, spec.seed), labels, failures))
        most = max((len(trial.names) for trial in trials), default=1)
        return cls(
            tuple(trials),
            named,
            tuple((cell.spec.seed, most) for cell in cells if cell.status in FAILED),
        )

    @property
    def seeds(self) -> list[int]:
        return sorted({trial.seed for trial in self.trials})

    def seen(self, seed: int | None = None) -> dict[Part, frozenset[str]]:
        """The inputs of every part, under one training or under any."""
        found: dict[Part, frozenset[str]] = {}
        for trial in self.trials:
            if seed in (None, trial.seed) and len(trial.failures["error"]):
                found[trial.part] = found.get(trial.part, frozenset()) | frozenset(trial.names)
        return found

    def lacks(self, expected: dict[Part, frozenset[str]]) -> tuple[int, list[int]]:
        """(inputs of ``expected`` that its fullest training has not seen, seeds that lack some);
        toys, whose seeds are clusters, as a whole."""
        groups: list[tuple[list[int], dict[Part, frozenset[str]]]]
        groups = (
            [([seed], self.seen(seed)) for seed in self.seeds]
            if self.named
            else [(self.seeds, self.seen())]
        )
        nothing: frozenset[str] = frozenset()
        lacking = [
            (sum(len(names - seen.get(part, nothing)) for part, names in expected.items()), seeds)
            for seeds, seen in groups
        ]
        short = [seed for count, seeds in lacking if count for seed in seeds]
        return min((count for count, _ in lacking), default=sum(map(len, expected.values()))), short

    def matrices(self, measure: str) -> tuple[Array, Array]:
        """(failures, inputs), both (T, P), of each of P photographs, in order of name, under each
        of T trainings; toys as one row of seeds, one toy as one row of its inputs. Inputs of failed
        cells are errors, spread over the photographs."""
        seeds = sorted({*self.seeds, *(seed for seed, _ in self.lost)})
        lone = not self.named and len(seeds) < 2
        clusters = sorted({p for t in self.trials for p in self.clusters(t)}) if self.named else []
        rows, columns = (
            {s: k for k, s in enumerate(seeds)},
            {c: k for k, c in enumerate(clusters)},
        )
        if lone:
            single = (
                np.concatenate([t.failures[measure] for t in self.trials])
                if self.trials
                else np.zeros(0)
            )
            lost = np.ones(sum(n for _, n in self.lost))
            whole = np.concatenate((single, lost * (measure == "error")))
            return whole[None], np.ones((1, len(whole)))
        failures = np.zeros((len(seeds), max(1, len(columns))))
        counts = np.zeros_like(failures)
        for trial in self.trials:
            row, values = rows[trial.seed], trial.failures[measure]
            place = [columns[c] for c in self.clusters(trial)] if self.named else [0] * len(values)
            failures[row] += np.bincount(place[: len(values)], values, failures.shape[1])
            counts[row] += np.bincount(place[: len(values)], minlength=failures.shape[1])
        for seed, n in self.lost:
            failures[rows[seed]] += n / failures.shape[1] * (measure == "error")
            counts[rows[seed]] += n / failures.shape[1]
        return (failures, counts) if self.named else (failures.T, counts.T)

    def clusters(self, trial: Trial) -> tuple[str, ...]:
        """The photograph of each input."""
        if trial.names not in self._photographs:
            self._photographs[trial.names] = tuple(
                name.rpartition("/")[0] or name for name in trial.names
            )
        return self._photographs[trial.names]


def union(seen: Iterable[dict[Part, frozenset[str]]]) -> dict[Part, frozenset[str]]:
    """Every input of every part that anybody saw."""
    found: dict[Part, frozenset[str]] = {}
    for one in seen:
        for part, names in one.items():
            found[part] = found.get(part, frozenset()) | names
    return found
