"""What was measured before: the current cells of a results folder, and the tables that studies left
there."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from invbench.errors import UsageError
from invbench.files import read_limited
from invbench.report.rows import current_cells, other_model
from invbench.store.cell import Cell
from invbench.store.store import Store
from invbench.studies.everything import OWN
from invbench.tracks import TRACKS

__all__ = [
    "DESIGNS",
    "FS_NCSR",
    "PREDICTORS",
    "PREDICTOR_COLUMNS",
    "Made",
    "Missing",
    "Study",
    "changed",
    "clean",
    "total",
]

PREDICTORS = "ood_score/predictors.csv"
PREDICTOR_COLUMNS = (
    "design inputs outcome score auc auc_lo auc_hi n failures status slope "
    "slope_cluster_lo slope_cluster_hi"
)
MOST_COLUMNS = 1000  # of a table; pandas takes minutes to tell a million columns of one name apart
FS_NCSR = " [fs_ncsr]"  # the paper's own flow in place of the track's, as ``model``
FS_NCSR_8X = " [fs_ncsr mini-8x]"
# in this order in every figure and table
DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")


def clean(case: str) -> bool:
    """Is this the case of unchanged photographs?"""
    return case.endswith("/clean")


def changed(case: str) -> bool:
    return not clean(case)


def total(cells: Iterable[Cell], name: str) -> int:
    """Sum of a count over cells."""
    return sum(value for cell in cells if isinstance(value := cell.measures.get(name), int))


class Missing(UsageError):
    """Something was not measured yet; the text says what to run."""


@dataclass(frozen=True)
class Made:
    """An artefact: its text, tables (name → rows) and pictures (name → bytes; a name without a
    suffix is a PNG). ``whole``: the text has its own heading and names its command."""

    text: str
    tables: dict[str, pd.DataFrame]
    pictures: dict[str, bytes]
    whole: bool = False


class Study:
    """A results folder; its cells are read once. ``say`` is told what takes long. ``again``: a study
    measures anew what it has stored here."""

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None] = lambda line: None,
        again: bool = False,
    ) -> None:
        self.root, self.say, self.again = root, say, again

    @cached_property
    def _cells(self) -> list[Cell]:
        return current_cells(Store(self.root).load()[0])[0]

    def cells(
        self,
        track: str,
        entry: str | None = None,
        keep: Callable[[str], bool] = lambda case: True,
        kind: str = "",
        model: str = "",
    ) -> list[Cell]:
        """Current cells of a track without attacks: of one entry, of the cases that ``keep`` accepts.

        ``kind`` is what follows the ``#`` of a case: empty for samples in the stated dtype, ``fp16``
        under autocast, ``mean`` at τ = 0. ``model`` is that of ``other_model``, empty for the track's
        own flow.
        """
        return [
            cell
            for cell in self._cells
            if cell.spec.track == track
            and entry in (None, cell.spec.entry)
            and cell.spec.part == kind
            and not cell.spec.attack
            and other_model(cell) == model
            and keep(cell.spec.case.partition("#")[0])
        ]

    def attacked(
        self, track: str, entry: str, attack: str = "", dataset: str = "", model: str = ""
    ) -> list[Cell]:
        """Current cells of an entry under attack: of one attack or of all, of one data set or all."""
        return [
            cell
            for cell in self._cells
            if (cell.spec.track, cell.spec.entry) == (track, entry)
            and cell.spec.attack
            and attack in ("", cell.spec.attack)
            and dataset in ("", cell.spec.dataset)
            and other_model(cell) == model
        ]

    def designs(
        self, track: str, keep: Callable[[str], bool] = lambda case: True, model: str = ""
    ) -> list[str]:
        """Entries of a track that have a measured cell: the four of every figure first, then the
        rest by name."""
        found = {
            cell.spec.entry
            for cell in self.cells(track, keep=keep, model=model)
            if "inf" in cell.measures
        }
        return [d for d in DESIGNS if d in found] + sorted(found - set(DESIGNS))

    def need(
        self, track: str, entries: Iterable[str], keep: Callable[[str], bool] = lambda case: True
    ) -> None:
        """Raise ``Missing`` when an entry has no measured cell there."""
        lacking = [
            e
            for e in entries
            if not any("inf" in cell.measures for cell in self.cells(track, e, keep))
        ]
        if lacking:
            if track not in TRACKS:
                raise Missing(f"this version has no track {track!r}")
            flags = " ".join(f"--entry {entry}" for entry in lacking)
            command = self.command(f"run --track {track} {flags}")
            raise Missing(f"no measured cells of track {track!r} in {self.root}; {command}")

    def command(self, words: str) -> str:
        """The command of invbench that writes into this results folder."""
        folder = "" if self.root == OWN else f" --results {shlex.quote(str(self.root))}"
        return f"invbench {words}{folder}"

    def csv(self, path: str, command: str, columns: str) -> pd.DataFrame:
        """A table below the results folder. ``columns``: names with spaces between. Raises ``Missing``
        with ``command`` when the table is not there, cannot be read, or lacks a column."""
        if not (self.root / path).exists():
            raise Missing(f"{self.root / path} is not there; {command}")
        try:
            text = read_limited(self.root / path).decode()
            if len(next(csv.reader(io.StringIO(text)), [])) > MOST_COLUMNS:
                raise ValueError(f"more than {MOST_COLUMNS} columns")
            found = pd.read_csv(io.StringIO(text))
            if lacking := set(columns.split()) - set(found.columns):
                raise ValueError(f"no column {', '.join(sorted(lacking))}")
            return found
        except (UsageError, ValueError, csv.Error) as error:
            raise Missing(f"{self.root / path} cannot be read ({error}); {command}") from None
