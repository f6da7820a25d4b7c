"""A track of the leaderboard: which cells an entry has, and how one is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from invbench.bench.budget import Budget
from invbench.bench.cell import CellSpec, Status
from invbench.targets import Target

__all__ = ["Data", "Measured", "Options", "Track"]


@dataclass(frozen=True)
class Options:
    """What the caller of ``run`` chose; None or an empty tuple means the budget's own.

    Naming conditions or severities leaves the attacks out, and naming attacks leaves the conditions out but ``clean``.
    """

    size: Budget
    seeds: int | None = None
    dtype: str = "float32"
    device: str = "cpu"
    datasets: tuple[str, ...] = ("embedded",)
    families: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    attacks: tuple[str, ...] = ()
    attacked: int | None = None
    eps: tuple[int, ...] = ()


@dataclass(frozen=True)
class Measured:
    """What a measurement returns; an exception becomes a cell of status ``error``.

    ``found``: cases to keep below ``counterexamples/``, as folder → file → bytes.
    """

    measures: dict[str, Any]
    status: Status = "ok"
    reason: str = ""
    found: dict[str, dict[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """Which data sets a track measures on: ``accepts`` knows its names, ``check`` raises ``UsageError`` for one that is not there. A damaged
    image is its cells' own error."""

    accepts: Callable[[str], bool]
    check: Callable[[str], None]


@dataclass(frozen=True)
class Track:
    """``weights``: a reference flow; by default only designs that have its weights, size mini, seed 0, are measured."""

    name: str
    plan: Callable[[Target, Options], list[CellSpec]]
    measure: Callable[[CellSpec, Target], Measured]
    summary: str
    weights: str = ""
    data: Data | None = None
