"""What invbench published, read from results/ as files; and the comparison with what was computed
again."""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stored_cells import case_of, cells

RESULTS = Path(__file__).resolve().parents[3] / "results"


@dataclass(frozen=True)
class Answer:
    """One number twice. ``within``: the largest difference that the stated rounding explains."""

    number: str
    source: str
    published: float
    recomputed: float
    within: float
    how: str = ""

    @property
    def equal(self) -> bool:
        same = self.published == self.recomputed  # infinities
        return same or bool(abs(self.published - self.recomputed) <= self.within)

    def __str__(self) -> str:
        said = "equal" if self.equal else "DIFFERENT"
        return (
            f"{self.number}: published {self.published:.6g}, recomputed "
            f"{self.recomputed:.6g}, within {self.within:g}: {said}"
        )


def number(value: Any) -> float:
    return math.inf if value in ("Infinity", "inf", "∞") else float(value)


def cell(track: str, entry: str, case: str, seed: int = 0, flow: str = "srflow") -> dict[str, Any]:
    """The newest cell of a case under its newest protocol, with ``path``."""
    found = []
    for path, record in cells(RESULTS / track):
        spec = record["spec"]
        if (spec["entry"], case_of(spec), spec["seed"], spec["settings"].get("flow", flow)) == (
            entry,
            case,
            seed,
            flow,
        ):
            found.append(
                (
                    spec["protocol"],
                    record["provenance"]["finished"],
                    {**record, "path": str(path.relative_to(RESULTS.parent))},
                )
            )
    if not found:
        print(f"no cell of {entry}, {case}, seed {seed} in {RESULTS / track}")
        raise SystemExit(2)
    return max(found, key=lambda one: one[:2])[2]


def rows(table: str) -> list[dict[str, str]]:
    """The rows of results/``table``."""
    with (RESULTS / table).open(newline="") as text:
        return list(csv.DictReader(text))


def row(table: str, **wanted: str) -> dict[str, str]:
    """The one row of results/``table`` with these values."""
    (found,) = (
        r for r in rows(table) if all(r[column] == value for column, value in wanted.items())
    )
    return found


def report(answers: Callable[[], list[Answer]]) -> None:
    """Print the answers; exit code 1 when one differs."""
    found = answers()
    print("\n".join(map(str, found)))
    sys.exit(0 if all(answer.equal for answer in found) else 1)
