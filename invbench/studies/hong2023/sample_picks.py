"""Inputs that show artefacts (Fig. 6, 7): picked by a stated rule from stored cells, and decoded
again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from invbench.store.record import Record
from invbench.studies.hong2023.samples import Input, drawn, flow_of, input_of

__all__ = ["SHOWN", "Pick", "Row", "picks"]

SHOWN = ("affine", "affine-floor", "modified-rq")


@dataclass(frozen=True)
class Row:
    """A rule that picks an input of ``case`` from photographs not shown yet: the finite one on which
    ``design`` is furthest, or the first on which it is not ``finite``."""

    case: str
    design: str
    finite: bool
    rule: str


@dataclass(frozen=True)
class Pick:
    """What a rule picked: all samples of each design (10, 3, H, W), from the same latents; ``worst``:
    the place of the rule's design's worst."""

    row: Row
    given: Input
    samples: dict[str, Tensor]
    worst: int

    @property
    def shown(self) -> dict[str, Tensor]:
        """One sample of each design."""
        return {design: x[self.worst] for design, x in self.samples.items()}

    @property
    def photograph(self) -> str:
        return _photograph(self.given.pair.name)


def picks(
    cells_of: Callable[[str, str], Sequence[Record]],
    wanted: Sequence[Row],
    say: Callable[[str], None] = lambda line: None,
) -> list[Pick]:
    """One per rule that picks something; ``cells_of`` a design and a case are its cells without
    attacks. Only seed 0 is shipped. Raises ``UsageError`` without weights."""
    found: list[Pick] = []
    for row in wanted:
        cells = [
            c for c in cells_of(row.design, row.case) if c.spec.seed == 0 and "inf" in c.measures
        ]
        shown = {pick.photograph for pick in found}
        index = _chosen(cells[0], row.finite, shown) if cells else None
        if index is None:
            continue
        say(f"decoding again: {row.rule}")
        given = input_of(cells[0], index)
        x = {design: drawn(flow_of(cells[0], design), given)[0] for design in SHOWN}
        k = int(x[row.design].abs().nan_to_num(math.inf, math.inf).flatten(1).amax(1).argmax())
        found.append(Pick(row, given, x, k))
    return found


def _chosen(cell: Record, finite: bool, shown: set[str]) -> int | None:
    """The input that the rule picks, of photographs not shown yet."""
    sizes, inf, names = (
        cell.numbers("max_abs_log10"),
        cell.numbers("inf"),
        cell.measures.get("names"),
    )
    new = [
        k
        for k, name in enumerate(names if isinstance(names, list) else [])
        if _photograph(str(name)) not in shown
    ]
    if not finite:
        return next((k for k in new if inf[k]), None)
    return max((k for k in new if not inf[k]), key=sizes.__getitem__, default=None)


def _photograph(name: str) -> str:
    return name.rpartition("/")[0] or name
