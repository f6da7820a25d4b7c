"""Data sets in folders under ``INVBENCH_DATA``, in their official layouts: where the files are and
how many of them."""

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
    """The folder that ``INVBENCH_DATA`` names. Raises ``UsageError`` when it is unset or not a
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
    """The first of ``folders`` that exists below one of the layout's roots; the official place when
    none does."""
    places = [data_root() / root / folder for root in layout.roots for folder in folders]
    return next((place for place in places if place.is_dir()), places[0])


def image_files(folder: Path) -> list[Path]:
    """Sorted image files of a folder, hidden ones left out; none when it does not exist. Nothing is
    opened.

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
    """Image files of one folder of a layout. Raises ``UsageError`` naming the folder that is
    missing or empty, and the source."""
    folder = locate(layout, folders)
    files = image_files(folder)
    if not files:
        raise UsageError(
            f"data set {layout.name}: no images in {folder}; put the {layout.count} official "
            f"files there ({layout.source})"
        )
    return files


def find_images(name: str) -> list[Path]:
    """Sorted image files of a data set. Raises ``UsageError`` naming the folder that is missing or
    empty."""
    if name not in LAYOUTS:
        raise UsageError(f"data set {name!r} is not known; known: {', '.join(LAYOUTS)}")
    return listed(LAYOUTS[name], [LAYOUTS[name].high])


def some(names: Sequence[str], most: int = 5) -> str:
    """The first ``most`` names and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class Inventory:
    """How much of a data set is there. ``missing``: official stems without a file, empty where
    nobody lists the names or the files carry others; a file carries an official name if it starts
    with it (``img_001_SRF_4_HR`` is ``img_001``)."""

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
    """Count the ground truth of a data set and name what is missing. Raises ``UsageError`` when
    there is none."""
    files = listed(layout, [layout.high])
    stems = {path.stem for path in files} | {path.stem.partition("_SRF_")[0] for path in files}
    missing = tuple(stem for stem in layout.stems if stem not in stems)
    carry = len(layout.stems) - len(missing) == len(files)
    return Inventory(len(files), layout.count, missing if carry else ())
