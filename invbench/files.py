"""Where files live: the user's cache, and writing without leaving halves behind."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from invbench.errors import HarnessError, UsageError

__all__ = [
    "LARGEST",
    "LARGEST_RECORD",
    "LARGEST_TEXT",
    "cache_dir",
    "is_modest",
    "parse_json",
    "read_limited",
    "write_atomically",
]

LARGEST = 64 * 2**20  # bytes of a file that came from elsewhere
LARGEST_TEXT = 10**6  # of one of JSON or TOML, which takes many times its size in memory
LARGEST_RECORD = 10**5  # of the record of a case, which has less than a kilobyte
MOST_CONTAINERS = 10_000  # lists and objects of one of JSON; a cell has some thirty


def cache_dir() -> Path:
    """``INVBENCH_CACHE``, else ``$XDG_CACHE_HOME/invbench``, else ``~/.cache/invbench``."""
    if own := os.environ.get("INVBENCH_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "invbench"


def read_limited(path: Path, largest: int = LARGEST) -> bytes:
    """A file of at most ``largest`` bytes. Raises ``UsageError`` when it is larger, missing or
    unreadable."""
    try:
        if path.stat().st_size > largest:
            raise UsageError(
                f"{path}: larger than {largest / 10**6:.3g} MB; not a file that invbench has "
                f"written"
            )
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; name a folder that invbench has written"
        ) from None


def is_modest(data: bytes) -> bool:
    """Whether JSON has so few lists and objects that they are built, and refused one by one, within
    a second."""
    return data.count(b"[") + data.count(b"{") <= MOST_CONTAINERS


def parse_json(data: bytes) -> Any:
    """JSON as data. Raises ``ValueError`` for what is no JSON, also when it is nested too
    deeply."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, sync, rename. Raises ``HarnessError`` when the
    disk refuses."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp"
        )
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise HarnessError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
