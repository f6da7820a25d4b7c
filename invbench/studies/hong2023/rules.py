"""From measured numbers to parts of a claim: thresholds are in ``rulebook``, C4 and C5 in
``rules_tables``, verdicts by ``evidence.conclude``."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from invbench.store.cell import Cell
from invbench.studies.hong2023.evidence import (
    ONE_TRAINING,
    TOYS,
    Effect,
    Outcome,
    Part,
    above,
    below,
    both,
    difference,
    median,
    part,
    share,
    told,
    untested,
)
from invbench.studies.hong2023.rulebook import RULEBOOK
from invbench.studies.hong2023.rules_tables import c4, c5
from invbench.studies.hong2023.rules_toy import mapped
from invbench.studies.hong2023.toy import SHIFTED, jumps, toy_cells
from invbench.studies.study import PREDICTOR_COLUMNS, PREDICTORS, Missing, Study, changed

__all__ = ["RULES"]


def c1(study: Study) -> list[Part]:
    try:
        study.need("toy2d", ("affine", "modified-rq"), lambda case: case in ("in", SHIFTED))
        found = {d: toy_cells(study, d) for d in ("affine", "modified-rq")}
    except Missing as missing:
        return untested("the toy", missing)
    outside = {
        d: median(
            [v for cell in shifted for v in cell_values(cell, "outside_pct")], len(shifted), " %", 1
        )
        for d, (_, shifted) in found.items()
    }
    largest = {
        d: median(
            [max(j for _, j in jumps(*pair)) for pair in zip(*sides, strict=True)],
            len(sides[0]),
            "×",
        )
        for d, sides in found.items()
    }
    box, jump = RULEBOOK["C1.box"], RULEBOOK["C1.jump"]
    (strays,), (jumped, steady) = box.thresholds, jump.thresholds
    hits = sum(
        max(j for _, j in jumps(*pair)) >= jumped for pair in zip(*found["affine"], strict=True)
    )
    return [
        told(
            box,
            both(above(outside["affine"], strays), below(outside["modified-rq"], strays)),
            (
                f"samples outside: affine {outside['affine']}, modified-rq "
                f"{outside['modified-rq']}; A⁻¹y of the same conditions: all"
            ),
            outside["affine"].n,
            outside["affine"].seeds,
            over=TOYS,
        ),
        told(
            jump,
            both(above(largest["affine"], jumped), below(largest["modified-rq"], steady)),
            f"largest factor of one coupling: affine {largest['affine']}, modified-rq "
            f"{largest['modified-rq']}; "
            f"{hits} of {largest['affine'].n} affine toys reach {jumped:g}×",
            largest["affine"].n,
            largest["affine"].seeds,
            over=TOYS,
        ),
        *swept(study),
        *mapped(study),
    ]


def swept(study: Study) -> list[Part]:
    """The same over depth, width, training length and shape of p(x), where that was measured."""
    try:
        toys = study.csv(
            "paper/toy_sweep.csv",
            "invbench reproduce toy_sweep",
            "factor value design seed jump_0.8",
        )
    except Missing:
        return []
    rule, affine = RULEBOOK["C1.sweep"], toys[toys.design == "affine"]
    hits, settings = (
        int((affine["jump_0.8"] >= rule.thresholds[0]).sum()),
        len(affine.drop_duplicates(["factor", "value"])),
    )
    found = (
        f"{hits} of {len(affine)} affine toys in {settings} settings; largest factor "
        f"{affine['jump_0.8'].max():.2f}×"
    )
    return [told(rule, "yes" if hits else "no", found, len(affine), affine.seed.nunique())]


def cell_values(cell: Cell, name: str) -> list[float]:
    value = cell.measures.get(name)
    return [float(value)] if isinstance(value, (int, float, str)) else []


def c2(study: Study) -> list[Part]:
    from invbench.studies.hong2023.artefacts.theory import capped, uncapped

    loss, tables = uncapped(), capped()
    falls, optimum = RULEBOOK["C2.falls"], RULEBOOK["C2.optimum"]
    off = (loss.loss - loss.formula).abs().max()
    fell = bool((loss.loss.diff().dropna() < 0).all()) and off < falls.thresholds[0]
    one = tables[tables["cap on s"] == 1.0].iloc[0]
    worst = max(one["worst error of s"], one["of t"])
    lost = (
        f"{loss.loss.iloc[0]:.3f} at s = 1, {loss.loss.iloc[-1]:.0f} at s = {loss.s.iloc[-1]:g}; "
    )
    lost += f"off the formula x₁²/2 − log s by at most {off:.1g}"
    near = f"largest distance {worst:.1g} over {one['runs']:.0f} runs of L-BFGS-B"
    return [
        told(falls, "yes" if fell else "no", lost, len(loss)),
        told(optimum, "yes" if worst < optimum.thresholds[0] else "no", near, int(one["runs"])),
    ]


def c3(study: Study) -> list[Part]:
    try:
        found = study.csv(
            PREDICTORS, "INVBENCH_DATA=… invbench reproduce ood_score", PREDICTOR_COLUMNS
        )
    except Missing as missing:
        return untested("failures against the OOD score", missing)
    parts = []
    for key, rule in RULEBOOK.items():
        if not key.startswith("C3."):
            continue
        _, pooling, inputs = key.split(".", 2)
        rows = found[
            (found.design == "affine") & (found.inputs == inputs) & (found.outcome == "error")
        ].set_index("score")
        if pooling not in rows.index:
            continue
        row = rows.loc[pooling]
        effect = Effect(row.auc, row.auc_lo, row.auc_hi, int(row.n), 1, over=ONE_TRAINING)
        more = f", AUC; {int(row.failures)} of {int(row.n)} fail"
        if isinstance(row.status, str) and row.status == "ok" and math.isfinite(row.slope):
            more += (
                f"; logistic slope {row.slope:.1f} [{row.slope_cluster_lo:.1f}, "
                f"{row.slope_cluster_hi:.1f}]"
            )
        if pooling == "flat" and "pixels-flat" in rows.index:
            more += (
                f"; the same distance of the pixels themselves, without g_θ: "
                f"{rows.loc['pixels-flat'].auc:.2f}"
            )
        parts.append(part(rule, above(effect, rule.thresholds[0]), effect, more))
    return parts or untested(
        "failures against the OOD score", "ood_score/predictors.csv has no rows of affine"
    )


def c6(study: Study) -> list[Part]:
    try:
        found = study.csv(
            "paper/fig8.csv",
            f"invbench reproduce fig8 --results {study.root}",
            (
                "photograph saturated_pct black_pct black_least_pct nan_level machine "
                "area_start_pct spread"
            ),
        )
    except Missing as missing:
        return untested("artefacts along depth", missing)

    def over(column: str, unit: str = " %") -> Effect | None:
        """Median over photographs of the median over their exploding samples, which are alike."""
        values = found.groupby("photograph")[column].median().dropna().tolist()
        return median(values, 1, unit, 1, ONE_TRAINING) if values else None

    saturated, rule = over("saturated_pct"), RULEBOOK["C6.saturated"]
    parts = (
        [part(rule, above(saturated, rule.thresholds[0]), saturated)]
        if saturated
        else untested(rule.statement, "no such pixel")
    )
    parts += [black(over("black_least_pct"), over("black_pct"), found)]
    start, spread = over("area_start_pct"), over("spread", "×")
    if start is None or spread is None:
        return parts + untested("they start in a tiny area and spread", "no exploding sample")
    tiny, grows = RULEBOOK["C6.start"], RULEBOOK["C6.spread"]
    return [
        *parts,
        part(tiny, below(start, tiny.thresholds[0]), start),
        part(grows, above(spread, grows.thresholds[0]), spread),
    ]


def black(least: Effect | None, most: Effect | None, found: pd.DataFrame) -> Part:
    """Non-finite pixels shown by the released conversion, whose cast of NaN is undefined: as white
    as that can make them, and as black."""
    rule = RULEBOOK["C6.black"]
    if least is None or most is None:
        return told(rule, "not testable", "no such pixel")
    (threshold,) = rule.thresholds
    sides = above(least, threshold), above(most, threshold)
    outcome: Outcome = (
        "yes"
        if sides[0] == "yes"
        else "no"
        if sides[1] == "no"
        else "open"
        if "open" in sides
        else "not testable"
    )
    machine, level = found.machine.iloc[0], found.nan_level.iloc[0]
    words = (
        f"{least} if NaN becomes 255, {most} if it becomes 0; where this was computed "
        f"({machine}) it becomes {level:.0f}"
    )
    return told(rule, outcome, words, most.n, most.seeds, over=most.over)


def c7(study: Study) -> list[Part]:
    rule = RULEBOOK["C7.back"]
    try:
        study.need("unconditional", ("affine", "modified-rq"), changed)
    except Missing as missing:
        return untested(rule.statement, missing)
    affine, spline = (study.cells("unconditional", d, changed) for d in ("affine", "modified-rq"))
    fails = share(affine, "error")
    if not fails.value:
        why = f"f⁻¹(f(x)) of affine itself comes back in all of {fails.n} inputs: nothing to remedy"
        return [told(rule, "not testable", why, fails.n, fails.seeds)]
    gain = difference(affine, spline, "error", " points", 1, 100)
    largest = [
        max((v for c in cells for v in c.numbers("max_abs_log10")), default=math.nan)
        for cells in (affine, spline)
    ]
    more = f"; of affine {fails} fail; largest log10 |x̂| {largest[0]:.3g} and {largest[1]:.3g}"
    return [part(rule, above(gain, rule.thresholds[0]), gain, more)]


RULES: dict[str, Callable[[Study], list[Part]]] = {
    "C1": c1,
    "C2": c2,
    "C3": c3,
    "C4": c4,
    "C5": c5,
    "C6": c6,
    "C7": c7,
}
