"""The stored cells of the toy: the same trained toys in distribution and under the paper's
shift."""

from __future__ import annotations

from itertools import pairwise

from invbench.store.cell import Cell
from invbench.studies.study import Missing, Study

__all__ = ["SHIFTED", "jumps", "ratios", "toy_cells", "variances"]

SHIFTED = "shift-0.8"  # the paper's: y + 0.8·(1, −1)


def toy_cells(study: Study, design: str) -> tuple[list[Cell], list[Cell]]:
    """(in distribution, shifted), in order of seed, of the seeds that have both. Raises ``Missing``
    when none has."""
    sides = [
        {
            cell.spec.seed: cell
            for cell in study.cells("toy2d", design, case.__eq__)
            if "inf" in cell.measures
        }
        for case in ("in", SHIFTED)
    ]
    both = sorted(sides[0].keys() & sides[1].keys())
    if not both:
        command = study.command(f"run --track toy2d --entry {design}")
        raise Missing(f"no toy of {design} was measured in both conditions; {command}")
    return [sides[0][seed] for seed in both], [sides[1][seed] for seed in both]


def variances(cell: Cell) -> list[tuple[str, float]]:
    """(layer, variance) from noise to data."""
    stored = cell.measures.get("variance_by_layer")
    if not isinstance(stored, dict):
        return []
    return [(name.partition(" ")[2], float(value or 0)) for name, value in sorted(stored.items())]


def ratios(inside: Cell, shifted: Cell) -> list[tuple[str, float]]:
    """(layer, Var(shifted)/Var(in distribution)) from noise to data."""
    return [
        (name, b / a)
        for (name, a), (_, b) in zip(variances(inside), variances(shifted), strict=True)
    ]


def jumps(inside: Cell, shifted: Cell) -> list[tuple[str, float]]:
    """(coupling, the factor by which it multiplies that ratio), from noise to data."""
    found = pairwise(ratios(inside, shifted))
    return [
        (name, after / before) for (_, before), (name, after) in found if name.endswith("coupling")
    ]
