"""A track of the leaderboard: which cells an entry has, and how one is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from invbench.store.cell import CellSpec, Measured
from invbench.targets import Target
from invbench.tracks.budget import Budget

__all__ = ["RADIUS_SEARCH", "Data", "Options", "Track"]

# among the attacks of a run: the critical radius, many searches in one cell
RADIUS_SEARCH = "radius"


@dataclass(frozen=True)
class Options:
    """What the caller of ``run`` chose; None or an empty tuple means the budget's own.

    Naming conditions or severities leaves the attacks out, and naming attacks (``RADIUS_SEARCH`` is
    one) leaves the conditions out but ``clean``. ``flow``: a reference flow in place of the track's
    own, of the size ``model``; ``weights``: a file of its weights in place of the cache's or the
    shipped ones.
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
    flow: str = ""
    model: str = "mini"
    weights: Path | None = None


@dataclass(frozen=True)
class Data:
    """Which data sets a track measures on: ``accepts`` knows its names, ``check`` raises
    ``UsageError`` for one that is not there. A damaged image is its cells' own error."""

    accepts: Callable[[str], bool]
    check: Callable[[str], None]


@dataclass(frozen=True)
class Track:
    """``weights``: the track's own reference flow; by default only designs that have its weights,
    size mini, seed 0, are measured. Others whose ``track`` is this one may take its place where
    ``chooses_flow``."""

    name: str
    plan: Callable[[Target, Options], list[CellSpec]]
    measure: Callable[[CellSpec, Target], Measured]
    summary: str
    weights: str = ""
    data: Data | None = None
    chooses_flow: bool = False
