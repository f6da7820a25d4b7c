"""A results folder as one tar file whose bytes follow from its contents: fit for a DOI."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invbench.errors import HarnessError, UsageError
from invbench.store.cell import SCHEMA
from invbench.store.provenance import commit
from invbench.store.store import Store

__all__ = ["MANIFEST", "MANIFEST_VERSION", "SUMS", "Archived", "archive"]

FOLDER = "invbench-results"  # the one folder in the tar
MANIFEST, SUMS = "MANIFEST.json", "SHA256SUMS"
MANIFEST_VERSION = 1
LEFT_OUT = (".tmp", ".unreadable")  # halves of files, and what could not be read


@dataclass(frozen=True)
class Archived:
    """``files``: how many files the tar holds beside manifest and sums; ``sha256``: of the tar."""

    path: Path
    files: int
    cells: int
    sha256: str


def archive(root: Path, path: Path) -> Archived:
    """Write every file below the results folder ``root`` into the tar file ``path``, then
    MANIFEST.json (versions, commit, what the cells are, and size and SHA-256 of every file) and
    SHA256SUMS, which ``sha256sum -c`` reads. Same contents, version and commit: same bytes.

    Hidden and temporary files, links, and the archive itself stay outside. Raises ``UsageError``
    for another name than FILE.tar, for a folder without cells, and for one with a damaged cell;
    ``HarnessError`` when the disk refuses.
    """
    if path.suffix != ".tar":
        raise UsageError(
            f"{path}: an archive is a plain tar, whose bytes depend on no compressor; name it "
            f"{path.name.split('.')[0] or 'results'}.tar"
        )
    about = _about(root)
    files: list[dict[str, Any]] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"
        )
        try:
            with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as tar:
                for file in _kept(root, path):
                    data, name = file.read_bytes(), file.relative_to(root).as_posix()
                    sha256 = hashlib.sha256(data).hexdigest()
                    files.append({"path": name, "bytes": len(data), "sha256": sha256})
                    _add(tar, name, data)
                manifest = json.dumps({**about, "files": files}, indent=1, ensure_ascii=False)
                _add(tar, MANIFEST, (manifest + "\n").encode())
                sums = "".join(f"{f['sha256']}  {f['path']}\n" for f in files)
                _add(tar, SUMS, sums.encode())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        digest = hashlib.sha256()
        with path.open("rb") as written:
            while block := written.read(2**20):
                digest.update(block)
    except OSError as error:
        raise HarnessError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    return Archived(path, len(files), sum(about["cells"].values()), digest.hexdigest())


def _about(root: Path) -> dict[str, Any]:
    """What the manifest says beside the files: all of it follows from the cells and the code."""
    import invbench

    cells, unreadable = Store(root).load()
    if not cells:
        raise UsageError(f"{root}: no cells to archive; name a results folder (invbench run)")
    if unreadable:
        raise UsageError(
            f"{unreadable[0].path}: {unreadable[0].reason}; {len(unreadable)} such in all, nothing "
            f"was archived: invbench doctor {root} names them"
        )
    protocols: dict[str, set[int]] = {}
    for cell in cells:
        protocols.setdefault(cell.spec.track, set()).add(cell.spec.protocol)
    return {
        "manifest": MANIFEST_VERSION,
        "invbench": invbench.__version__,
        "commit": commit(),
        "schema": SCHEMA,
        "protocols": {track: sorted(found) for track, found in sorted(protocols.items())},
        "cells": dict(sorted(Counter(cell.spec.track for cell in cells).items())),
        "measured_with": {
            name: sorted({str(cell.provenance.get(name, "")) for cell in cells} - {""})
            for name in ("invbench", "torch", "commit")
        },
    }


def _kept(root: Path, path: Path) -> list[Path]:
    own = (MANIFEST, SUMS)  # of an archive that was unpacked
    return sorted(
        file
        for file in root.rglob("*")
        if file.is_file()
        and not file.is_symlink()
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
        and not file.name.endswith(LEFT_OUT)
        and file.relative_to(root).as_posix() not in own
        and file.resolve() != path.resolve()
    )


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """A file that belongs to nobody and is of 1970."""
    member = tarfile.TarInfo(f"{FOLDER}/{name}")
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))
