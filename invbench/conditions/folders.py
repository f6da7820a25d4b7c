"""Data sets in folders under ``INVBENCH_DATA``, in their official layouts."""

from __future__ import annotations

import os
from pathlib import Path

from invbench.errors import UsageError

__all__ = ["LAYOUTS", "data_root", "find_images"]

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}

# name -> (folder of the high-resolution images below INVBENCH_DATA, glob of the files)
LAYOUTS: dict[str, tuple[str, str]] = {
    "T91": ("T91", "*"),
    "Set5": ("Set5/HR", "*"),
    "Set14": ("Set14/HR", "*"),
    "BSD100": ("BSD100/HR", "*"),
    "Urban100": ("Urban100/HR", "*"),
    "DIV2K_crops256": ("DIV2K_crops256/HR", "*"),
    "DIV2K_valid": ("DIV2K_valid_HR", "*"),
}


def data_root() -> Path:
    """The folder that ``INVBENCH_DATA`` names. Raises ``UsageError`` when it is unset or not a folder."""
    value = os.environ.get("INVBENCH_DATA")
    if not value:
        raise UsageError("INVBENCH_DATA is not set; point it at the folder that holds the data sets")
    root = Path(value).expanduser()
    if not root.is_dir():
        raise UsageError(f"INVBENCH_DATA = {value}: no such folder; point it at the folder that holds the data sets")
    return root


def find_images(name: str) -> list[Path]:
    """Sorted image files of a data set. Raises ``UsageError`` naming the folder that is missing or empty."""
    if name not in LAYOUTS:
        raise UsageError(f"data set {name!r} is not known; known: {', '.join(LAYOUTS)}")
    folder, pattern = LAYOUTS[name]
    path = data_root() / folder
    files = sorted(p for p in path.glob(pattern) if p.suffix.lower() in SUFFIXES) if path.is_dir() else []
    if not files:
        raise UsageError(f"data set {name}: no images in {path}; put the official files there")
    return files
