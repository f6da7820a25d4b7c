"""Table 1: %Inf, minimum and deviation of LR-PSNR in super-resolution, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from invbench.store.cell import Cell
from invbench.studies.hong2023.beside import NOTES, beside, measures, sharpened
from invbench.studies.hong2023.claims import OURS
from invbench.studies.hong2023.condition_sets import ConditionSet, condition_sets, within
from invbench.studies.study import FS_NCSR, FS_NCSR_8X, Made, Missing, Study, changed, clean

__all__ = ["make"]

MODELS = ("", FS_NCSR, FS_NCSR_8X)

TEXT = """## The paper's cells beside ours

{paper}

{notes}

## All of ours

{ours}

%Inf: inputs with a non-finite pixel in any of ten samples, τ = 0.9, counted before any clamp; error: with a pixel > 1.5, < −0.5 or
non-finite. min, σ: minimum and standard deviation of LR-PSNR over the ten samples, mean over inputs; +Inf counts as 1, −Inf and NaN as 0.
Of changed conditions LR-PSNR is left out: ours is taken against the unchanged photograph. [95 % interval over photographs, and over trainings
where there are several seeds; docs/statistics.md.] EUrban: our unsharp mask before downscaling, a = 0.5 to 8, on embedded photographs, for the
paper's EUrban100 is not published.

Rows of one name are of the same conditions; a design that was not measured on all of a set is not in its rows. The sets of changed conditions, by
family and severity:

{sets}

## One training and another

{seeds}

The same measurement of flows that differ in the seed of weights and data order only, on the clean photographs that all of a design's were
measured on. [95 % interval over photographs, given that training.]

The paper's rows stand beside ours as {rows}; `additive` is a control: it has no Inf either.

What differs: a mini SRFlow (two levels of four steps, residual target as in FS-NCSR, no noise level), and in the rows [fs_ncsr] a mini FS-NCSR (the
same, with the noise level), trained for 3 000 iterations on T91, in the rows [fs_ncsr mini-8x] one of three levels of three steps, narrower, for 2 000; crops of 128×128; the
designs differ in nothing but the coupling.
"""


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the track sr."""
    if not study.designs("sr"):
        command = study.command("run --track sr --data BSD100 --data Urban100")
        raise Missing(f"no measured cells in {study.root}; {command}")
    rows: list[dict[str, object]] = []
    sets: list[ConditionSet] = []
    for model in MODELS:
        rows += _clean_rows(study, model)
        for name, kind in (("EUrban: ", sharpened), ("", changed)):
            measured = {
                d: _measured(study, d, kind, model) for d in study.designs("sr", model=model)
            }
            for conditions in condition_sets(measured):
                of_set = {d: within(cells, conditions) for d, cells in measured.items()}
                data = name + conditions.name + model
                rows += [
                    {"data": data, "design": d, **measures(cells, False)}
                    for d, cells in of_set.items()
                    if cells
                ]
                sets += [conditions] * (conditions not in sets)
    table = pd.DataFrame(rows)
    text = TEXT.format(
        paper=beside(study).to_markdown(index=False, disable_numparse=True),
        notes=NOTES,
        ours=table.fillna("").to_markdown(index=False, disable_numparse=True),
        sets="\n".join(f"- {s.name}: {s.conditions}." for s in sets),
        seeds=by_seed(study).to_markdown(index=False, disable_numparse=True),
        rows=", ".join(f"{theirs} → `{ours}`" for theirs, ours in OURS.items()),
    )
    return Made(text, {"table1": table}, {})


def by_seed(study: Study) -> pd.DataFrame:
    """A row per design and seed, of designs that were trained more than once, on the data sets that
    all seeds have."""
    rows = []
    entries = [(entry, flow) for flow in MODELS for entry in study.designs("sr", model=flow)]
    for design, model in entries:
        cells = [c for c in study.cells("sr", design, clean, model=model) if "inf" in c.measures]
        seeds = sorted({c.spec.seed for c in cells})
        if len(seeds) < 2:
            continue
        cases = set.intersection(
            *({c.spec.case for c in cells if c.spec.seed == seed} for seed in seeds)
        )
        for seed in seeds if cases else ():
            row = measures(
                [c for c in cells if c.spec.seed == seed and c.spec.case in cases], quality=True
            )
            rows.append(
                {"design": design + model, "seed": seed}
                | {k: v for k, v in row.items() if k != "seeds"}
            )
    return pd.DataFrame(rows, columns=["design", "seed", "n", "%Inf", "error", "min, dB", "σ, dB"])


def _measured(study: Study, design: str, keep: Callable[[str], bool], model: str) -> list[Cell]:
    return [c for c in study.cells("sr", design, keep, model=model) if "inf" in c.measures]


def _clean_rows(study: Study, model: str) -> list[dict[str, object]]:
    datasets = {cell.spec.dataset for cell in study.cells("sr", keep=clean, model=model)}
    return [
        {"data": name + model, "design": design, **measures(cells, True)}
        for name in sorted(datasets, key=lambda d: (d == "embedded", d))
        for design in study.designs("sr", model=model)
        if (cells := _measured(study, design, f"{name}/clean".__eq__, model))
    ]
