"""Official layouts of the data sets: their folders below ``INVBENCH_DATA``, how many images they
have, and which names make a pair.

Super-resolution:

- DIV2K as its archives unpack: ``DIV2K_valid_HR/0801.png``,
  ``DIV2K_valid_LR_bicubic/X4/0801x4.png``, ×8 in ``DIV2K_valid_LR_x8``. Flickr2K likewise.
- Urban100 as its authors name it: ``img_001_SRF_4_HR.png`` with ``img_001_SRF_4_LR.png``.
- The test sets as in EDSR's benchmark archive: ``HR`` and ``LR_bicubic/X4``.

Low light:

- LOL (Wei et al. 2018): ``our485`` and ``eval15``, with one name in ``low`` and ``high``.
- LOL-v2 (Yang et al. 2021): ``Real_captured/Train/Low/low00001.png`` with
  ``Normal/normal00001.png``; ``Synthetic`` with one name.
- VE-LOL-L (Liu et al. 2021): ``VE-LOL-L-Cap-Full/VE-LOL-L-Cap-Low_train`` with ``…-Normal_train``.
  ``VE-LOL/Real_captured`` and ``VE-LOL/Synthetic``, which some papers have, are LOL-v2.

No list of names is published for two of them. It is assumed that pairs of VE-LOL are named as in
LOL-v2, and that captured pairs of LOL-v2 have the numbers 1–689 (train) and 690–789 (test). Folders
and counts agree with public loaders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LAYOUTS", "LOW_LIGHT", "DataLayout", "Partner"]


@dataclass(frozen=True)
class Partner:
    """The stems of a pair: ``{}`` is what they share, ``{scale}`` the scale."""

    high: str
    low: str


RESOLUTION = (Partner("{}_HR", "{}_LR"), Partner("{}", "{}x{scale}"))
LIGHT = (Partner("normal{}", "low{}"), Partner("{}", "{}"))


@dataclass(frozen=True)
class DataLayout:
    """One split of a data set as published.

    ``roots``: its folders lie below the first of these that exists. ``high``: folder of the ground
    truth. ``low``: scale → folders of the conditions, of which one exists; scale 1 is low light.
    ``count``: official number of images. ``stems``: their official names without suffix, where a
    list is known. ``partners``: rules for pairs; the first that fits a name holds. ``source``:
    where it was published.
    """

    name: str
    count: int
    roots: tuple[str, ...]
    high: str
    source: str
    low: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    partners: tuple[Partner, ...] = RESOLUTION
    stems: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The official place of the ground truth below ``INVBENCH_DATA``."""
        return "/".join(part for part in (self.roots[0], self.high) if part)


def _numbered(pattern: str, numbers: range) -> tuple[str, ...]:
    return tuple(pattern.format(n) for n in numbers)


def _div2k(split: Literal["train", "valid"], numbers: range) -> DataLayout:
    base = f"DIV2K_{split}"
    low = {s: (f"{base}_LR_bicubic/X{s}",) for s in (2, 3, 4)} | {
        8: (f"{base}_LR_x8", f"{base}_LR_bicubic/X8")
    }
    stems = _numbered("{:04d}", numbers)
    return DataLayout(
        base,
        len(stems),
        ("", "DIV2K"),
        f"{base}_HR",
        "data.vision.ee.ethz.ch/cvl/DIV2K",
        low,
        stems=stems,
    )


BENCHMARK = {s: (f"LR_bicubic/X{s}",) for s in (2, 3, 4, 8)}
SELFEXSR = "github.com/jbhuang0604/SelfExSR"
SET5 = ("baby", "bird", "butterfly", "head", "woman")
SET14 = tuple(
    (
        "baboon barbara bridge coastguard comic face flowers foreman lenna man monarch pepper "
        "ppt3 zebra"
    ).split()
)

