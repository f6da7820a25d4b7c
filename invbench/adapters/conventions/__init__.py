"""The conventions of other people's layers: how they are called, what they return, and what was
guessed of that."""

from __future__ import annotations

from invbench.adapters.conventions.probing import drawn, rows_of, undisturbed
from invbench.adapters.conventions.reading import CLOSE, Conventions, read_conventions
from invbench.adapters.conventions.returned import described, per_row, tensors_of
from invbench.adapters.conventions.ways import has_directions

__all__ = [
    "CLOSE",
    "Conventions",
    "described",
    "drawn",
    "has_directions",
    "per_row",
    "read_conventions",
    "rows_of",
    "tensors_of",
    "undisturbed",
]
