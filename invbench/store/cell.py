"""A cell: one measurement of the leaderboard, what it is and what came out."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "FAILED",
    "NON_FINITE",
    "PROTOCOL",
    "SCHEMA",
    "TEXTS",
    "Cell",
    "CellSpec",
    "Measured",
    "Status",
    "protocol_of",
    "slug",
]

SCHEMA = 1  # of the file
PROTOCOL = 1  # of the measurement: raised when numbers of old cells no longer compare
# of the cells that search (case contains one of these): their objective counted the latent itself
# before, and stood still on bounded designs
SEARCHES, SEARCH_PROTOCOL = ("/attack-", "#radius"), 2
# of tracks as a whole: the unconditional one took nll without dequantisation before
TRACK_PROTOCOLS = {"unconditional": 2}

Status = Literal["ok", "diverged", "error", "oom", "timeout", "skipped"]
FAILED = ("error", "oom", "timeout")  # cells that should have a number and have none

Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # a float can be made of it
Number = bool | Whole | float | str | None
# of a file of wrong ones, the first is enough
Numbers = Annotated[list[Number], Field(fail_fast=True)]
Measures = dict[str, Number | Numbers | dict[str, Number]]

NON_FINITE = ("Infinity", "-Infinity", "NaN")
TEXTS = ("names", "findings")  # the only lists that hold words


def protocol_of(track: str, case: str) -> int:
    """The protocol by which a case of a track is measured today; cells of another one are stale."""
    searches = any(part in case for part in SEARCHES)
    return max(TRACK_PROTOCOLS.get(track, PROTOCOL), SEARCH_PROTOCOL if searches else PROTOCOL)


class CellSpec(BaseModel):
    """What is to be measured. Its hash is the cell's key; ``target``, ``weights`` (a file that the
    user named) and ``exclusive`` do not enter it."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    track: str
    entry: str = Field(max_length=200)
    case: str = Field(max_length=200)
    seed: Whole = 0
    entry_digest: str
    weights_digest: str = ""
    dtype: str = "float32"
    device: str = "cpu"
    batch_size: int = 1
    settings: dict[str, Number] = Field(default_factory=dict)
    protocol: int = PROTOCOL
    target: str = Field(default="", exclude=True)
    weights: str = Field(default="", exclude=True)
    exclusive: bool = Field(default=False, exclude=True)

    def at(self, case: str, **changed: Any) -> CellSpec:
        """The same for another case, under that case's protocol."""
        return self.model_copy(
            update={**changed, "case": case, "protocol": protocol_of(self.track, case)}
        )

    @property
    def key(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def path(self) -> str:
        """Below the results folder; names from outside cannot leave it."""
        return f"{slug(self.track)}/{slug(self.entry)}/{self.key}.json"


@dataclass(frozen=True)
class Measured:
    """What a measurement returns; an exception becomes a cell of status ``error``.

    ``found``: cases to keep below ``counterexamples/``, as folder → file → bytes.
    """

    measures: dict[str, Any]
    status: Status = "ok"
    reason: str = ""
    found: dict[str, dict[str, bytes]] = field(default_factory=dict)


class Cell(BaseModel):
    """A finished cell. Non-finite numbers are stored as the strings Infinity, -Infinity and NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    schema_version: int = SCHEMA
    key: str
    spec: CellSpec
    status: Status
    reason: str = Field(default="", max_length=4000)
    measures: Measures = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)

    @property
    def finished(self) -> str:
        """When, as ISO 8601; empty when the cell does not say."""
        return str(self.provenance.get("finished", ""))

    def numbers(self, name: str) -> list[float]:
        """A per-input list of measures as floats; empty when absent."""
        values = self.measures.get(name)
        return [float(v) for v in values if v is not None] if isinstance(values, list) else []


def slug(name: str) -> str:
    """A safe file name for any name: unchanged when it is plain, else cleaned and told apart by a
    hash."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60]
    if plain == name and name:
        return name
    return f"{plain or 'entry'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
