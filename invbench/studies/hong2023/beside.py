"""The cells of the paper's Table 1, each beside what was measured in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from invbench.store.cell import Cell
from invbench.studies.hong2023.claims import OURS, TABLE1
from invbench.studies.hong2023.evidence import mean, share
from invbench.studies.study import FS_NCSR, FS_NCSR_8X, Study

__all__ = ["NOTES", "beside", "measures", "sharpened"]

BOUNDED = "cubic-rational-bounded(shift=1)"
GUARDED = "affine+guard"
NOTES = """Paper: its Table 1. Ours: the same quantities of mini flows, on the photographs named: DIV2K_crops256 is 50 crops of 256×256 of DIV2K's
validation photographs, not the official files. Rows without a number of the paper are designs that it does not have. — ¹: our LR-PSNR of
sharpened photographs is against the photograph before it was sharpened, and says nothing. Our EUrban100 is Urban100's unsharp mask on embedded
photographs, by SRFlow (mini), for the paper's is not published."""


def sharpened(case: str) -> bool:
    """Is this a condition of ours that stands for EUrban100?"""
    return case.startswith("embedded/eurban-")


def _clean_crops(case: str) -> bool:
    return case == "DIV2K_crops256/clean"


@dataclass(frozen=True)
class Stand:
    """What stands for a data set of the paper: cases of ``model``, and whether LR-PSNR is of use.
    ``others``: (design, track, model) that the paper does not have."""

    data: str
    keep: Callable[[str], bool]
    model: str
    quality: bool = True
    others: tuple[tuple[str, str, str], ...] = ()


def _with_cures(data: str, model: str) -> Stand:
    bounded = model.replace("fs_ncsr", "fs_ncsr(split=bounded)")
    others = ((BOUNDED, "sr", bounded), (GUARDED, "cures", model))
    return Stand(data, _clean_crops, model, others=others)


STANDS = {
    "DIV2K 4×": _with_cures("DIV2K_crops256, FS-NCSR", FS_NCSR),
    "DIV2K 8×": _with_cures("DIV2K_crops256, FS-NCSR 8×", FS_NCSR_8X),
    "EUrban100 4×": Stand("embedded, sharpened, SRFlow", sharpened, "", quality=False),
}


def beside(study: Study) -> pd.DataFrame:
    """A row per cell of the paper's table and per design of ours; a cell without a number says
    why."""
    rows = []
    for name, models in TABLE1.items():
        stand = STANDS[name]
        for model, printed in models.items():
            paper = {
                "paper's data": name,
                "model": model,
                "%Inf ": f"{printed.inf_pct:g}",
                "min ": f"{printed.lr_psnr_min:.2f}",
                "σ ": f"{printed.lr_psnr_std:.3f}",
            }
            cells = _of(study, "sr", OURS[model], stand.keep, stand.model)
            rows.append(paper | _ours(stand, OURS[model], cells))
        for design, track, model in stand.others:
            cells = _of(study, track, design, stand.keep, model)
            rows.append({"paper's data": name} | _ours(stand, design, cells))
    return pd.DataFrame(rows, dtype=object).fillna("")


def _of(
    study: Study, track: str, design: str, keep: Callable[[str], bool], model: str
) -> list[Cell]:
    return [c for c in study.cells(track, design, keep, model=model) if "inf" in c.measures]


def _ours(stand: Stand, design: str, cells: Sequence[Cell]) -> dict[str, object]:
    row: dict[str, object] = {"our data": stand.data, "design": design}
    if not cells:
        return row | {"%Inf": "not measured"}
    row |= measures(cells, stand.quality)
    return row if stand.quality else row | {"min, dB": "— ¹", "σ, dB": "— ¹"}


def measures(cells: Sequence[Cell], quality: bool) -> dict[str, object]:
    """n, trainings, %Inf and error rate with intervals; with ``quality`` LR-PSNR too."""
    inf, error = share(cells, "inf"), share(cells, "error")
    row: dict[str, object] = {"n": inf.n, "seeds": inf.seeds, "%Inf": str(inf), "error": str(error)}
    if quality:
        row |= {
            "min, dB": str(mean(cells, "lr_psnr_min")),
            "σ, dB": str(mean(cells, "lr_psnr_std", digits=3, least=0)),
        }
    return row
