"""Cells of every schema version so far: read as they are, migrated in memory, or refused with the
reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from invbench.files import is_modest, parse_json
from invbench.store.cell import SCHEMA, Cell

__all__ = ["MIGRATIONS", "OtherSchema", "read_cell"]

Document = dict[str, Any]

# version → what makes a document of the next one of it. A migration leaves the spec alone: its hash
# is the name of the file, and what changes the meaning of a number is a new PROTOCOL. Version 1 is
# the first.
MIGRATIONS: dict[int, Callable[[Document], Document]] = {}


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


def read_cell(data: bytes) -> Cell:
    """The cell in ``data``, in the schema of today. The file is not rewritten.

    Raises ``OtherSchema``, and ``ValidationError`` or ``ValueError`` for what is a cell of no
    schema.
    """
    if not is_modest(data):
        raise ValueError("far more lists and objects than a cell has")
    try:
        cell = Cell.model_validate_json(data)
        if cell.schema_version == SCHEMA:
            return cell
    except ValidationError:
        if _version(data) == SCHEMA:
            raise
    # another version: its fields may be others
    document, version = parse_json(data), _version(data)
    if version > SCHEMA:
        raise OtherSchema(version, newer=True)
    for step in range(version, SCHEMA):
        if step not in MIGRATIONS:
            raise OtherSchema(version, newer=False)
        document = {**MIGRATIONS[step](document), "schema_version": step + 1}
    return Cell.model_validate(document)


def _version(data: bytes) -> int:
    """The version that a document states; today's when it is no document, whose own error then
    tells."""
    try:
        document = parse_json(data)
    except ValueError:
        return SCHEMA
    version = document.get("schema_version", SCHEMA) if isinstance(document, dict) else SCHEMA
    return version if type(version) is int else SCHEMA
