"""Data sets in folders under ``INVBENCH_DATA``, in their official layouts: where their files are,
and how many there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from invbench.data.layouts import LAYOUTS, DataLayout
from invbench.errors import UsageError

__all__ = [
    "LAYOUTS",
    "Inventory",
    "data_root",
    "find_images",
    "image_files",
    "listed",
    "locate",
    "some",
    "take_inventory",
]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def data_root() -> Path:
    """The folder that ``INVBENCH_DATA`` names. Raises ``UsageError`` when it is unset or no
    folder."""
    value = os.environ.get("INVBENCH_DATA")
    if not value:
        raise UsageError(
            "INVBENCH_DATA is not set; point it at the folder that holds the data sets"
        )
    root = Path(value).expanduser()
    if not root.is_dir():
        raise UsageError(
            f"INVBENCH_DATA = {value}: no such folder; point it at the folder that holds the "
            f"data sets"
        )
    return root


def locate(layout: DataLayout, folders: Sequence[str]) -> Path:
    """The first of ``folders`` that exists below one of the layout's roots; else the official
    place."""
    places = [data_root() / root / folder for root in layout.roots for folder in folders]
    return next((place for place in places if place.is_dir()), places[0])


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, sorted, without hidden ones; none when it does not exist. No
    file is opened.

    Raises ``UsageError`` when the folder cannot be listed.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be listed ({error.strerror}); make it readable"
        ) from None
    paths = (folder / name for name in names if not name.startswith("."))
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES)


def listed(layout: DataLayout, folders: Sequence[str]) -> list[Path]:
    """The image files in the first of ``folders`` that exists. Raises ``UsageError``, which names
    the folder and the source of the data set, when there are none."""
    folder = locate(layout, folders)
    files = image_files(folder)
    if not files:
        raise UsageError(
            f"data set {layout.name}: no images in {folder}; put the {layout.count} official "
            f"files there ({layout.source})"
        )
    return files


def find_images(name: str) -> list[Path]:
    """The ground-truth files of a data set, sorted. Raises ``UsageError`` for an unknown data set,
    and, with the folder's name, for one that is missing or empty."""
    if name not in LAYOUTS:
        raise UsageError(f"data set {name!r} is not known; known: {', '.join(LAYOUTS)}")
    return listed(LAYOUTS[name], [LAYOUTS[name].high])


def some(names: Sequence[str], most: int = 5) -> str:
    """The first ``most`` names, and how many more there are, in words."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class Inventory:
    """How much of a data set is there.

    ``found``: number of files. ``official``: number that was published. ``missing``: official stems
    without a file; empty where no list of names is known, or where the files have other names. A
    file has an official name if it starts with it, as ``img_001_SRF_4_HR`` with ``img_001``.
    """

    found: int
    official: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{self.found} of {self.official} images"
        if self.found > self.official:
            return f"{text}; more than were published, is this another release?"
        if self.missing:
            return f"{text}; missing {some(self.missing, 3)}"
        return text


def take_inventory(layout: DataLayout) -> Inventory:
    """Count the ground-truth files of a data set, and name what is missing. Raises ``UsageError``
    when there are none."""
    files = listed(layout, [layout.high])
    stems = {path.stem for path in files} | {path.stem.partition("_SRF_")[0] for path in files}
    missing = tuple(stem for stem in layout.stems if stem not in stems)
    official = len(layout.stems) - len(missing) == len(files)
    return Inventory(len(files), layout.count, missing if official else ())
