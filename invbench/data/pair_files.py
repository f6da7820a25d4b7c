"""Pairs of image files that a data set ships: ground truth with low-resolution or low-light
files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from invbench.data.datasets import Pair
from invbench.data.folders import data_root, listed, some
from invbench.data.images import image_size, read_image
from invbench.data.layouts import LAYOUTS, LOW_LIGHT, DataLayout
from invbench.errors import UsageError

__all__ = ["PairFile", "PairFiles", "lowlight_pairs", "pairs_of", "shipped_pairs"]


@dataclass(frozen=True)
class PairFile:
    """The two files of a pair; ``name`` is the stem of the ground truth."""

    name: str
    high: Path
    low: Path


class PairFiles(Sequence[Pair]):
    """A sequence of pairs: ``pairs[i]`` reads two files each time; ``len`` and slices read none.

    A pair is high (3, s·h, s·w), cropped at the bottom and right to multiples of the scale s, and
    low (3, h, w), float32 in [0, 1]; s = 1 for low light. ``pairs[i]`` raises ``UsageError`` when a
    file is damaged, and when low is not ⌊H/s⌋ × ⌊W/s⌋.
    """

    def __init__(self, title: str, scale: int, files: Sequence[PairFile]) -> None:
        self.title, self.scale, self.files = title, scale, tuple(files)

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> PairFiles: ...
    def __getitem__(self, index: int | slice) -> Pair | PairFiles:
        if isinstance(index, slice):
            return PairFiles(self.title, self.scale, self.files[index])
        file = self.files[index]
        high, low = read_image(file.high), read_image(file.low)
        self._fit(file, (high.shape[-2], high.shape[-1]), (low.shape[-2], low.shape[-1]))
        height, width = (self.scale * side for side in low.shape[-2:])
        return Pair(file.name, high[:, :height, :width].contiguous(), low)

    def check(self) -> None:
        """Read the header of every file. Raises ``UsageError``, which names the files that are no
        images or do not fit the scale."""
        problems = list(self._problems())
        if problems:
            raise UsageError(
                f"data set {self.title}: {len(problems)} of {len(self)} pairs are wrong: "
                f"{some(problems, 3)}"
            )

    def _problems(self) -> Iterator[str]:
        for file in self.files:
            try:
                self._fit(file, image_size(file.high), image_size(file.low))
            except UsageError as error:
                yield str(error)

    def _fit(self, file: PairFile, high: tuple[int, int], low: tuple[int, int]) -> None:
        expected = (high[0] // self.scale, high[1] // self.scale)
        if low != expected:
            raise UsageError(
                f"{file.low}: {low[0]}×{low[1]} pixels, but {file.high} ({high[0]}×{high[1]}) "
                f"needs {expected[0]}×{expected[1]} "
                f"at scale {self.scale}; replace the wrong one"
            )


def shipped_pairs(dataset: str, scale: int) -> PairFiles:
    """Ground truth and the published low-resolution files of ``dataset`` (``LAYOUTS``), matched by
    name; folders are listed, and no file is read.

    ``sr_pairs`` makes its own conditions instead. A subset of the data set is accepted, but no file
    without its partner. Raises ``UsageError`` for an unknown name or scale, for a missing or empty
    folder, and, with their names, for missing files.
    """
    if dataset not in LAYOUTS:
        raise UsageError(f"data set {dataset!r} is not known; known: {', '.join(LAYOUTS)}")
    layout = LAYOUTS[dataset]
    if scale not in layout.low:
        scales = ", ".join(map(str, layout.low))
        advice = f"its scales: {scales}" if scales else "sr_pairs makes them by bicubic"
        raise UsageError(
            f"data set {dataset} ships no low-resolution files at scale {scale}; {advice}"
        )
    return pairs_of(layout, scale)


def lowlight_pairs(dataset: str, split: str) -> PairFiles:
    """Normal-light photographs and their low-light partners, in a split of a data set in
    ``LOW_LIGHT``; folders are listed, and no file is read.

    ``split``: train or test. Raises ``UsageError`` for an unknown name or split, for a missing or
    empty folder, and, with their names, for missing files.
    """
    if (dataset, split) not in LOW_LIGHT:
        names = ", ".join(dict.fromkeys(name for name, _ in LOW_LIGHT))
        raise UsageError(
            f"low-light data set {dataset!r} {split!r} is not known; known: {names}, each train "
            f"or test"
        )
    return pairs_of(LOW_LIGHT[dataset, split], 1)


def pairs_of(layout: DataLayout, scale: int) -> PairFiles:
    """The pairs of a layout at one of its scales, matched by name. Errors as in
    ``shipped_pairs``."""
    title = layout.name if scale == 1 else f"{layout.name} ×{scale}"
    highs = _by_stem(listed(layout, [layout.high]))
    lows = _by_stem(listed(layout, layout.low[scale]))
    partners = {stem: _partner(layout, stem, scale) for stem in highs}
    strays = sorted(lows.keys() - set(partners.values()))
    missing = [_beside(lows, low) for low in partners.values() if low not in lows]
    missing += [_beside(highs, _partner(layout, low, scale, back=True)) for low in strays]
    if missing:
        files = some([str(path.relative_to(data_root())) for path in missing])
        raise UsageError(
            f"data set {title}: {len(missing)} files are missing below {data_root()}: {files}; "
            f"add them or remove their partners ({layout.source})"
        )
    return PairFiles(
        title, scale, [PairFile(stem, path, lows[partners[stem]]) for stem, path in highs.items()]
    )


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            raise UsageError(f"{path} and {found[path.stem].name} have one name; keep one of them")
        found[path.stem] = path
    return found


def _beside(files: dict[str, Path], stem: str) -> Path:
    """Where a file of this stem would be, with the suffix of the others."""
    other = next(iter(files.values()))
    return other.with_name(stem + other.suffix)


def _partner(layout: DataLayout, stem: str, scale: int, back: bool = False) -> str:
    """The stem of the condition of a ground truth, or ``back``: that of the ground truth of a
    condition, by the first rule that fits."""
    for rule in layout.partners:
        here, there = (rule.low, rule.high) if back else (rule.high, rule.low)
        before, after = here.replace("{scale}", str(scale)).split("{}")
        if (
            stem.startswith(before)
            and stem.endswith(after)
            and len(stem) > len(before) + len(after)
        ):
            return there.format(stem[len(before) : len(stem) - len(after)], scale=scale)
    return f"partner of {stem}"
