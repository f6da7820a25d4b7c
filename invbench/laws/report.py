"""The report of ``check``."""

from __future__ import annotations

import builtins
import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from invbench.errors import UsageError, did_you_mean
from invbench.laws.law import LAWS

__all__ = ["Failure", "Report", "Unsound", "failure_text"]


class Unsound(AssertionError):
    """A layer breaks laws that it is not expected to break, or keeps one that it was expected to
    break. The text has the smallest case; the pytest plugin shows it in JUnit XML and on GitHub."""

    @property
    def invbench_case(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Failure:
    """One law that does not hold. ``kind``: ``defect`` (the code), ``ill-conditioned`` (the
    design), ``crash``. ``severity``: the law's category.

    ``case``: several lines with the smallest case, its results, its weights, and a way to run it
    with torch and the layer alone.
    """

    property: str
    severity: str
    kind: str
    value: float
    bound: float
    recipe: dict[str, Any]
    message: str
    case: str = ""

    @builtins.property  # the field above takes the name
    def breaks_soundness(self) -> bool:
        return self.severity == "soundness" and self.kind != "ill-conditioned"


@dataclass(frozen=True)
class Report:
    """The outcome of ``check``. ``sound`` is about the code: findings about the design and
    ill-conditioning do not count.

    ``measures`` has, besides numbers, ``assumed`` (each undeclared property that had to be assumed,
    with the line that declares it), ``guesses`` (how an adapter reads the layer), ``decided`` (law
    → rows that could decide it), ``undecided`` (law → why none could), and ``plan`` (rows and
    cases, with which a run can be repeated exactly).
    """

    target: str
    failures: list[Failure]
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        return not any(failure.breaks_soundness for failure in self.failures)

    def assert_sound(self, expected: Mapping[str, str] | None = None) -> None:
        """Raises ``Unsound``, an ``AssertionError``, unless every law of soundness is kept. Its
        text has the smallest case of each law that is broken, and the command that finds it again.

        ``expected``: law → why it is known to be broken; of any category. One that was judged and
        is not broken is an error too: the entry is stale. Raises ``UsageError`` for a law that is
        not there.
        """
        __tracebackhide__ = True
        known = dict(expected or {})
        for name in known:
            if name not in LAWS:
                raise UsageError(
                    f"expected {name!r}: no such law{did_you_mean(name, LAWS)} (invbench list "
                    f"properties)"
                )
        new = [f for f in self.failures if f.breaks_soundness and f.property not in known]
        broken = {
            f.property
            for f in self.failures
            if f.kind != "ill-conditioned" or f.severity != "soundness"
        }
        judged = {law: rows for law, rows in self.measures.get("decided", {}).items() if rows}
        stale = [name for name in known if name in judged and name not in broken]
        lines = [f"{self.target} breaks {failure_text(f)}" for f in new]
        lines += [
            f"{self.target} no longer breaks {name} (expected: {known[name]}); take it out"
            for name in stale
        ]
        if lines:
            raise Unsound("\n".join([*lines, *self._again(sorted({f.property for f in new}))]))

    def _again(self, laws: list[str]) -> list[str]:
        """The command that checks these laws again: in pytest the test itself."""
        if test := os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]:
            return [f"again: {shlex.join(['pytest', test])}"]
        if command := self.measures.get("command"):
            return [f"again: {command}{''.join(f' --property {law}' for law in laws)}"]
        return [f"again: the same check with properties={laws}"] if laws else []

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        failures = [asdict(f) for f in self.failures]
        return {
            "target": self.target,
            "sound": self.sound,
            "failures": failures,
            "measures": self.measures,
        }


def failure_text(failure: Failure) -> str:
    """A failure with its smallest case, in one or several lines."""
    text = f"{failure.property} ({failure.kind}): {failure.message}"
    return f"{text}\n{failure.case}" if failure.case else text
