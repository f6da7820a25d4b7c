"""Known failures: a TOML file that says which target breaks which property, why, and on which
recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from invbench.errors import UsageError, first_problem
from invbench.files import read_limited

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Known", "read_known"]

# bytes, and characters: a key of n parts takes n² steps to read
LARGEST, LONGEST_LINE = 250_000, 2000


class Known(BaseModel):
    """``[[known]]`` with ``target``, ``property``, ``reason`` and the ``recipe`` that shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    target: str
    property: str
    reason: str
    recipe: dict[str, Any] = Field(default_factory=dict)


def read_known(path: Path) -> list[Known]:
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
    found = []
    for index, entry in enumerate(entries):
        try:
            found.append(Known.model_validate(entry))
        except ValidationError as error:
            raise UsageError(
                f"{path}: [[known]] number {index + 1}: {first_problem(error)}"
            ) from None
    return found
