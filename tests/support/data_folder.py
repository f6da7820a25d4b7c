"""A folder for ``INVBENCH_DATA`` that a test fills with small pictures."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from invbench.data.datasets import Pair


class DataFolder:
    """``INVBENCH_DATA`` of one test; pictures are numbered levels, so that a mistaken file
    shows."""

    def __init__(self, root: Path) -> None:
        self.root, self.level = root, 0

    def put(self, path: str, height: int, width: int) -> int:
        """A plain RGB picture of its own grey level."""
        self.level += 1
        self.save(path, Image.new("RGB", (width, height), (self.level,) * 3))
        return self.level

    def save(self, path: str, image: Image.Image) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        image.save(self.root / path)

    def div2k(self, *stems: str) -> None:
        for stem in stems:
            self.put(f"DIV2K_valid_HR/{stem}.png", 8, 12)
            self.put(f"DIV2K_valid_LR_bicubic/X4/{stem}x4.png", 2, 3)

    @staticmethod
    def levels(pair: Pair) -> tuple[list[float], list[float]]:
        """Grey levels of the two pictures of a pair, which are plain."""
        high, low = ((image.unique() * 255).round().tolist() for image in (pair.high, pair.low))
        return high, low
