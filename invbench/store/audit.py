"""Is every file of a results folder what it says it is? Looked at, reported, never deleted or
moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from invbench.errors import UsageError
from invbench.saved_case import check_case
from invbench.store.cell import FAILED, Cell
from invbench.store.store import OTHER, PACKED, Store

__all__ = ["KINDS", "Audit", "Problem", "audit"]

# kind → what to do; those of DAMAGE mean that something of the results cannot be trusted or used
KINDS = {
    "damaged": "move it away and run again; the cell is measured anew",
    "schema": "a cell of another version of invbench; keep it",
    "key": "somebody has edited or renamed it: move it away and run again",
    "folder": "move it away; where that place is empty, move it there",
    "outside": "a link that leads out of the results folder: replace it by what it points to",
    "case": "move the folder away; the attack or law that wrote it can be run again",
    "kept": (
        "what was found damaged before, and measured again since; delete it when it is of no use"
    ),
    "leftover": "of a write that was cut off; when no run is going on, delete it",
    "log": (
        "the output of a cell that has succeeded since, or is gone; delete it when it is of no use"
    ),
}
DAMAGE = ("damaged", "schema", "key", "folder", "outside", "case")


@dataclass(frozen=True)
class Problem:
    """``path`` below the results folder, its ``kind`` of ``KINDS``, and what was seen."""

    path: str
    kind: str
    seen: str

    @property
    def damage(self) -> bool:
        return self.kind in DAMAGE

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}: {self.seen}; {KINDS[self.kind]}"


@dataclass(frozen=True)
class Audit:
    """``cells`` that are whole and in their place; ``cases`` below ``counterexamples``; and every
    ``Problem``, in order of path."""

    cells: int
    cases: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not any(problem.damage for problem in self.problems)


def audit(root: Path) -> Audit:
    """Verify every cell below ``root`` (schema, key against content, place: so that none counts
    twice), every saved case, and name what else lies there.

    Raises ``UsageError`` when ``root`` is no folder, or one inside a results folder.
    """
    if not root.is_dir():
        raise UsageError(
            f"{root}: no such folder; name one that holds TRACK.jsonl or TRACK/ENTRY/*.json"
        )
    store, problems = Store(root), list(_links(root))
    away = {problem.path for problem in problems}
    cells, failed = 0, set()  # paths of logs that belong to a failed cell
    for entry in store.entries():
        if entry.path.endswith(PACKED) and entry.path not in away:
            for found in store.read_packed(entry.path):
                if isinstance(found, Cell):
                    cells += 1
                else:
                    problems.append(Problem(found.path.name, found.kind, found.reason))
    for path in sorted(root.glob("*/*/*")):
        place = path.relative_to(root).as_posix()
        above = {place, *(parent.as_posix() for parent in PurePosixPath(place).parents)}
        if place.partition("/")[0] in OTHER or above & away:
            continue
        if path.name.endswith(".json.unreadable"):
            problems.append(Problem(place, "kept", f"{path.stat().st_size} bytes"))
        if path.suffix != ".json":
            continue
        found = store.read(place)
        if isinstance(found, Cell):
            cells += 1
            if found.status in FAILED:
                failed.add(path.with_suffix(".log").relative_to(root).as_posix())
        else:
            problems.append(Problem(place, found.kind, found.reason))
    logs = (path.relative_to(root).as_posix() for path in root.glob("*/*/*.log"))
    problems += [
        Problem(log, "log", "no failed cell of that name") for log in logs if log not in failed
    ]
    leftovers = (path for path in root.rglob(".*.tmp") if path.is_file())
    problems += [
        Problem(path.relative_to(root).as_posix(), "leftover", f"{path.stat().st_size} bytes")
        for path in leftovers
    ]
    cases = [path for path in sorted(root.glob("counterexamples/*")) if path.is_dir()]
    problems += [problem for folder in cases if (problem := _case(root, folder))]
    if not (cells or cases or problems) and next(root.rglob("*.json"), None):
        raise UsageError(
            f"{root} is no results folder; name one that holds TRACK.jsonl or TRACK/ENTRY/*.json"
        )
    return Audit(
        cells, len(cases), sorted(problems, key=lambda problem: (problem.path, problem.kind))
    )


def _links(root: Path) -> Iterator[Problem]:
    """Links below ``root`` whose target is elsewhere: what is read through them is not part of the
    results."""
    own = root.resolve()
    for path in root.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(own):
            yield Problem(
                path.relative_to(root).as_posix(), "outside", f"it points to {path.readlink()}"
            )


def _case(root: Path, folder: Path) -> Problem | None:
    """A case is whole when its ``case.json``, which is written last, is there and it can be
    read."""
    place = folder.relative_to(root).as_posix()
    try:
        check_case(folder)
    except UsageError as error:
        return Problem(place, "case", str(error).removeprefix(f"{folder}: "))
    return None
