"""Where the index of a results folder lies, and the sums by which damage to it is noticed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

from invbench.files import cache_dir

__all__ = ["checksum", "digest", "index_path", "removed"]

FORMAT = f"4-{sys.byteorder}"
KEPT = 20  # indices of other folders


def index_path(root: Path) -> Path:
    """The file of this folder's index; those of the folders read longest ago are deleted."""
    folder = cache_dir() / "index"
    path = folder / f"{digest(str(root.resolve()))}-{FORMAT}.sqlite"
    try:
        others = sorted(
            (p for p in folder.glob("*.sqlite") if p != path), key=lambda p: -p.stat().st_mtime_ns
        )
    except OSError:
        return path
    for other in others[KEPT:]:
        removed(other)
    return path


def removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
        Path(f"{path}-journal").unlink(missing_ok=True)
    except OSError:
        return False
    return True


def digest(*texts: str, data: bytes = b"") -> str:
    return hashlib.blake2b(
        "\0".join(texts).encode("utf-8", "surrogatepass") + data, digest_size=12
    ).hexdigest()


def checksum(values: Iterable[Any]) -> int:
    """Of a row of the index, so that a damaged one is noticed."""
    found = 0
    for value in values:
        found = crc32(
            value if isinstance(value, bytes) else f"{value}\0".encode("utf-8", "surrogatepass"),
            found,
        )
    return found
