"""Known failures: a TOML file of targets, the properties that they break, reasons and recipes."""

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

__all__ = ["KnownFailure", "read_known_failures"]

# bytes of the file, characters of a line: tomllib takes n² steps for a key of n parts
LARGEST, LONGEST_LINE = 250_000, 2000


class KnownFailure(BaseModel):
    """``[[known]]`` with ``target``, ``property``, ``reason`` and the ``recipe`` that shows it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    target: str
    property: str
    reason: str
    recipe: dict[str, Any] = Field(default_factory=dict)


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
            known.append(KnownFailure.model_validate(entry))
        except ValidationError as error:
            raise UsageError(
                f"{path}: [[known]] number {index + 1}: {first_problem(error)}"
            ) from None
    return known
