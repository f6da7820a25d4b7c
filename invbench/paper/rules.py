"""From measured numbers to parts of a claim: every threshold is here or in ``rules_tables``, every verdict follows by ``evidence.conclude``."""

from __future__ import annotations

import math
from collections.abc import Callable

from invbench.bench.cell import Cell
from invbench.paper.evidence import Effect, Part, above, below, both, difference, median, part, share, untested
from invbench.paper.rules_tables import c4, c5
from invbench.paper.study import PREDICTOR_COLUMNS, PREDICTORS, Missing, Study, changed
from invbench.paper.toy import SHIFTED, jumps, toy_cells

__all__ = ["RULES"]

JUMP = 1e4  # "more than 10,000 times" (paper, §3.2.1)
STEADY = 10.0  # a variance that changes by less does not explode
STRAYS = 2.0  # per cent of samples outside the box that still count as within
TINY = 5.0  # per cent of positions
# (reading of g_θ(y) as a vector, inputs of ood_score/predictors.csv, statement)
READINGS = (
    (
        "flat",
        "y in [0, 1]",
        "errors rise with the score over all conditions in [0, 1] (Fig. 4b), the map g_θ(y) taken whole",
    ),
    ("flat", "changed, within family and severity", "among conditions changed in the same way"),
    ("flat", "clean", "among clean photographs (Fig. 4a)"),
    ("mean", "clean", "among clean photographs when g_θ(y) is averaged over positions, as in Lee et al. 2018"),
)


def c1(study: Study) -> list[Part]:
    try:
        study.need("toy2d", ("affine", "modified-rq"), lambda case: case in ("in", SHIFTED))
        found = {d: toy_cells(study, d) for d in ("affine", "modified-rq")}
    except Missing as missing:
        return untested("the toy", missing)
    outside = {
        d: median([v for cell in shifted for v in cell_values(cell, "outside_pct")], len(shifted), " %", 1)
        for d, (_, shifted) in found.items()
    }
    largest = {
        d: median([max(j for _, j in jumps(*pair)) for pair in zip(*sides, strict=True)], len(sides[0]), "×")
        for d, sides in found.items()
    }
    hits = sum(max(j for _, j in jumps(*pair)) >= JUMP for pair in zip(*found["affine"], strict=True))
    return [
        Part(
            "the affine toy leaves [−1, 1]² under the shift, the spline toy stays within",
            both(above(outside["affine"], STRAYS), below(outside["modified-rq"], STRAYS)),
            f"samples outside: affine {outside['affine']}, modified-rq {outside['modified-rq']}; A⁻¹y of the same conditions: all",
            f"affine more than {STRAYS:g} %, the spline less (medians over toys)",
            outside["affine"].n,
            outside["affine"].seeds,
        ),
        Part(
            "the affine toy's variance jumps at one coupling, the spline toy's does not",
            both(above(largest["affine"], JUMP), below(largest["modified-rq"], STEADY)),
            f"largest factor of one coupling: affine {largest['affine']}, modified-rq {largest['modified-rq']}; "
            f"{hits} of {largest['affine'].n} affine toys reach {JUMP:g}×",
            f"Var(shifted)/Var(in distribution) multiplied by more than {JUMP:g} by one affine coupling, by less than {STEADY:g} by every spline",
            largest["affine"].n,
            largest["affine"].seeds,
        ),
        *swept(study),
    ]


def swept(study: Study) -> list[Part]:
    """The same over depth, width, training length and shape of p(x), where that was measured."""
    try:
        toys = study.csv("paper/toy_sweep.csv", "python scripts/toy_sweep.py", "factor value design seed jump_0.8")
    except Missing:
        return []
    affine = toys[toys.design == "affine"]
    hits, settings = int((affine["jump_0.8"] >= JUMP).sum()), len(affine.drop_duplicates(["factor", "value"]))
    return [
        Part(
            "the affine toy's variance jumps at some depth, width, training length or shape of p(x)",
            "yes" if hits else "no",
            f"{hits} of {len(affine)} affine toys in {settings} settings; largest factor {affine['jump_0.8'].max():.2f}×",
            f"one affine toy multiplies it by {JUMP:g} or more",
            len(affine),
            affine.seed.nunique(),
        )
    ]


def cell_values(cell: Cell, name: str) -> list[float]:
    value = cell.measures.get(name)
    return [float(value)] if isinstance(value, (int, float, str)) else []


