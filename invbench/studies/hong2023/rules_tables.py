"""The rules of the claims on Tables 1 and 2: C4 and C5."""

from __future__ import annotations

from invbench.store.cell import Cell
from invbench.studies.hong2023.condition_sets import of_every_training
from invbench.studies.hong2023.evidence import (
    Outcome,
    Part,
    above,
    below,
    both,
    difference,
    none,
    part,
    share,
    told,
    untested,
)
from invbench.studies.hong2023.rulebook import FS_NCSR_FLOW, HALF, PLAIN, RULEBOOK, Variant
from invbench.studies.study import FS_NCSR, Missing, Study, changed, clean
from invbench.tracks.kinds import LPIPS

__all__ = ["c4", "c5"]

PAIRS = ("affine", "affine-floor", "modified-rq")  # the three rows of either table
FLOWS = {"": PLAIN, FS_NCSR: FS_NCSR_FLOW}  # the track's own flow, and the paper's


def flows(study: Study) -> dict[str, Variant]:
    """Flows with cells of all three rows, named as ``model`` of ``Study.cells``, each with its variant
    of the rules."""
    return {
        model: variant
        for model, variant in FLOWS.items()
        if all(
            any("inf" in c.measures for c in study.cells("sr", d, clean, model=model))
            for d in PAIRS
        )
    }


def clean_photographs(study: Study, model: str) -> dict[str, list[Cell]]:
    """Each row's cells of the clean photographs of folder data sets, which the embedded ones stand
    for where there are none; of the data sets that every training of every row was measured on."""
    found = [study.cells("sr", d, clean, model=model) for d in PAIRS]
    if any(c.spec.dataset != "embedded" for cells in found for c in cells):
        found = [[c for c in cells if c.spec.dataset != "embedded"] for cells in found]
    return dict(zip(PAIRS, of_every_training(*found), strict=True))


def dark_photographs(cells: list[Cell]) -> list[Cell]:
    """Cells of low-light data sets, which the embedded photographs, under-exposed, stand for where
    there are none."""
    return [c for c in cells if c.spec.corruption == "clean"] or [
        c for c in cells if c.spec.corruption == "under-exposure"
    ]


def c4(study: Study) -> list[Part]:
    try:
        study.need("sr", PAIRS, clean)
    except Missing as missing:
        return untested("† in super-resolution", missing) + low_light_inf(study)
    parts = []
    for model, variant in flows(study).items():
        parts += removed_inf(study, model, variant) + remaining_errors(study, model, variant)
    return parts + low_light_inf(study)


def removed_inf(study: Study, model: str, variant: Variant) -> list[Part]:
    parts = []
    for where, keep in (("clean", clean), ("changed", changed)):
        bare, floored = (
            study.cells("sr", d, keep, model=model) for d in ("affine", "affine-floor")
        )
        if model and not bare:
            continue
        rule, before, after = RULEBOOK[f"C4.inf.{where}"], share(bare, "inf"), share(floored, "inf")
        own, other = of_every_training(bare, floored)
        gain = difference(own, other, "inf", " points", 1, 100)
        if not sum(sum(cell.numbers("inf")) for cell in bare):
            why = f"affine itself has no Inf in {before.n} inputs there: nothing to remove"
            parts.append(told(rule, "not testable", why, before.n, before.seeds, variant))
            continue
        more = f" of inputs have Inf, of affine {before}; affine − † on the same inputs {gain}"
        parts.append(
            part(rule, both(none(after), above(gain, rule.thresholds[0])), after, more, variant)
        )
    return parts


def remaining_errors(study: Study, model: str, variant: Variant) -> list[Part]:
    cells, (errors, fewer) = (
        clean_photographs(study, model),
        (RULEBOOK["C4.errors"], RULEBOOK["C4.fewer"]),
    )
    remain = share(cells["affine-floor"], "error")
    worse = difference(cells["affine-floor"], cells["modified-rq"], "error", " points", 1, 100)
    return [
        part(errors, above(remain, errors.thresholds[0]), remain, " of clean inputs", variant),
        part(fewer, above(worse, fewer.thresholds[0]), worse, variant=variant),
    ]


def low_light_inf(study: Study) -> list[Part]:
    dark, darkened = RULEBOOK["C4.dark"], RULEBOOK["C4.darkened"]
    try:
        study.need("lowlight", ("affine-floor",))
    except Missing as missing:
        return untested(dark.statement, missing)
    parts = []
    for variant, measured in precisions(study, "affine-floor", "affine"):
        of_table = [dark_photographs(cells) for cells in measured]
        others = [
            [c for c in cells if c not in own]
            for cells, own in zip(measured, of_table, strict=True)
        ]
        for rule, (cells, bare) in ((dark, of_table), (darkened, others)):
            if cells:
                found, more = (
                    share(cells, "inf"),
                    f", of affine {share(bare, 'inf')}" if bare else "",
                )
                parts.append(part(rule, above(found, rule.thresholds[0]), found, more, variant))
    return parts


