"""The rules of the claims on Tables 1 and 2: C4 and C5."""

from __future__ import annotations

from invbench.bench.cell import Cell
from invbench.paper.evidence import Outcome, Part, above, below, both, difference, none, part, share, untested
from invbench.paper.study import FS_NCSR, Missing, Study, changed, clean

__all__ = ["c4", "c5"]

SAME_DB, SAME_SSIM = 0.1, 0.005  # quality that is "the same"; of LPIPS as of SSIM
ABOUT_TWICE = (1.5, 2.5)
PAIRS = ("affine", "affine-floor", "modified-rq")  # the three rows of either table
FLOWS = {"": "", FS_NCSR: ", in FS-NCSR"}  # the track's own flow, and the paper's


def flows(study: Study) -> dict[str, str]:
    """Flows that all three rows were measured on, as ``model`` of ``Study.cells``, and what a statement says of them."""
    return {
        model: words
        for model, words in FLOWS.items()
        if all(any("inf" in c.measures for c in study.cells("sr", d, clean, model=model)) for d in PAIRS)
    }


def clean_photographs(study: Study, model: str) -> dict[str, list[Cell]]:
    """Each row's cells of the clean photographs of folder data sets, which the embedded ones stand for where there are none."""
    found = {d: study.cells("sr", d, clean, model=model) for d in PAIRS}
    if any(not c.spec.case.startswith("embedded") for cells in found.values() for c in cells):
        return {d: [c for c in cells if not c.spec.case.startswith("embedded")] for d, cells in found.items()}
    return found


def dark_photographs(cells: list[Cell]) -> list[Cell]:
    """Cells of low-light data sets, which the embedded photographs, under-exposed, stand for where there are none."""
    return [c for c in cells if clean(c.spec.case.partition("#")[0])] or [
        c for c in cells if "/under-exposure-" in c.spec.case
    ]


def c4(study: Study) -> list[Part]:
    try:
        study.need("sr", PAIRS, clean)
    except Missing as missing:
        return untested("† in super-resolution", missing) + low_light_inf(study)
    parts = []
    for model, words in flows(study).items():
        parts += removed_inf(study, model, words) + remaining_errors(study, model, words)
    return parts + low_light_inf(study)


def removed_inf(study: Study, model: str, words: str) -> list[Part]:
    parts = []
    for where, keep in (("clean photographs", clean), ("changed conditions", changed)):
        bare, floored = (study.cells("sr", d, keep, model=model) for d in ("affine", "affine-floor"))
        if model and not bare:
            continue
        before, after = share(bare, "inf"), share(floored, "inf")
        gain = difference(bare, floored, "inf", " points", 1, 100)
        statement = f"† removes the Inf of affine on {where}{words}"
        if not sum(sum(cell.numbers("inf")) for cell in bare):
            why = f"affine itself has no Inf in {before.n} inputs there: nothing to remove"
            parts.append(Part(statement, "not testable", why, "", before.n, before.seeds))
            continue
        rule = "no input with a non-finite pixel under †, and affine − †, same inputs: above 0"
        more = f" of inputs have Inf, of affine {before}; affine − † on the same inputs {gain}"
        parts.append(part(statement, both(none(after), above(gain, 0)), after, rule, more))
    return parts


def remaining_errors(study: Study, model: str, words: str) -> list[Part]:
    cells = clean_photographs(study, model)
    remain = share(cells["affine-floor"], "error")
    rule = "share of clean inputs with an error pixel: above 0"
    errors = part(f"errors remain under †{words}", above(remain, 0), remain, rule, " of clean inputs")
    worse = difference(cells["affine-floor"], cells["modified-rq"], "error", " points", 1, 100)
    rule = "† − modified-rq, same inputs: above 0"
    return [errors, part(f"where the spline has fewer{words}", above(worse, 0), worse, rule)]


def low_light_inf(study: Study) -> list[Part]:
    statement = "† leaves Inf in low light (Table 2)"
    try:
        study.need("lowlight", ("affine-floor",))
    except Missing as missing:
        return untested(statement, missing)
    parts, rule = [], "share of inputs with a non-finite pixel: above 0"
    darkened = "† leaves Inf on photographs darkened by the camera model"
    for words, measured in precisions(study, "affine-floor", "affine").items():
        of_table = [dark_photographs(cells) for cells in measured]
        others = [[c for c in cells if c not in own] for cells, own in zip(measured, of_table, strict=True)]
        for said, (cells, bare) in {statement: of_table, darkened: others}.items():
            if cells:
                found, more = share(cells, "inf"), f", of affine {share(bare, 'inf')}" if bare else ""
                parts.append(part(said + words, above(found, 0), found, rule, more))
    return parts


