"""A pytest session of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["run_pytest"]


def run_pytest(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-rfx",
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
