"""Cells of every schema version so far: read as they are, migrated in memory, or refused with the
reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from invbench.files import is_modest, parse_json
from invbench.store.case import case_named
from invbench.store.cell import SCHEMA, Cell

__all__ = ["MIGRATIONS", "OtherKey", "OtherSchema", "Stored", "read_cell"]

Document = dict[str, Any]


class OtherSchema(ValueError):
    """The cell has a version that this invbench does not read: newer than its own, or one that
    nothing migrates."""

    def __init__(self, version: int, newer: bool) -> None:
        do = (
            "upgrade to read it"
            if newer
            else "an invbench between the two reads it; else measure it again"
        )
        age = "a newer" if newer else "an older"
        super().__init__(f"written by {age} invbench (schema {version}, ours is {SCHEMA}); {do}")


class OtherKey(ValueError):
    """The content of the cell is not what its key was made of: somebody has edited it."""

    def __init__(self) -> None:
        super().__init__("its content does not match its key")


class Stored(NamedTuple):
    """A cell as it was read. ``key`` and ``version``: as they stand in the file, which is another
    key and an older version where the cell was migrated."""

    cell: Cell
    key: str
    version: int


def read_cell(data: bytes) -> Stored:
    """The cell in ``data``, in the schema of today. The file is not rewritten.

    Raises ``OtherSchema``, ``OtherKey``, and ``ValidationError`` or ``ValueError`` for what is a
    cell of no schema.
    """
    if not is_modest(data):
        raise ValueError("far more lists and objects than a cell has")
    try:
        cell = Cell.model_validate_json(data)
        if cell.schema_version == SCHEMA:
            if cell.key != cell.spec.key:
                raise OtherKey
            return Stored(cell, cell.key, SCHEMA)
    except ValidationError:
        if _version(data) == SCHEMA:
            raise
    # another version: its fields may be others
    document, version = parse_json(data), _version(data)
    if version > SCHEMA:
        raise OtherSchema(version, newer=True)
    key = str(document.get("key"))
    for step in range(version, SCHEMA):
        if step not in MIGRATIONS:
            raise OtherSchema(version, newer=False)
        document = {**MIGRATIONS[step](document), "schema_version": step + 1}
    cell = Cell.model_validate(document | {"key": ""})
    return Stored(cell.model_copy(update={"key": cell.spec.key}), key, version)


FIRST_DEFAULTS: Document = {
    "seed": 0,
    "weights_digest": "",
    "dtype": "float32",
    "device": "cpu",
    "batch_size": 1,
    "settings": {},
    "protocol": 1,
}


def _second(document: Document) -> Document:
    """Schema 1 → 2: fields in place of the case's name, and digests of code as it was when schema
    2 came. An entry whose source is not a built-in's of then keeps the digest that it had."""
    spec = document.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("settings", {}), dict):
        raise ValueError("a cell of schema 1 without a spec")
    spec = {**FIRST_DEFAULTS, **spec}
    text = json.dumps(spec, sort_keys=True)
    if document.get("key") != hashlib.sha256(text.encode()).hexdigest()[:24]:
        raise OtherKey
    case = case_named(str(spec.pop("case", "")))
    settings = {k: v for k, v in spec["settings"].items() if k not in ("eps_255", "autocast")}
    digests, flow = _digests(), str(settings.get("flow", ""))
    if spec.get("track") == "toy2d":
        flow = "toy2d"
    spec |= case.model_dump() | {
        "settings": settings,
        "entry_digest": digests["entries"].get(str(old := spec.get("entry_digest")), old),
        "corruption_digest": digests["corruptions"].get(case.corruption, ""),
        "attack_digest": digests["attacks"].get(case.attack or case.measure, ""),
        "flow_digest": digests["flows"].get(flow, ""),
    }
    return document | {"spec": spec}


@cache
def _digests() -> dict[str, dict[str, str]]:
    """The code of schema 1's last version, by old digest or by name."""
    text = Path(__file__).with_name("schema1_digests.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


# version → what makes a document of the next one of it
MIGRATIONS: dict[int, Callable[[Document], Document]] = {1: _second}


def _version(data: bytes) -> int:
    """The version that a document states; today's when it is no document, whose own error then
    tells."""
    try:
        document = parse_json(data)
    except ValueError:
        return SCHEMA
    version = document.get("schema_version", SCHEMA) if isinstance(document, dict) else SCHEMA
    return version if type(version) is int else SCHEMA
