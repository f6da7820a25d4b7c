"""A baseline: what an earlier check found, so that only what is new fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invbench.errors import UsageError
from invbench.files import parse_json, read_limited
from invbench.laws.report import Failure, Report

__all__ = ["Baseline", "Comparison", "read_baseline"]

Finding = tuple[str, str]  # law, kind


@dataclass(frozen=True)
class Comparison:
    """What a report has against the baseline: failures of soundness that are ``new``, that were
    ``known``, and findings that are ``gone``, those of laws that were judged and are kept."""

    new: list[Failure]
    known: list[Failure]
    gone: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        return {
            "new": [[f.property, f.kind] for f in self.new],
            "known": [[f.property, f.kind] for f in self.known],
            "gone": [list(finding) for finding in self.gone],
        }


@dataclass(frozen=True)
class Baseline:
    """Target → its findings against soundness. ``dtypes``: target → the dtype it was checked in."""

    findings: dict[str, set[Finding]]
    dtypes: dict[str, str]

    def compare(self, report: Report) -> Comparison:
        """A finding is the same when target, law and kind are: numbers and cases may differ."""
        before = self.findings.get(report.target, set())
        failures = [f for f in report.failures if f.breaks_soundness]
        now = {(f.property, f.kind) for f in failures}
        judged = {law for law, rows in report.measures.get("decided", {}).items() if rows}
        return Comparison(
            new=[f for f in failures if (f.property, f.kind) not in before],
            known=[f for f in failures if (f.property, f.kind) in before],
            gone=sorted(finding for finding in before - now if finding[0] in judged),
        )

    def differs(self, report: Report) -> str | None:
        """Why the comparison says little, or None."""
        if report.target not in self.findings:
            return f"{report.target} is not in the baseline: all that is found is new"
        then, now = self.dtypes[report.target], report.measures.get("dtype", "")
        if then and then != now:
            return f"{report.target} is checked in {now}, the baseline has it in {then}"
        return None


def read_baseline(path: Path) -> Baseline:
    """Read what ``invbench check --json`` printed, of one target or several. Raises ``UsageError``
    that says what the file is not."""
    try:
        document = parse_json(read_limited(path))
    except ValueError as error:
        raise UsageError(f"--baseline {path}: cannot be read ({error})") from None
    reports = document if isinstance(document, list) else [document]
    try:
        return Baseline(dict(map(_findings, reports)), dict(map(_dtype, reports)))
    except (KeyError, TypeError, AttributeError):
        raise UsageError(
            f"--baseline {path}: not a report; write one by: invbench check TARGET… --json > {path}"
        ) from None


def _findings(report: Any) -> tuple[str, set[Finding]]:
    entries: Iterable[Any] = report["failures"]
    failures = [Failure(**entry) for entry in entries]
    return str(report["target"]), {(f.property, f.kind) for f in failures if f.breaks_soundness}


def _dtype(report: Any) -> tuple[str, str]:
    return str(report["target"]), str(report["measures"].get("dtype", ""))