def c2(study: Study) -> list[Part]:
    from invbench.paper.artefacts.theory import capped, uncapped

    loss, tables = uncapped(), capped()
    off = (loss.loss - loss.formula).abs().max()
    falls = bool((loss.loss.diff().dropna() < 0).all()) and off < 1e-6
    one = tables[tables["cap on s"] == 1.0].iloc[0]
    worst = max(one["worst error of s"], one["of t"])
    return [
        Part(
            "the loss falls without bound along t = −s·x₁",
            "yes" if falls else "no",
            f"{loss.loss.iloc[0]:.3f} at s = 1, {loss.loss.iloc[-1]:.0f} at s = {loss.s.iloc[-1]:g}; "
            f"off the formula x₁²/2 − log s by at most {off:.1g}",
            "falls at every step up to s = 1e300, equal to the formula within 1e-6",
            len(loss),
        ),
        Part(
            "with s ≤ 1 an optimiser ends at (1, −x₁)",
            "yes" if worst < 1e-6 else "no",
            f"largest distance {worst:.1g} over {one['runs']:.0f} runs of L-BFGS-B",
            "every start and x₁ within 1e-6",
            int(one["runs"]),
        ),
    ]


def c3(study: Study) -> list[Part]:
    try:
        found = study.csv(PREDICTORS, "INVBENCH_DATA=… python scripts/ood_score.py", PREDICTOR_COLUMNS)
    except Missing as missing:
        return untested("failures against the OOD score", missing)
    parts = []
    for reading, name, words in READINGS:
        rows = found[(found.design == "affine") & (found.inputs == name) & (found.outcome == "error")].set_index(
            "score"
        )
        if reading not in rows.index:
            continue
        row = rows.loc[reading]
        effect = Effect(row.auc, row.auc_lo, row.auc_hi, int(row.n), 1)
        more = f", AUC; {int(row.failures)} of {int(row.n)} fail"
        if isinstance(row.status, str) and row.status == "ok" and math.isfinite(row.slope):
            more += f"; logistic slope {row.slope:.1f} [{row.slope_cluster_lo:.1f}, {row.slope_cluster_hi:.1f}]"
        if reading == "flat" and "pixels-flat" in rows.index:
            more += f"; the same distance of the pixels themselves, without g_θ: {rows.loc['pixels-flat'].auc:.2f}"
        rule = "AUC of the score for failing inputs of affine, bootstrap over photographs: above 0.5"
        parts.append(part(words, above(effect, 0.5), effect, rule, more))
    return parts or untested("failures against the OOD score", "ood_score/predictors.csv has no rows of affine")


def c6(study: Study) -> list[Part]:
    try:
        found = study.csv(
            "paper/fig8.csv",
            f"invbench reproduce fig8 --results {study.root}",
            "photograph saturated_pct black_pct area_start_pct spread",
        )
    except Missing as missing:
        return untested("artefacts along depth", missing)

    def over(column: str, unit: str = " %") -> Effect | None:
        """Median over photographs of the median over their exploding samples, which are alike."""
        values = found.groupby("photograph")[column].median().dropna().tolist()
        return median(values, 1, unit, 1) if values else None

    parts = []
    for statement, column, threshold in (
        ("finite error pixels are saturated: every channel at 0 or 1", "saturated_pct", 50.0),
        ("non-finite pixels are black, NaN shown as 0 and ±Inf clamped", "black_pct", 50.0),
    ):
        effect = over(column)
        rule = f"share of such pixels, median over photographs: above {threshold:g} %"
        parts += (
            [part(statement, above(effect, threshold), effect, rule)]
            if effect
            else untested(statement, "no such pixel")
        )
    start = over("area_start_pct")
    if start is None:
        return parts + untested("they start in a tiny area and spread", "no exploding sample")
    rule = f"positions with a value beyond ±10 behind the first layer that has one: less than {TINY:g} %, median over photographs"
    parts.append(part("they start in a tiny area", below(start, TINY), start, rule))
    spread = over("spread", "×")
    assert spread is not None
    rule = "that share in the output over that at the start, median over photographs: above 1"
    return [*parts, part("and spread towards the data", above(spread, 1), spread, rule)]


def c7(study: Study) -> list[Part]:
    statement = "f⁻¹(f(x)) of the spline explodes less than that of affine, x out of distribution"
    try:
        study.need("unconditional", ("affine", "modified-rq"), changed)
    except Missing as missing:
        return untested(statement, missing)
    affine, spline = (study.cells("unconditional", d, changed) for d in ("affine", "modified-rq"))
    fails = share(affine, "error")
    if not fails.value:
        why = f"f⁻¹(f(x)) of affine itself comes back in all of {fails.n} inputs: nothing to remedy"
        return [Part(statement, "not testable", why, "", fails.n, fails.seeds)]
    gain = difference(affine, spline, "error", " points", 1, 100)
    largest = [
        max((v for c in cells for v in c.numbers("max_abs_log10")), default=math.nan) for cells in (affine, spline)
    ]
    more = f"; of affine {fails} fail; largest log10 |x̂| {largest[0]:.3g} and {largest[1]:.3g}"
    rule = "share of inputs with a pixel off by more than ½, or not finite, affine − modified-rq: above 0"
    return [part(statement, above(gain, 0), gain, rule, more)]


RULES: dict[str, Callable[[Study], list[Part]]] = {"C1": c1, "C2": c2, "C3": c3, "C4": c4, "C5": c5, "C6": c6, "C7": c7}
