"""The inputs that several entries have in common, under each of their trainings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from invbench.report.ranks import Unit, units
from invbench.store.record import Record

__all__ = ["Matched", "matched"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """``sides``: of each entry, (T, N) values of its T trainings on the same N inputs; ``clusters``
    (N,): the photograph of an input, of a toy its seed; ``trainings``: how many of each entry, of
    toys, which are one row of all, how many seeds."""

    sides: tuple[Array, ...]
    clusters: tuple[Hashable, ...]
    trainings: tuple[int, ...]

    @property
    def toys(self) -> bool:
        return bool(self.clusters) and not isinstance(self.clusters[0], str)

    def where(self, good: Callable[[Array], NDArray[np.bool_]]) -> Matched:
        """Without the inputs that have a value which is not ``good``."""
        known = np.flatnonzero(good(np.concatenate(self.sides)).all(0))
        return replace(
            self,
            sides=tuple(side[:, known] for side in self.sides),
            clusters=tuple(self.clusters[k] for k in known.tolist()),
        )


def matched(measure: str, *entries: Sequence[Record]) -> Matched:
    """``measure`` of every entry on the inputs that the fullest training of each has seen; a
    training that lacks one of them is left out."""
    sides = [_by_training(units(cells, measure)) for cells in entries]
    if all(side.keys() == {None} for side in sides):
        of_side = [side[None].keys() for side in sides]
    else:
        of_side = [max(side.values(), key=len, default={}).keys() for side in sides]
    common = set.intersection(*map(set, of_side))
    inputs = sorted(common, key=repr)
    rows = [
        [[own[unit] for unit in inputs] for own in side.values() if common <= own.keys()]
        for side in sides
    ]
    found = tuple(np.array(values).reshape(len(values), len(inputs)) for values in rows)
    seeds = {unit[3] for unit in inputs if unit[3] is not None}
    trainings = tuple(len(seeds) or len(side) for side in found)
    return Matched(found, tuple(unit[0] for unit in inputs), trainings)


def _by_training(found: dict[Unit, float]) -> dict[Hashable, dict[Unit, float]]:
    """seed → (cluster, case, settings, None, input) → value; of toys, whose seeds are the clusters,
    one for all."""
    sides: dict[Hashable, dict[Unit, float]] = {}
    for unit, value in found.items():
        if isinstance(unit[0], str):
            sides.setdefault(unit[3], {})[(unit[0], unit[1], unit[2], None, unit[4])] = value
        else:
            sides.setdefault(None, {})[unit] = value
    return sides
