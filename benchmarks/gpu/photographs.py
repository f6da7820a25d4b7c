"""Photographs for trainings: those that invbench's dependencies bring, as files of a folder T91, so
that the recipes read them and no data set is needed. They stand in for time and memory; no number
of quality is taken from them."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from invbench.data.images import EMBEDDED, crops, embedded

__all__ = ["SIDE", "stand_in"]

SIDE = 192  # of a photograph: twice the largest patch


def stand_in(work: Path) -> Path:
    """Write the folder once, and point ``INVBENCH_DATA`` at it."""
    folder = work / "data" / "T91"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        for number, name in enumerate(EMBEDDED, 1):
            (crop,) = crops(embedded(name), SIDE, 1)
            levels = (crop * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(levels).save(folder / f"t{number}.png")
    os.environ["INVBENCH_DATA"] = str(folder.parent)
    return folder
