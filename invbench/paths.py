"""Where files live: the user's cache, and writing without leaving halves behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from invbench.errors import HarnessError, UsageError

__all__ = ["cache_dir", "read_limited", "write_atomically"]

LARGEST = 64 * 2**20  # bytes of a file that came from elsewhere


def cache_dir() -> Path:
    """``INVBENCH_CACHE``, else ``$XDG_CACHE_HOME/invbench``, else ``~/.cache/invbench``."""
    if own := os.environ.get("INVBENCH_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "invbench"


def read_limited(path: Path) -> bytes:
    """A file of at most 64 MiB. Raises ``UsageError`` when it is larger, missing or unreadable."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path}: larger than {LARGEST // 2**20} MiB; not a file that invbench has written")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name a folder that invbench has written") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write to a temporary name in the same folder, sync, rename. Raises ``HarnessError`` when the disk refuses."""
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
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
