"""Claim C1 over the map of toys: thresholds are in ``rulebook``, the toys in toy_map_search.csv and
toy_map_phase.csv."""

from __future__ import annotations

import math

import pandas as pd

from invbench.measures.statistics import clopper_pearson
from invbench.studies.hong2023.evidence import (
    TOYS,
    Effect,
    Outcome,
    Part,
    above,
    below,
    median,
    part,
    told,
    untested,
)
from invbench.studies.hong2023.rulebook import RULEBOOK
from invbench.studies.study import Missing, Study
from invbench.studies.toy_map.causes import COUPLING, cause

__all__ = ["mapped"]

COMMAND = "invbench reproduce toy_map"
# the axes of the search
SETTING = "shape steps head lr decay iterations batch samples weight_decay conv1x1 actnorm floor "
FACTORS = "jump trimmed actnorm conv1x1"


def mapped(study: Study) -> list[Part]:
    """The parts of C1 that the map decides, where it was measured."""
    columns = " ".join(f"{kind}_{name}" for kind in ("paper", "any") for name in FACTORS.split())
    try:
        toys = study.csv(
            "paper/toy_map_search.csv", COMMAND, f"{SETTING} seed residual any_shift {columns}"
        )
        points = study.csv("paper/toy_map_phase.csv", COMMAND, "design seed iterations shift jump")
    except Missing:
        return []
    paper, farther = RULEBOOK["C1.map.paper"], RULEBOOK["C1.map.farther"]
    learned = toys[toys.residual <= paper.thresholds[0]]
    hits = learned[learned.any_jump >= farther.thresholds[1]]
    at_paper = learned[learned.paper_jump >= paper.thresholds[1]]
    return [
        told(
            paper,
            "yes" if len(at_paper) else "no",
            _found(at_paper, learned, toys, "paper"),
            len(toys),
            len(toys),
        ),
        told(
            farther,
            "yes" if len(hits) else "no",
            _found(hits, learned, toys, "any"),
            len(toys),
            len(toys),
        ),
        *_layer(hits),
        *_spline(points),
        *_control(study),
    ]


def _found(hits: pd.DataFrame, learned: pd.DataFrame, toys: pd.DataFrame, kind: str) -> str:
    """How many jump, of how many; the largest, and its setting."""
    words = f"{len(hits)} of {len(learned)} toys that learned, of {len(toys)} tried"
    if learned.empty:
        return words
    top = learned.sort_values(f"{kind}_jump", kind="stable", ascending=False).iloc[0]
    setting = ", ".join(f"{name} {top[name]}" for name in SETTING.split())
    where = f" at shift {top.any_shift:g}" if kind == "any" else ""
    return f"{words}; largest factor {top[f'{kind}_jump']:.3g}×{where}: {setting}"


def _layer(hits: pd.DataFrame) -> list[Part]:
    """Is it the coupling? Judged where a toy jumps most."""
    rule = RULEBOOK["C1.map.layer"]
    if hits.empty:
        return untested(rule.statement, "no toy jumps")
    own = [cause(row, "any_", rule.thresholds[0]) == COUPLING for row in hits.to_dict("records")]
    low, high = clopper_pearson(sum(own), len(own))
    share = Effect(
        100 * sum(own) / len(own), 100 * low, 100 * high, len(own), len(own), " %", 1, TOYS
    )
    most = hits[["any_actnorm", "any_conv1x1"]].max(axis=None)
    more = f"; largest factor of another layer {most:.3g}×"
    return [part(rule, above(share, rule.thresholds[1]), share, more)]


def _spline(points: pd.DataFrame) -> list[Part]:
    """The largest median over the phase diagram, with its interval."""
    rule = RULEBOOK["C1.map.spline"]
    most, words = _largest(points, "modified-rq")
    affine, _ = _largest(points, "affine")
    if most is None or affine is None:
        return untested(rule.statement, "affine or modified-rq is not in toy_map_phase.csv")
    more = f"{words}; affine at most {affine}"
    if affine.value < rule.thresholds[1]:
        return [told(rule, "not testable", f"{most}{more}", most.n, most.seeds, over=most.over)]
    return [part(rule, below(most, rule.thresholds[0]), most, more)]


def _control(study: Study) -> list[Part]:
    """The spline beside affine in one setting, where that was measured."""
    try:
        rows = study.csv("paper/toy_map_control.csv", COMMAND, "design seed shift jump")
    except Missing:
        return []
    rule = RULEBOOK["C1.map.control"]
    near = rows[rows["shift"] <= rule.thresholds[1]].fillna({"jump": math.inf})
    most = near.groupby(["design", "seed"]).jump.max()
    own, affine = most.get("modified-rq"), most.get("affine")
    if own is None or affine is None:
        return untested(rule.statement, "affine or modified-rq is not in toy_map_control.csv")
    hits, theirs = (int((v >= rule.thresholds[0]).sum()) for v in (own, affine))
    found = (
        f"{hits} of {len(own)}, largest factor {own.max():.3g}×; of affine {theirs} of "
        f"{len(affine)}, {affine.max():.3g}×"
    )
    said: Outcome = "not testable" if not theirs else "no" if hits else "yes"
    return [told(rule, said, found, len(own), len(own), over=TOYS)]


def _largest(points: pd.DataFrame, design: str) -> tuple[Effect | None, str]:
    """The point with the largest median of a design, and where it is."""
    groups = {
        key: median(rows.jump.fillna(math.inf).tolist(), len(rows), "×")
        for key, rows in points[points.design == design].groupby(["iterations", "shift"])
    }
    if not groups:
        return None, ""
    (length, shift), most = max(groups.items(), key=lambda item: (item[1].value, item[1].hi))
    return (
        most,
        f" after {length} iterations at shift {shift:g}, of {len(groups)} points the largest",
    )
