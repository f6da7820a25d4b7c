"""Sessions of pytest in a process of their own, and where the suites lie."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.warm_python import run_module

SUITES = Path(__file__).resolve().parents[2] / "suites"
COMMAND = ("pytest", "-q", "-p", "no:cacheprovider", "-rfx")


def run_pytest(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_module(folder, *COMMAND, *arguments)


def run_pytest_afresh(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Where what is imported is the question: nothing is imported before."""
    command = [sys.executable, "-m", *COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
