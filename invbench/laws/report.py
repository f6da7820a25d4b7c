"""The report of ``check``."""

from __future__ import annotations

import builtins
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Failure", "Report"]


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

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        failures = [asdict(f) for f in self.failures]
        return {
            "target": self.target,
            "sound": self.sound,
            "failures": failures,
            "measures": self.measures,
        }
