"""Effects that ``beyond`` judges: between flows, which differ while inputs do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from invbench.measures.contrast import contrast
from invbench.report.matched import matched
from invbench.store.cell import Cell, CellSpec
from invbench.studies.hong2023.condition_sets import of_every_training
from invbench.studies.hong2023.evidence import (
    ONE_TRAINING,
    TRAININGS,
    Effect,
    Part,
    below,
    difference,
    part,
    untested,
)
from invbench.studies.hong2023.rulebook import Rule
from invbench.training.weights import shipped_cards

__all__ = ["as_srflow", "bits", "compared", "numbers", "paired"]

Array = NDArray[np.float64]


def as_srflow(cells: Sequence[Cell]) -> list[Cell]:
    """The cells as if of the track's own flow: flows differ here, inputs do not."""
    return [c.model_copy(update={"spec": _renamed(c)}) for c in cells]


def _renamed(cell: Cell) -> CellSpec:
    return cell.spec.at(settings={**cell.spec.settings, "flow": "srflow"})


def compared(
    ours: Sequence[Cell],
    theirs: Sequence[Cell],
    measure: str,
    unit: str = "",
    digits: int = 2,
    scale: float = 1,
) -> Effect:
    """``difference`` on what every training of both was measured on."""
    own, other = of_every_training(ours, theirs)
    return difference(own, other, measure, unit, digits, scale)


def numbers(cell: Cell, name: str) -> list[float]:
    """A measure of a cell, per input or of the whole; text of non-finite numbers is read."""
    value = cell.measures.get(name)
    values = value if isinstance(value, list) else [value]
    return [float(v) for v in values if isinstance(v, (int, float, str))]


def bits(rule: Rule, ours: tuple[str, str], theirs: tuple[str, str]) -> Part:
    """Welch's interval of the difference of means, from the cards of the shipped weights."""
    sides = [
        [
            float(card["final_bits_per_dimension"])
            for card in shipped_cards()
            if (card["flow"], card["coupling"], card["size"]) == (*names, "mini")
        ]
        for names in (ours, theirs)
    ]
    if min(map(len, sides)) < rule.thresholds[1]:
        return untested(rule.statement, "the weights of three trainings are not installed")[0]
    interval = ttest_ind(*sides, equal_var=False).confidence_interval()
    value = float(np.mean(sides[0]) - np.mean(sides[1]))
    low, high, n = float(interval.low), float(interval.high), len(sides[0])
    effect = Effect(value, low, high, n, n, "", 3, "trainings")
    return part(rule, below(effect, rule.thresholds[0]), effect)


def paired(
    ours: list[Cell], theirs: list[Cell], name: str, change: Callable[[Array], Array]
) -> Effect:
    """Mean of change(ours) − change(theirs) over the inputs of both, and its interval."""
    common = matched(name, *of_every_training(ours, theirs))
    if not common.clusters:
        return Effect(math.nan, math.nan, math.nan, 0, 0)
    first, second = (change(side) for side in common.sides)
    found = contrast(first[:, None] - second[None], common.clusters)
    over = TRAININGS if found.overall else ONE_TRAINING
    return Effect(found.mean, found.low, found.high, first.size, common.trainings[0], "", 2, over)
