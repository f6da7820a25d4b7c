"""What there is under which name, read without importing it.

invbench has its own catalogue beside this file, written by ``python docs/write_catalogue.py``. A
package with entry points of invbench may have one too, ``invbench_catalogue.json`` in its folder;
one that has none is imported to be listed.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["FILE", "Row", "catalogue", "explained", "names", "of_plugins", "packages"]

Row = dict[str, str]  # name, summary, source; of a law also its reference and what it trusts
FILE = "invbench_catalogue.json"


@cache
def catalogue(package: str = "invbench") -> dict[str, Any] | None:
    """The catalogue of a top-level package: kind, as in ``invbench list KIND``, to rows; under
    ``explained`` what ``invbench explain`` says of a name. None when it has none."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        try:
            read = json.loads(Path(folder, FILE).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        return read if isinstance(read, dict) else None
    return None


def packages(kind: str) -> list[str]:
    """The top-level packages that have entry points of a kind, ``couplings`` for one."""
    points = entry_points(group=f"invbench.{kind}")
    return list(dict.fromkeys(point.module.partition(".")[0] for point in points))


def of_plugins(kind: str) -> tuple[list[Row], bool]:
    """(the rows of packages with a catalogue, whether another package must be imported)."""
    found = [catalogue(package) for package in packages(kind)]
    rows = [row for one in found if one is not None for row in one.get(kind, [])]
    return rows, None in found


def explained(name: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """(kind, ((label, text), …)) of everything of that name in invbench's own catalogue."""
    return [
        (kind, tuple((label, text) for label, text in parts))
        for kind, parts in (catalogue() or {}).get("explained", {}).get(name, [])
    ]


def names() -> list[str]:
    """What invbench's own catalogue explains."""
    return list((catalogue() or {}).get("explained", {}))
