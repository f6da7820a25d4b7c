"""How an artefact is written: its text, tables and pictures in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from invbench.files import write_atomically
from invbench.studies.registry import ARTEFACTS
from invbench.studies.study import Made, Missing, Study

__all__ = ["Written", "reproduce"]


@dataclass(frozen=True)
class Written:
    """What became of an artefact: its text, if it has one, and its other files; ``missing`` says
    what to run when it could not be made."""

    name: str
    text: Path | None
    files: list[Path]
    made: Made | None
    missing: str


def reproduce(name: str, study: Study) -> Written:
    """Make an artefact and write it. Where something was not measured, the text says so, and with
    which command to measure it."""
    artefact = ARTEFACTS[name]
    folder = Path(normpath(study.root / artefact.folder))
    made, missing = None, ""
    try:
        made = artefact.make(study)
    except Missing as error:
        missing = str(error)
    files = {
        f"{stem}.csv": table.to_csv(index=False, float_format="%.6g").encode()
        for stem, table in (made.tables if made else {}).items()
    }
    for stem, picture in (made.pictures if made else {}).items():
        files[stem if "." in stem else f"{stem}.png"] = picture
    for file, data in files.items():
        write_atomically(folder / file, data)
    text = folder / f"{artefact.file}.md" if artefact.file else None
    if text:
        write_atomically(text, _page(name, study, made, missing).encode())
    return Written(name, text, [folder / file for file in files], made, missing)


def _page(name: str, study: Study, made: Made | None, missing: str) -> str:
    if made and made.whole:
        return made.text
    body = made.text if made else f"Not measured: {missing}\n"
    command = f"\nRegenerate: `invbench reproduce {name} --results {study.root}`\n"
    return f"# {ARTEFACTS[name].title}\n\n{body}{command}"
