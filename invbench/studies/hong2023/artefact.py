"""The artefacts by name, and how one is written: ``NAME.md`` with its tables and pictures beside
it, below ``results/paper``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from invbench.errors import UsageError, did_you_mean
from invbench.files import write_atomically
from invbench.studies.hong2023.study import Made, Missing, Study

__all__ = ["ARTEFACTS", "FOLDER", "Artefact", "Written", "chosen", "reproduce"]

FOLDER, ALL = "paper", "all"


@dataclass(frozen=True)
class Artefact:
    """``module`` has ``make(study) -> Made``; ``file``: the stem of its text."""

    title: str
    module: str
    file: str

    @property
    def make(self) -> Callable[[Study], Made]:
        return importlib.import_module(f"invbench.studies.hong2023.{self.module}").make


ARTEFACTS: dict[str, Artefact] = {
    name: Artefact(title, module or f"artefacts.{name}", file or name)
    for name, title, module, file in (
        ("fig2", "Fig. 2: toy samples in distribution and under the shift", "", ""),
        ("fig3", "Fig. 3: variance of the toy's features along depth", "", ""),
        ("fig4", "Fig. 4: pixel errors against the OOD score", "", ""),
        ("fig5", "Fig. 5: the couplings as functions", "", ""),
        ("fig6", "Fig. 6: super-resolution samples with artefacts and without", "", ""),
        ("fig7", "Fig. 7: low-light samples with artefacts and without", "", ""),
        ("fig8", "Fig. 8: an explosion along depth", "", ""),
        ("table1", "Table 1: super-resolution", "", ""),
        ("table2", "Table 2: low light", "", ""),
        ("prop1", "Prop. 1: an unconditional flow, there and back", "", ""),
        ("theory", "Eq. 8 and 9: the one-layer problem", "", ""),
        ("trainings", "The trainings behind the shipped flows", "", ""),
        ("ablations", "Ablations of what the released code confounds", "", ""),
        # last: it reads what the others wrote
        ("verdict", "The paper judged claim by claim", "verdict", "VERDICT"),
    )
}


@dataclass(frozen=True)
class Written:
    """What became of one artefact; ``missing`` says what to run when it could not be made."""

    name: str
    text: Path
    made: Made | None
    missing: str


def chosen(names: Sequence[str]) -> list[str]:
    """The artefacts of these names in the order of the paper, ``all`` for all of them. Raises
    ``UsageError`` for an unknown one."""
    for name in names:
        if name not in (*ARTEFACTS, ALL):
            hint = did_you_mean(name, [*ARTEFACTS, ALL]) or ";"
            raise UsageError(
                f"artefact {name!r} is not known{hint} known: {', '.join([*ARTEFACTS, ALL])}"
            )
    return [name for name in ARTEFACTS if name in names or ALL in names]


def reproduce(name: str, study: Study) -> Written:
    """Make an artefact and write it below ``study.root/paper``. What was not measured is written as
    such, with the command that does."""
    artefact, folder = ARTEFACTS[name], study.root / FOLDER
    path = folder / f"{artefact.file}.md"
    made, missing = None, ""
    try:
        made = artefact.make(study)
    except Missing as error:
        missing = str(error)
    for stem, table in (made.tables if made else {}).items():
        write_atomically(
            folder / f"{stem}.csv", table.to_csv(index=False, float_format="%.6g").encode()
        )
    for stem, picture in (made.pictures if made else {}).items():
        write_atomically(folder / f"{stem}.png", picture)
    body = made.text if made else f"Not measured: {missing}\n"
    command = f"\nRegenerate: `invbench reproduce {name} --results {study.root}`\n"
    write_atomically(path, f"# {artefact.title}\n\n{body}{command}".encode())
    return Written(name, path, made, missing)
