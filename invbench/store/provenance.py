"""Where a number comes from: versions, machine, commit, time."""

from __future__ import annotations

import platform
import subprocess
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import torch

__all__ = ["commit", "provenance"]


@lru_cache(maxsize=1)
def commit() -> str:
    """Commit of the invbench checkout, ``+changes`` when it is not clean, or empty when installed
    from a wheel."""
    folder = Path(__file__).resolve().parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        code = (str(folder.parent), ":(top)reference_models")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--", *code) else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()


def _device_name(device: str) -> str:
    """The GPU's own name, where this process has used it and it still answers."""
    if device == "cpu" or not torch.cuda.is_initialized():
        return device
    try:
        return torch.cuda.get_device_name()
    except RuntimeError:  # a fault of the device ends all calls of the process
        return device


def provenance(device: str, seconds: float, origin: str) -> dict[str, Any]:
    """The provenance of one cell. Of ``origin`` only the file's name is kept: folders are the
    user's own business."""
    import invbench

    return {
        "invbench": invbench.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "commit": commit(),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "origin": Path(origin.rpartition(":")[0]).name + ":" + origin.rpartition(":")[2],
    }
