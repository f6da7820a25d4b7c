"""Measures the map where it is not there, and writes its page, tables and picture."""

from __future__ import annotations

import torch

from invbench.studies.study import Made, Study
from invbench.studies.toy_map.control import CONTROLS, control
from invbench.studies.toy_map.phase import SHIFTS, STACKS, phase
from invbench.studies.toy_map.rows import Rows
from invbench.studies.toy_map.search import DESIGN, search
from invbench.targets import resolve

__all__ = ["make"]


def make(study: Study) -> Made:
    """Trains and measures what toy_map_search.csv and toy_map_phase.csv have not. Rows of an older
    source of a coupling are left out."""
    from invbench.studies.toy_map.picture import picture
    from invbench.studies.toy_map.report import report

    torch.set_num_threads(1)
    designs = {*CONTROLS, *(design for stack in STACKS for design in stack)}
    digests = {design: resolve(design).digest for design in designs}
    folder = study.root / "paper"
    toys = Rows(folder / "toy_map_search.csv", digests, study.again)
    points = Rows(folder / "toy_map_phase.csv", digests, study.again)
    ladder = Rows(folder / "toy_map_fresh.csv", digests, study.again)
    search(toys, digests[DESIGN], study.say, ladder=ladder)
    beside = Rows(folder / "toy_map_control.csv", digests, study.again)
    control(beside, toys.rows, digests, study.say)
    phase(points, digests, study.say)
    tables = {"toy_map_search": toys.table, "toy_map_phase": points.table}
    tables |= {"toy_map_fresh": ladder.table, "toy_map_control": beside.table}
    text = report(toys.table, points.table, ladder.table, beside.table)
    where = beside.table
    if len(where):
        where = where[where["shift"].isin(SHIFTS)]
    pictures = picture(points.table) | picture(
        where, "toy_map_where", "in the worst of eight directions", columns=2
    )
    return Made(text, tables, pictures, whole=True)
