"""By which protocol and which code a cell is measured today."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import cache

from invbench.attacks.radius import critical_radii
from invbench.errors import InvbenchError
from invbench.registry import ATTACKS, CORRUPTIONS, FLOWS
from invbench.source import code_digest
from invbench.store.cell import CellSpec
from invbench.store.record import Record
from invbench.targets import resolve, without_options
from invbench.tracks.track import TRACKS

__all__ = ["completed", "current", "outdated", "protocol_of", "versions_of"]

SEARCH_PROTOCOL = (
    2  # 1: the objective counted the latent itself, and stood still on bounded designs
)
RADIUS = "radius"  # the measure whose searches are the critical radius


def protocol_of(spec: CellSpec) -> int:
    """The protocol of a cell's measurement today; cells of another one are stale."""
    own = TRACKS[spec.track].protocol if spec.track in TRACKS else spec.protocol
    return max(own, SEARCH_PROTOCOL if spec.attack or spec.measure == RADIUS else 1)


def current(spec: CellSpec) -> bool:
    return spec.protocol == protocol_of(spec)


def completed(spec: CellSpec) -> CellSpec:
    """The cell with today's protocol and with the digests of the code that measures it."""
    return spec.at(
        protocol=protocol_of(spec),
        corruption_digest=_corruption(spec.corruption),
        attack_digest=_attack(spec.attack or spec.measure),
        flow_digest=_flow(str(spec.settings.get("flow", "")) or _own_flow(spec.track)),
    )


def outdated(cells: Iterable[Record]) -> Iterator[tuple[Record, str]]:
    """The cells that a change has made stale, each with what has changed. An entry that is not
    known here, a file of somebody else's for one, is not judged."""
    for cell in cells:
        spec = cell.spec
        if spec.track not in TRACKS:
            continue
        if not current(spec):
            yield cell, f"protocol {spec.protocol}, today {protocol_of(spec)}"
            continue
        now, reasons = completed(spec), []
        if _entry(spec.entry) not in ("", spec.entry_digest):
            reasons.append(f"the code of {spec.entry}")
        for what, name in (
            ("corruption", spec.corruption),
            ("attack", spec.attack or spec.measure),
            ("flow", str(spec.settings.get("flow", "")) or _own_flow(spec.track)),
        ):
            if getattr(now, f"{what}_digest") != getattr(spec, f"{what}_digest"):
                reasons.append(f"the code of {what} {name}")
        if reasons:
            yield cell, " and ".join(reasons)


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


def _own_flow(track: str) -> str:
    return TRACKS[track].trains if track in TRACKS else ""


@cache
def _entry(name: str) -> str:
    """The digest of a registered coupling, empty for a name that is none."""
    try:
        return resolve(name).digest
    except InvbenchError:
        return ""


@cache
def _corruption(name: str) -> str:
    return code_digest(CORRUPTIONS[name].obj) if name in CORRUPTIONS else ""


@cache
def _attack(name: str) -> str:
    if name == RADIUS:
        return code_digest(critical_radii)
    return code_digest(ATTACKS[name].obj.search) if name in ATTACKS else ""


@cache
def _flow(name: str) -> str:
    name = without_options(name)  # they stand in the settings
    return code_digest(FLOWS[name].obj) if name in FLOWS else ""
