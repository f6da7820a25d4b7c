"""Which code measures a cell today, and which stored cells a change has made stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from invbench.attacks.radius import critical_radii
from invbench.errors import InvbenchError
from invbench.registry import ATTACKS, CORRUPTIONS, FLOWS
from invbench.source import code_digest
from invbench.store.cell import CellSpec
from invbench.store.record import Record
from invbench.targets import resolve, without_options
from invbench.tracks.kinds import RADIUS
from invbench.tracks.protocols import current, protocol_of
from invbench.tracks.track import TRACKS

__all__ = ["completed", "outdated"]


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
