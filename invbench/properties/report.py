"""What ``check`` returns."""

from __future__ import annotations

import builtins
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Failure", "Report"]


@dataclass(frozen=True)
class Failure:
    """One law that does not hold. ``kind``: ``defect`` (the code), ``ill-conditioned`` (the design), ``crash``."""

    property: str
    severity: str
    kind: str
    value: float
    bound: float
    recipe: dict[str, Any]
    message: str

    @builtins.property  # the field above takes the name
    def breaks_soundness(self) -> bool:
        return self.severity == "soundness" and self.kind != "ill-conditioned"


@dataclass(frozen=True)
class Report:
    """The outcome of ``check``. ``sound`` is about the code; design findings and ill-conditioning do not count against it."""

    target: str
    failures: list[Failure]
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        return not any(failure.breaks_soundness for failure in self.failures)

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of ``invbench check --json``."""
        return {
            "target": self.target,
            "sound": self.sound,
            "failures": [asdict(failure) for failure in self.failures],
            "measures": self.measures,
        }