def precisions(study: Study, *designs: str) -> dict[str, list[list[Cell]]]:
    """Low-light cells of each design, by what a statement says of the precision; in float16, as the released test runs, where the first has any."""
    kinds = {"": "", ", float16 autocast": "fp16"}
    measured = {
        words: [[c for c in study.cells("lowlight", d, kind=kind) if "inf" in c.measures] for d in designs]
        for words, kind in kinds.items()
    }
    return {words: cells for words, cells in measured.items() if cells[0]}


def c5(study: Study) -> list[Part]:
    try:
        study.need("sr", PAIRS, clean)
    except Missing as missing:
        return untested("the spline in super-resolution", missing) + quality(study) + [training_time(study)]
    found = share([c for model in FLOWS for c in study.cells("sr", "modified-rq", model=model)], "inf")
    parts = [
        part(
            "no Inf",
            none(found),
            found,
            "no non-finite pixel in any input, clean or changed",
            " of inputs",
        )
    ]
    for model, words in flows(study).items():
        parts += super_resolved(clean_photographs(study, model), words)
    return parts + quality(study) + [training_time(study)]


def super_resolved(cells: dict[str, list[Cell]], words: str) -> list[Part]:
    """Table 1: LR-PSNR against either row, PSNR and SSIM against affine."""
    parts = []
    for other in ("affine", "affine-floor"):
        minimum = difference(cells["modified-rq"], cells[other], "lr_psnr_min", " dB")
        spread = difference(cells["modified-rq"], cells[other], "lr_psnr_std", " dB", 3)
        rule = f"modified-rq − {other}, same clean inputs"
        better, smaller = f"better minimum of LR-PSNR than {other}", f"smaller deviation of LR-PSNR than {other}"
        parts.append(part(better + words, above(minimum, 0), minimum, f"{rule}: above 0"))
        parts.append(part(smaller + words, below(spread, 0), spread, f"{rule}: below 0"))
    for name, margin, unit, digits in (("psnr", SAME_DB, " dB", 2), ("ssim", SAME_SSIM, "", 3)):
        change = difference(cells["modified-rq"], cells["affine"], name, unit, digits)
        rule = f"modified-rq − affine, same clean inputs of super-resolution: above −{margin:g}{unit}"
        parts.append(part(f"same or better {name.upper()}{words}", above(change, -margin), change, rule))
    return parts


def quality(study: Study) -> list[Part]:
    """Table 2: PSNR, SSIM and LPIPS in low light."""
    try:
        study.need("lowlight", ("affine", "modified-rq"))
    except Missing as missing:
        return untested("no Inf, same or better PSNR, SSIM, LPIPS in low light (Table 2)", missing)
    spline, affine = (dark_photographs(study.cells("lowlight", d)) for d in ("modified-rq", "affine"))
    parts = []
    for words, (cells,) in precisions(study, "modified-rq").items():
        found = share(cells, "inf")
        parts.append(part(f"no Inf in low light{words}", none(found), found, "no non-finite pixel"))
    for name, margin, sign in (("psnr", SAME_DB, 1), ("ssim", SAME_SSIM, 1), ("lpips", SAME_SSIM, -1)):
        change = difference(spline, affine, name, digits=3, scale=sign)
        statement = f"same or better {name.upper()} in low light"
        if change.n:
            rule = f"modified-rq − affine, same photographs of data sets, better is positive: above −{margin:g}"
            parts.append(part(statement, above(change, -margin), change, rule))
        else:
            parts += untested(statement, f"{name} was not measured")
    return parts


def training_time(study: Study) -> Part:
    statement, (lo, hi) = "about twice the training time", ABOUT_TWICE
    try:
        found = study.csv("benchmarks/flow.csv", "python benchmarks/flow_steps.py", "coupling mode train_rel")
    except Missing as missing:
        return untested(statement, missing)[0]
    columns = (found[name] for name in ("coupling", "mode", "train_rel"))
    cost = {(str(design), str(mode)): float(rel) for design, mode, rel in zip(*columns, strict=True)}
    ratio = {  # each against affine run the same way
        mode: cost["modified-rq", mode] / cost.get(("affine", mode), 1.0)
        for mode in ("eager", "compiled")
        if ("modified-rq", mode) in cost
    }
    if "eager" not in ratio:
        return untested(statement, "benchmarks/flow.csv has no row of modified-rq")[0]
    outcome: Outcome = "yes" if lo <= ratio["eager"] <= hi else "no"
    compiled = f", both compiled {ratio['compiled']:.2f}×" if "compiled" in ratio else ""
    return Part(
        statement,
        outcome,
        f"{ratio['eager']:.2f}× affine, both in eager code{compiled}",
        f"eager ratio within [{lo}, {hi}]",
    )
