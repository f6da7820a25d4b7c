"""What tests of the laws need besides torch, and the line that says so where it is missing."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["missing"]

OLDEST_PYTEST = 8


def missing(pytest_version: str, *modules: str) -> str | None:
    """What is missing or too old, with the command that installs it; None when nothing is."""
    if int(pytest_version.partition(".")[0]) < OLDEST_PYTEST:
        command = f"pip install 'pytest>={OLDEST_PYTEST}'"
        return f"pytest {OLDEST_PYTEST} or later, this is {pytest_version}: {command}"
    for name in modules:
        if not _installed(name):
            return f"{name}, which is not installed: pip install {name}"
    return None


def _installed(name: str) -> bool:
    return sys.modules.get(name) is not None or importlib.util.find_spec(name) is not None
