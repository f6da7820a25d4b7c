"""A cell: one measurement of the leaderboard, what it is and what came out."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["FAILED", "NON_FINITE", "PROTOCOL", "SCHEMA", "Cell", "CellSpec", "Status", "slug"]

SCHEMA = 1  # of the file
PROTOCOL = 1  # of the measurement: raised when numbers of old cells no longer compare

Status = Literal["ok", "diverged", "error", "oom", "timeout", "skipped"]
FAILED = ("error", "oom", "timeout")  # cells that should have a number and have none

Whole = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # a float can be made of it
Number = bool | Whole | float | str | None
Numbers = Annotated[list[Number], Field(fail_fast=True)]  # of a file of wrong ones, the first is enough
Measures = dict[str, Number | Numbers | dict[str, Number]]

NON_FINITE = ("Infinity", "-Infinity", "NaN")
TEXTS = ("names", "findings")  # the only lists that hold words
PER_INPUT = ("names", "inf", "error", "max_abs_log10")  # lists of one length, without gaps
SHARES = ("inf", "error")  # did it happen to the input: 0 or 1


class CellSpec(BaseModel):
    """What is to be measured. Its hash is the cell's key; ``target`` and ``exclusive`` do not enter it."""

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
    exclusive: bool = Field(default=False, exclude=True)

    @property
    def key(self) -> str:
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def path(self) -> str:
        """Below the results folder; names from outside cannot leave it."""
        return f"{slug(self.track)}/{slug(self.entry)}/{self.key}.json"


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

    @field_validator("measures")
    @classmethod
    def _tables_can_take(cls, measures: Measures) -> Measures:
        """A cell may come from elsewhere; one that no table can take must not stop the tables of the others."""
        for name, value in measures.items():
            numbers = value if isinstance(value, list) and name not in TEXTS else []
            if any(isinstance(v, str) and v not in NON_FINITE for v in numbers):
                raise ValueError(f"{name} is a list of numbers and holds text")
        lists = [measures[name] for name in PER_INPUT if name in measures]
        if any(not isinstance(v, list) or None in v or len(v) != len(lists[0]) for v in lists):  # type: ignore[arg-type]
            raise ValueError(f"{', '.join(PER_INPUT)} must be lists of one length, a number for each input")
        for name in SHARES:
            if any(v not in (0, 1) for v in measures.get(name, [])):  # type: ignore[union-attr]
                raise ValueError(f"{name} says 0 or 1 of each input")
        return measures

    def numbers(self, name: str) -> list[float]:
        """A per-input list of measures as floats; empty when absent."""
        values = self.measures.get(name)
        return [float(v) for v in values if v is not None] if isinstance(values, list) else []


def slug(name: str) -> str:
    """A safe file name for any name: unchanged when it is plain, else cleaned and told apart by a hash."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60]
    if plain == name and name:
        return name
    return f"{plain or 'entry'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
