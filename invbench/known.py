"""Known failures: a TOML file that says which target breaks which property, why, and on which recipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invbench.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Known", "read_known"]


@dataclass(frozen=True)
class Known:
    """``[[known]]`` with ``target``, ``property``, ``reason`` and the ``recipe`` that shows it."""

    target: str
    property: str
    reason: str
    recipe: dict[str, Any] = field(default_factory=dict)


def read_known(path: Path) -> list[Known]:
    """Read a file of known failures. Raises ``UsageError`` naming the entry that is not well formed."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file of known failures") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})") from None
    found = []
    for index, entry in enumerate(document.get("known", [])):
        try:
            found.append(Known(**entry))
        except TypeError as error:
            raise UsageError(f"{path}: [[known]] number {index + 1}: {error}") from None
    return found
