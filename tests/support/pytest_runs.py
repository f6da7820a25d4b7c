"""Sessions of pytest in a process of their own, and where the suites lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SUITES = Path(__file__).resolve().parents[2] / "suites"


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
