"""Specs of cells by the name of their case."""

from __future__ import annotations

from typing import Any

from invbench.store.case import case_named
from invbench.store.cell import CellSpec
from invbench.tracks.protocols import protocol_of

__all__ = ["spec_named", "under_todays_protocol"]


def spec_named(track: str, entry: str, case: str, **fields: Any) -> CellSpec:
    """The spec of ``case``; its other fields as given, the digest of the entry ``d`` by default."""
    parts = case_named(case).model_dump()
    return CellSpec(track=track, entry=entry, **parts, **{"entry_digest": "d", **fields})


def under_todays_protocol(spec: CellSpec) -> CellSpec:
    return spec.at(protocol=protocol_of(spec))
