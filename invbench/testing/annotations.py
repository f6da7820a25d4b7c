"""Failures as GitHub shows them beside the code: lines ``::error …`` of a workflow's log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["error_line", "of_report"]


def error_line(title: str, message: str, file: str = "", line: int = 0) -> str:
    """One workflow command. The message may have several lines; ``file`` is relative to the
    repository."""
    where = {"file": file, "line": str(line) if file and line else "", "title": title}
    shown = ",".join(f"{key}={_property(text)}" for key, text in where.items() if text)
    return f"::error {shown}::{_data(message)}"


def of_report(report: Any, key: str, rootdir: Path) -> str | None:
    """The line of a failed test that has a property ``key``; None for any other test."""
    found = [text for name, text in report.user_properties if name == key]
    if not found:
        return None
    name, _, test = report.nodeid.partition("::")
    defined, row, _ = report.location  # a test that a class inherits is defined elsewhere
    file = Path(os.path.normpath(rootdir / name))
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or rootdir)
    if file.is_relative_to(workspace):
        file = file.relative_to(workspace)
    return error_line(
        f"invbench: {test}", found[-1], file.as_posix(), row + 1 if defined == name else 1
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
