"""Proposition 1: what an unconditional flow makes of a photograph on the way there and back."""

from __future__ import annotations

import pandas as pd

from invbench.store.cell import Cell
from invbench.studies.hong2023.condition_sets import condition_sets, within
from invbench.studies.hong2023.evidence import mean, share
from invbench.studies.study import Made, Missing, Study, changed, clean

__all__ = ["make"]

MEASURED_BY = "run --track unconditional --data embedded --data BSD100"
TEXT = """## The paper

There exist x out of distribution with ‖x‖∞ ≪ ‖f⁻¹(f(x))‖∞ (Prop. 1, after Behrmann et al. 2021); "we believe that our proposed solution will work
effectively in this case" (§5). No numbers are printed.

## Ours

{pooled}

## By family, all severities

{families}

x̂ = f⁻¹(f(x)) in float32 of 64×64 crops. error: a pixel off by more than ½, or not finite. gain: largest log10(‖x̂‖∞/‖x‖∞). bits: bits per
dimension of the 8-bit image, dequantised by U(0, 1)/256 as in training, mean. [95 % interval over photographs, and over trainings where there are
several seeds; docs/statistics.md.] A perfect computation would give 0 everywhere: what is seen is rounding, amplified. Rows of one name are of the
same conditions; the sets:

{sets}
"""


def make(study: Study) -> Made:
    """Raises ``Missing`` without cells of the track unconditional."""
    designs = study.designs("unconditional")
    if not designs:
        raise Missing(
            f"no measured cells of track 'unconditional' in {study.root}; {study.command(MEASURED_BY)}"
        )
    plain = {d: study.cells("unconditional", d, clean) for d in designs}
    altered = {d: study.cells("unconditional", d, changed) for d in designs}
    datasets = sorted(
        {c.spec.case for cells in plain.values() for c in cells},
        key=lambda c: (c.startswith("embedded"), c),
    )
    rows = [
        _row(case.partition("/")[0] + ", clean", design, cells)
        for case in datasets
        for design in designs
        if (cells := [c for c in plain[design] if c.spec.case == case])
    ]
    sets = condition_sets(altered)
    for conditions in sets:
        of_set = {design: within(altered[design], conditions) for design in designs}
        rows += [_row(conditions.name, design, cells) for design, cells in of_set.items() if cells]
    pooled = pd.DataFrame(rows)
    families = pd.DataFrame(
        _row(family, design, cells)
        for family in sorted({_family(cell) for cell in study.cells("unconditional", keep=changed)})
        for design in designs
        if (
            cells := [
                c for c in study.cells("unconditional", design, changed) if _family(c) == family
            ]
        )
    )
    markdown = {"index": False, "disable_numparse": True}
    text = TEXT.format(
        pooled=pooled.to_markdown(**markdown),
        families=families.to_markdown(**markdown),
        sets="\n".join(f"- {s.name}: {s.conditions}." for s in sets),
    )
    return Made(text, {"prop1": pooled, "prop1_families": families}, {})


def _family(cell: Cell) -> str:
    return cell.spec.corruption if cell.spec.severity else ""


def _row(name: str, design: str, cells: list[Cell]) -> dict[str, object]:
    cells = [cell for cell in cells if "inf" in cell.measures]
    inf, error = share(cells, "inf"), share(cells, "error")
    row: dict[str, object] = {"x": name, "design": design, "n": inf.n, "seeds": inf.seeds}
    row |= {"%Inf": str(inf), "error": str(error)}
    row["gain"] = (
        f"{max((v for cell in cells for v in cell.numbers('gain_log10')), default=0.0):.2f}"
    )
    return row | {"bits": str(mean(cells, "nll"))}
