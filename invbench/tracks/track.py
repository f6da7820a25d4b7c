"""A track of the leaderboard: a record of everything that is its own, and the table of all tracks.

A new track is one file: a module-level ``register(Track(…))``. Outside of this package it is found
through an entry point of the group ``invbench.tracks`` that names the module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invbench.late import Late
from invbench.registry import Registry, origin
from invbench.store.case import Case
from invbench.store.cell import CellSpec, Measured
from invbench.store.record import Record
from invbench.tracks.budget import Budget
from invbench.tracks.columns import DIGITS, Meaning

if TYPE_CHECKING:
    from invbench.targets import Target

__all__ = [
    "RADIUS_SEARCH",
    "TRACKS",
    "Data",
    "Options",
    "Page",
    "Row",
    "Track",
    "pooled_case",
    "register",
    "track_named",
]

Row = dict[str, Any]
# among the attacks of a run: the critical radius, many searches in one cell
RADIUS_SEARCH = "radius"


@dataclass(frozen=True)
class Options:
    """What the caller of ``run`` chose; None or an empty tuple means the budget's own.

    Naming corruptions or severities leaves the attacks out. Naming attacks (``RADIUS_SEARCH`` is
    one) leaves every corruption out but ``clean``. ``flow``: a reference flow in place of the
    track's own, of size ``size``; ``weights``: a file of its weights in place of the cache's or the
    shipped ones.
    """

    budget: Budget
    seeds: int | None = None
    dtype: str = "float32"
    device: str = "cpu"
    datasets: tuple[str, ...] = ("embedded",)
    corruptions: tuple[str, ...] = ()
    severities: tuple[int, ...] = ()
    attacks: tuple[str, ...] = ()
    inputs: int | None = None
    eps: tuple[int, ...] = ()
    flow: str = ""
    size: str = "mini"
    weights: Path | None = None


@dataclass(frozen=True)
class Data:
    """Which data sets a track measures on: ``accepts`` knows its names, ``check`` raises
    ``UsageError`` for one that is not there. A damaged image is its cells' own error."""

    accepts: Callable[[str], bool]
    check: Callable[[str], None]


@dataclass(frozen=True)
class Page:
    """How a track looks on the page. ``title``: beside its name; ``order``: of the tabs, smallest
    first; ``charts``: those that it may have, the most telling first (``invbench plot``);
    ``quality``: (column, whether larger is better) of the Pareto chart; ``clean``: the conditions,
    without data set, that a flow was trained for, the first that was measured counts;
    ``strength``: what the number behind a condition is called."""

    title: str = ""
    order: int = 100
    charts: tuple[str, ...] = ()
    quality: tuple[str, bool] | None = None
    clean: tuple[str, ...] = ("clean",)
    strength: str = "severity"


def pooled_case(case: Case) -> str:
    """The row that pools a case of photographs: what attacks reach together, the clean condition,
    and all others."""
    kind = "attacked" if case.attack else "clean" if case.corruption == "clean" else "ood"
    return f"{case.dataset}/{kind}"


@dataclass(frozen=True)
class Track:
    """Everything that a track owns.

    ``plan(target, options)``: the cells of an entry; ``measure(spec, target)`` measures one; a
    ``Late`` function keeps torch away from whoever reads tables. The run fills in digests of code
    and the protocol. ``protocol``: raised when its old numbers no
    longer compare.

    ``weights``: its own reference flow, in size mini; by default only designs that have weights of
    it are measured, and where ``chooses_flow`` others whose ``track`` is this one may take its
    place (``flows_of``: the track of these, where it is another). ``trains``: the flow that its
    cells train themselves. ``asked``: it runs only where it is named.

    ``columns``: of its table beside the common ones, ``screen``: those that a person sees first,
    ``short``: those that fit a terminal,
    ``digits``: decimals, ``meanings``: what they mean (``invbench explain``). ``row(entry, case,
    cells)``: a row of the table, from ``invbench.tracks.row``. ``one_case``: the name of an entry's
    only row; ``pooled``: names the row that pools a case; ``own_rows``: measures whose cells have a
    row of their own; ``dtypes``: measure → its usual dtype, where that is not float32.
    ``order``: of runs and tables, smallest first; ``hidden``: in no leaderboard.
    ``notes``: lines under the table, RATES of ``invbench.tracks.row`` among them.
    """

    name: str
    plan: Callable[[Target, Options], list[CellSpec]] | Late
    measure: Callable[[CellSpec, Target], Measured] | Late
    summary: str
    protocol: int = 1
    weights: str = ""
    trains: str = ""
    data: Data | None = None
    chooses_flow: bool = False
    flows_of: str = ""
    asked: bool = False
    columns: tuple[str, ...] = ()
    screen: tuple[str, ...] = ()
    short: tuple[str, ...] = ("entry", "n", "error_pct", "max_abs_log10", "tier")
    digits: Mapping[str, int] = field(default_factory=dict)
    meanings: tuple[Meaning, ...] = ()
    row: Callable[[str, str, Sequence[Record]], Row] | None = None
    one_case: str = ""
    pooled: Callable[[Case], str] = pooled_case
    own_rows: tuple[str, ...] = ()
    dtypes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    page: Page = Page()
    order: int = 100
    hidden: bool = False


_REGISTRY: Registry[Track] = Registry("track", "invbench.tracks", home=["invbench.tracks"])


def register(track: Track) -> Track:
    """Put a track into the table. Raises ``UsageError`` when another file has one of that name."""
    _REGISTRY.register(track.name, track, defined=origin(track.measure))
    DIGITS.update(track.digits)
    return track


class _Tracks(Mapping[str, Track]):
    """The tracks of the leaderboard, by name, in their order."""

    def __getitem__(self, name: str) -> Track:
        return _REGISTRY[name].obj

    def __contains__(self, name: object) -> bool:
        return name in _REGISTRY and not _REGISTRY[str(name)].obj.hidden

    def __iter__(self) -> Iterator[str]:
        shown = {name: entry.obj for name, entry in _REGISTRY.items() if not entry.obj.hidden}
        return iter(sorted(shown, key=lambda name: (shown[name].order, name)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def broken(self) -> list[tuple[str, str]]:
        """(entry point, reason) of each track that cannot be imported."""
        return _REGISTRY.broken


TRACKS = _Tracks()


def track_named(name: str) -> Track:
    """A track by name, also one that no leaderboard has. Raises ``UnknownName``."""
    return _REGISTRY[name].obj
