"""A cell: one measurement of the leaderboard, what it is and what came out."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from invbench.store.case import Case

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
    "place",
    "slug",
]

SCHEMA = 2  # of the file
PROTOCOL = 1  # of the measurement: raised when numbers of old cells no longer compare

Status = Literal["ok", "diverged", "error", "oom", "timeout", "skipped"]
FAILED = ("error", "oom", "timeout")  # cells that should have a number and have none

Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # a float can be made of it
Number = bool | Whole | float | str | None
# of a file of wrong ones, the first is enough
Numbers = Annotated[list[Number], Field(fail_fast=True)]
Measures = dict[str, Number | Numbers | dict[str, Number]]

NON_FINITE = ("Infinity", "-Infinity", "NaN")
TEXTS = ("names", "findings")  # the only lists that hold words


class CellSpec(Case):
    """What is to be measured. Its hash is the cell's key; ``target``, ``weights`` (a file that the
    user named) and ``exclusive`` do not enter it.

    Digests: of the code of the entry, of the corruption, of the attack and of the flow, each with
    the modules that it uses (``invbench.source``), and of the weights; empty where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    track: str
    entry: str = Field(max_length=200)
    seed: Whole = 0
    entry_digest: str
    corruption_digest: str = ""
    attack_digest: str = ""
    flow_digest: str = ""
    weights_digest: str = ""
    dtype: str = "float32"
    device: str = "cpu"
    batch_size: int = 1
    settings: dict[str, Number] = Field(default_factory=dict)
    protocol: int = PROTOCOL
    target: str = Field(default="", exclude=True)
    weights: str = Field(default="", exclude=True)
    exclusive: bool = Field(default=False, exclude=True)

    @property
    def case(self) -> str:
        """The name of what is measured, as tables print it."""
        return self.name

    def at(self, **changed: Any) -> CellSpec:
        """The same with other values of these fields."""
        return self.model_copy(update=changed)

    @property
    def key(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def path(self) -> str:
        """Below the results folder; names from outside cannot leave it."""
        return place(self.track, self.entry, self.key)


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


def place(track: str, entry: str, key: str) -> str:
    """The file of a cell below the results folder."""
    return f"{slug(track)}/{slug(entry)}/{key}.json"


def slug(name: str) -> str:
    """A safe file name for any name: unchanged when it is plain, else cleaned and told apart by a
    hash."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60]
    if plain == name and name:
        return name
    return f"{plain or 'entry'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