def precisions(study: Study, *designs: str) -> list[tuple[Variant, list[list[Cell]]]]:
    """Low-light cells of each design per precision, each with its variant of the rules. float16, in
    which the released test runs, is there when the first design has cells of it."""
    measured = [
        (
            variant,
            [
                [c for c in study.cells("lowlight", d, kind=kind) if "inf" in c.measures]
                for d in designs
            ],
        )
        for variant, kind in ((PLAIN, ""), (HALF, "fp16"))
    ]
    return [(variant, cells) for variant, cells in measured if cells[0]]


def c5(study: Study) -> list[Part]:
    try:
        study.need("sr", PAIRS, clean)
    except Missing as missing:
        return (
            untested("the spline in super-resolution", missing)
            + quality(study)
            + [training_time(study)]
        )
    found = share(
        [c for model in FLOWS for c in study.cells("sr", "modified-rq", model=model)], "inf"
    )
    parts = [part(RULEBOOK["C5.inf"], none(found), found, " of inputs")]
    for model, variant in flows(study).items():
        parts += super_resolved(clean_photographs(study, model), variant)
    return parts + quality(study) + [training_time(study)]


def super_resolved(cells: dict[str, list[Cell]], variant: Variant) -> list[Part]:
    """Table 1: LR-PSNR against either row, PSNR and SSIM against affine."""
    parts = []
    for other in ("affine", "affine-floor"):
        better, smaller = RULEBOOK[f"C5.min.{other}"], RULEBOOK[f"C5.std.{other}"]
        minimum = difference(cells["modified-rq"], cells[other], "lr_psnr_min", " dB")
        spread = difference(cells["modified-rq"], cells[other], "lr_psnr_std", " dB", 3)
        parts.append(part(better, above(minimum, better.thresholds[0]), minimum, variant=variant))
        parts.append(part(smaller, below(spread, smaller.thresholds[0]), spread, variant=variant))
    for name, unit, digits in (("psnr", " dB", 2), ("ssim", "", 3)):
        rule = RULEBOOK[f"C5.{name}"]
        change = difference(cells["modified-rq"], cells["affine"], name, unit, digits)
        parts.append(part(rule, above(change, -rule.thresholds[0]), change, variant=variant))
    return parts


def quality(study: Study) -> list[Part]:
    """Table 2: PSNR, SSIM and LPIPS in low light."""
    try:
        study.need("lowlight", ("affine", "modified-rq"))
    except Missing as missing:
        return untested("no Inf, same or better PSNR, SSIM, LPIPS in low light (Table 2)", missing)
    parts = []
    for variant, (cells,) in precisions(study, "modified-rq"):
        found = share(cells, "inf")
        parts.append(part(RULEBOOK["C5.dark.inf"], none(found), found, variant=variant))
    for name, sign, kind in (("psnr", 1, ""), ("ssim", 1, ""), ("lpips", -1, LPIPS)):
        spline, affine = (
            dark_photographs(study.cells("lowlight", d, kind=kind))
            for d in ("modified-rq", "affine")
        )
        rule = RULEBOOK[f"C5.dark.{name}"]
        change = difference(spline, affine, name, digits=3, scale=sign)
        if change.n:
            parts.append(part(rule, above(change, -rule.thresholds[0]), change))
        else:
            parts += untested(rule.statement, f"{name} was not measured; invbench explain {name}")
    return parts


def training_time(study: Study) -> Part:
    rule = RULEBOOK["C5.time"]
    lo, hi = rule.thresholds
    try:
        found = study.csv(
            "benchmarks/flow.csv", "python benchmarks/flow_steps.py", "coupling mode train_rel"
        )
    except Missing as missing:
        return untested(rule.statement, missing)[0]
    columns = (found[name] for name in ("coupling", "mode", "train_rel"))
    cost = {
        (str(design), str(mode)): float(rel) for design, mode, rel in zip(*columns, strict=True)
    }
    ratio = {  # each against affine run the same way
        mode: cost["modified-rq", mode] / cost.get(("affine", mode), 1.0)
        for mode in ("eager", "compiled")
        if ("modified-rq", mode) in cost
    }
    if "eager" not in ratio:
        return untested(rule.statement, "benchmarks/flow.csv has no row of modified-rq")[0]
    outcome: Outcome = "yes" if lo <= ratio["eager"] <= hi else "no"
    compiled = f", both compiled {ratio['compiled']:.2f}×" if "compiled" in ratio else ""
    return told(rule, outcome, f"{ratio['eager']:.2f}× affine, both in eager code{compiled}")
