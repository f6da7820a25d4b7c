"""What a check means for its exit code, against a baseline and on GitHub."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from invbench.errors import UsageError
from invbench.testing.annotations import error_line
from invbench.testing.seed import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from invbench.laws.baseline import Baseline, Comparison
    from invbench.laws.report import Failure, Report

__all__ = ["against", "annotate", "new_failures", "seed_number"]


def seed_number(text: str) -> int:
    """The number of ``--seed``. Raises ``UsageError`` for what is none."""
    try:
        return seed_of(text)
    except ValueError as error:
        raise UsageError(f"--seed: {error}") from None


def new_failures(report: Report, comparison: Comparison | None) -> list[Failure]:
    """The failures that count: those against soundness, with a baseline the new ones."""
    if comparison is not None:
        return comparison.new
    return [failure for failure in report.failures if failure.breaks_soundness]


def against(earlier: Baseline, report: Report) -> Iterator[str]:
    """Lines that say what is new and what is no longer found, and where that says little."""
    comparison, name = earlier.compare(report), report.target
    if why := earlier.differs(report):
        yield why
    for failure in comparison.new:
        yield f"new: {name} breaks {failure.property} ({failure.kind})"
    if comparison.known:
        laws = ", ".join(sorted({failure.property for failure in comparison.known}))
        yield f"in the baseline already: {name} breaks {laws}"
    for law, kind in comparison.gone:
        yield f"no longer found: {name} breaks {law} ({kind}); take it out of the baseline"


def annotate(reports: Sequence[Report], failed: Sequence[Sequence[Failure]]) -> None:
    """On GitHub, a line ``::error`` on standard error for each failure that counts."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from invbench.laws.report import failure_text

    for report, failures in zip(reports, failed, strict=True):
        for failure in failures:
            title = f"invbench: {report.target} breaks {failure.property}"
            sys.stderr.write(error_line(title, failure_text(failure)) + "\n")
