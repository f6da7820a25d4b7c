"""By which protocol a cell is measured today, and which code measured it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from invbench.store.cell import CellSpec
from invbench.store.record import Record
from invbench.tracks.kinds import RADIUS
from invbench.tracks.track import TRACKS

__all__ = ["current", "protocol_of", "superseded", "versions_of"]

SEARCH_PROTOCOL = (
    2  # 1: the objective counted the latent itself, and stood still on bounded designs
)


def protocol_of(spec: CellSpec) -> int:
    """The protocol of a cell's measurement today; cells of another one are stale."""
    own = TRACKS[spec.track].protocol if spec.track in TRACKS else spec.protocol
    return max(own, SEARCH_PROTOCOL if spec.attack or spec.measure == RADIUS else 1)


def current(spec: CellSpec) -> bool:
    return spec.protocol == protocol_of(spec)


def superseded(cells: Iterable[Record]) -> Iterator[tuple[Record, str]]:
    """The cells of another protocol than today's, each with both."""
    for cell in cells:
        if cell.spec.track in TRACKS and not current(cell.spec):
            yield cell, f"protocol {cell.spec.protocol}, today {protocol_of(cell.spec)}"


def versions_of(spec: CellSpec) -> tuple[tuple[Hashable, str], ...]:
    """(what code makes, its digest) of the entry, the corruption, the attack and the flow; cells
    that share one of these are of one version of it."""
    track = spec.track
    return (
        ((track, spec.entry), spec.entry_digest),
        ((track, spec.corruption), spec.corruption_digest),
        ((track, spec.attack or spec.measure), spec.attack_digest),
        ((track, spec.settings.get("flow")), spec.flow_digest),
    )
