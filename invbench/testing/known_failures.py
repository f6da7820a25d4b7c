"""Known failures: a TOML file of targets, the properties that they break, reasons and recipes."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from invbench.errors import UsageError
from invbench.files import read_limited

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["KnownFailure", "read_known_failures"]

# bytes of the file, characters of a line: tomllib takes n² steps for a key of n parts
LARGEST, LONGEST_LINE = 250_000, 2000


@dataclass(frozen=True)
class KnownFailure:
    """``[[known]]`` with ``target``, ``property``, ``reason`` and the ``recipe`` that shows it."""

    target: str
    property: str
    reason: str
    recipe: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, entry: Any) -> KnownFailure:
        """From a table of the file. Raises ``ValueError`` that names the field that is wrong."""
        if not isinstance(entry, dict):
            raise ValueError("not a table; write [[known]]")
        types = {f.name: dict if f.name == "recipe" else str for f in fields(cls)}
        for name in types:
            if name not in entry and name != "recipe":
                raise ValueError(f"{name}: is missing")
        for name, value in entry.items():
            if name not in types:
                shown = " ".join(name.split())[:200]
                raise ValueError(f"{shown}: no such field; there are {', '.join(types)}")
            if not isinstance(value, types[name]):
                what = "a text" if types[name] is str else "a table"
                raise ValueError(f"{name}: must be {what}")
        return cls(**entry)


def read_known_failures(path: Path) -> list[KnownFailure]:
    """Read a file of known failures. Raises ``UsageError`` naming the entry that is not well
    formed."""
    if not path.exists():
        raise UsageError(f"{path}: no such file of known failures")
    try:
        text = read_limited(path, LARGEST).decode()
        if any(len(line) > LONGEST_LINE for line in text.splitlines()):
            raise ValueError(f"a line of more than {LONGEST_LINE} characters")
        entries = tomllib.loads(text).get("known", [])
        if not isinstance(entries, list):
            raise ValueError("known is not a list of tables; write [[known]]")
    except RecursionError:
        raise UsageError(f"{path}: not a readable TOML file (nested too deeply)") from None
    except ValueError as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from None
    known = []
    for index, entry in enumerate(entries):
        try:
            known.append(KnownFailure.of(entry))
        except ValueError as error:
            raise UsageError(f"{path}: [[known]] number {index + 1}: {error}") from None
    return known