_SUPER_RESOLUTION = (
    DataLayout("T91", 91, ("T91",), "", "Yang et al. 2010", stems=_numbered("t{}", range(1, 92))),
    DataLayout("Set5", 5, ("Set5", "benchmark/Set5"), "HR", SELFEXSR, BENCHMARK, stems=SET5),
    DataLayout("Set14", 14, ("Set14", "benchmark/Set14"), "HR", SELFEXSR, BENCHMARK, stems=SET14),
    DataLayout("BSD100", 100, ("BSD100", "B100", "benchmark/B100"), "HR", SELFEXSR, BENCHMARK),
    DataLayout(
        "Urban100",
        100,
        ("Urban100", "benchmark/Urban100"),
        "HR",
        SELFEXSR,
        BENCHMARK,
        stems=_numbered("img_{:03d}", range(1, 101)),
    ),
    DataLayout(
        "DIV2K_crops256",
        50,
        ("DIV2K_crops256",),
        "HR",
        "github.com/Guaishou74851/SCNet",
        stems=_numbered("{:04d}", range(801, 901, 2)),
    ),
    _div2k("train", range(1, 801)),
    _div2k("valid", range(801, 901)),
    DataLayout(
        "Flickr2K",
        2650,
        ("", "Flickr2K"),
        "Flickr2K_HR",
        "cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
        {s: (f"Flickr2K_LR_bicubic/X{s}",) for s in (2, 3, 4, 8)},
        stems=_numbered("{:06d}", range(1, 2651)),
    ),
)
LAYOUTS: dict[str, DataLayout] = {layout.name: layout for layout in _SUPER_RESOLUTION}


def _light(
    name: str,
    split: str,
    count: int,
    roots: tuple[str, ...],
    folders: str,
    source: str,
    stems: tuple[str, ...] = (),
) -> tuple[tuple[str, str], DataLayout]:
    """A split of a low-light data set; ``folders`` names both folders, with ``{high|low}`` for the
    word in which they differ."""
    before, high, low, after = re.split(r"[{|}]", folders)
    high, low = before + high + after, before + low + after
    return (name, split), DataLayout(
        f"{name} {split}", count, roots, high, source, {1: (low,)}, LIGHT, stems
    )


LOL = ("LOL", "LOLdataset", "LOL-v1", "")
LOL_V2 = ("LOL-v2", "LOLv2", "LOL_v2", "VE-LOL", "")
VE_LOL = ("VE-LOL-L", "VE-LOL", "")
RETINEX = "daooshee.github.io/BMVC2018website"
SEMI = "github.com/flyywh/CVPR-2020-Semi-Low-Light"
IJCV = "flyywh.github.io/IJCV2021LowLight_VELOL"
REAL_TRAIN, REAL_TEST = (
    _numbered("normal{:05d}", numbers) for numbers in (range(1, 690), range(690, 790))
)

# (data set, split) -> layout
LOW_LIGHT: dict[tuple[str, str], DataLayout] = dict(
    (
        _light("LOL", "train", 485, LOL, "our485/{high|low}", RETINEX),
        _light("LOL", "test", 15, LOL, "eval15/{high|low}", RETINEX),
        _light(
            "LOL-v2-real",
            "train",
            689,
            LOL_V2,
            "Real_captured/Train/{Normal|Low}",
            SEMI,
            REAL_TRAIN,
        ),
        _light(
            "LOL-v2-real", "test", 100, LOL_V2, "Real_captured/Test/{Normal|Low}", SEMI, REAL_TEST
        ),
        _light("LOL-v2-synthetic", "train", 900, LOL_V2, "Synthetic/Train/{Normal|Low}", SEMI),
        _light("LOL-v2-synthetic", "test", 100, LOL_V2, "Synthetic/Test/{Normal|Low}", SEMI),
        _light(
            "VE-LOL-real",
            "train",
            400,
            VE_LOL,
            "VE-LOL-L-Cap-Full/VE-LOL-L-Cap-{Normal|Low}_train",
            IJCV,
        ),
        _light(
            "VE-LOL-real",
            "test",
            100,
            VE_LOL,
            "VE-LOL-L-Cap-Full/VE-LOL-L-Cap-{Normal|Low}_test",
            IJCV,
        ),
        _light(
            "VE-LOL-synthetic",
            "train",
            900,
            VE_LOL,
            "VE-LOL-L-Syn/VE-LOL-L-Syn-{Normal|Low}_train",
            IJCV,
        ),
        _light(
            "VE-LOL-synthetic",
            "test",
            100,
            VE_LOL,
            "VE-LOL-L-Syn/VE-LOL-L-Syn-{Normal|Low}_test",
            IJCV,
        ),
    )
)
