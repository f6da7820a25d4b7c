"""The saved counterexamples of the page: what attacks found, and laws that were broken."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from invbench.attacks.judge import LEVELS
from invbench.errors import UsageError, first_problem
from invbench.files import LARGEST_RECORD, parse_json, read_limited
from invbench.registry import FLOWS
from invbench.saved_case import KIND, AttackCase, Counterexample
from invbench.targets import replay_command, without_options

__all__ = ["saved_cases"]

MOST = 400  # counterexamples on the page


def saved_cases(results: Path) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """((folder, what the page says of it), problems), the largest output first, then broken
    laws."""
    found: list[tuple[Path, dict[str, Any]]] = []
    problems: list[str] = []
    for file in sorted((results / "counterexamples").glob("*/case.json")):
        try:
            found.append((file.parent, _said(file)))
        except UsageError as error:
            problems.append(str(error))
        except ValidationError as error:
            problems.append(f"{file}: {first_problem(error)}")
        except ValueError as error:
            problems.append(f"{file}: {error}")
    found.sort(key=lambda one: (one[1]["kind"] != KIND, -_size(one[1]), one[0].name))
    if len(found) > MOST:
        problems.append(f"{len(found) - MOST} of {len(found)} counterexamples: no room")
    return found[:MOST], problems


def _size(said: dict[str, Any]) -> float:
    size = said.get("log10_x", 0.0)
    return math.inf if size == "Infinity" else float(size)


def _said(file: Path) -> dict[str, Any]:
    data = read_limited(file, LARGEST_RECORD)
    document = parse_json(data)
    if isinstance(document, dict) and document.get("kind") == KIND:
        return _attack(file.parent, AttackCase.model_validate_json(data))
    return _law(file.parent, Counterexample.model_validate_json(data))


def _attack(folder: Path, record: AttackCase) -> dict[str, Any]:
    reached = [
        f"{level}: {LEVELS[level]}"
        for level, hit in record.levels.items()
        if hit and level in LEVELS
    ]
    return {
        "kind": KIND,
        "entry": _entry(record.coupling),
        "track": _track(record.flow),
        "attack": record.attack,
        "eps": record.eps * 255,
        "log10_x": record.log10_x if math.isfinite(record.log10_x) else "Infinity",
        "source": record.source,
        "reached": reached,
        "command": replay_command(folder, record.coupling, record.flow),
    }


def _law(folder: Path, record: Counterexample) -> dict[str, Any]:
    return {
        "kind": record.kind,
        "entry": _entry(record.target),
        "track": "coupling",
        "law": record.property,
        "found": f"{record.value} > {record.bound}",
        "message": record.message[:300],
        "command": replay_command(folder, record.target),
    }


def _entry(target: str) -> str:
    """What tables call it: a file by its stem."""
    return Path(target.partition(":")[0]).stem if ".py" in target else target


def _track(flow: str) -> str:
    name = without_options(flow)
    return str(FLOWS[name].metadata.get("track", "")) if name in FLOWS else ""
