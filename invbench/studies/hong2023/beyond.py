"""Beyond the paper: what cures and later designs do, part by part, from stored cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from invbench.store.cell import Cell
from invbench.studies.hong2023.beyond_effects import as_srflow, bits, compared, numbers, paired
from invbench.studies.hong2023.beyond_rules import (
    BEYOND_RULES,
    CERTIFIED,
    CHEAP,
    GUARDED,
    MODERN,
)
from invbench.studies.hong2023.evidence import (
    Outcome,
    Part,
    above,
    below,
    both,
    mean,
    part,
    share,
    told,
    untested,
)
from invbench.studies.study import Study, changed, clean
from invbench.tracks.kinds import CERTIFICATE, FAULTY, RADII, RADIUS, STRETCH

__all__ = ["judge_beyond"]

SPLINE = "modified-rq"
MODEL = f" [{CERTIFIED[0]}]"  # of the certified flow, as ``model`` of ``Study.cells``
FOLDERS = ("BSD100", "Urban100")
FARTHEST = 4.0  # τ: a search goes no farther
ROUNDING = 1e-6  # of a float32 decode, in decades


def judge_beyond(study: Study) -> dict[str, list[Part]]:
    """Statement of ``BEYOND`` → its parts; a part without numbers says what to run."""
    return {key: judged(study) for key, judged in JUDGES.items()}


def _folders(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.spec.dataset in FOLDERS]


def _missing(key: str, command: str) -> list[Part]:
    return untested(BEYOND_RULES[key].statement, f"not measured yet; {command}")


def certified(study: Study) -> list[Part]:
    """B1."""
    command = study.command(
        f"run --track sr --flow '{CERTIFIED[0]}' --entry '{CERTIFIED[1]}' --seeds 3"
    )
    bounds = study.cells("sr", CERTIFIED[1], lambda case: True, CERTIFICATE, MODEL)
    if not bounds:
        return _missing("B1.finite", command)
    largest = [value for cell in bounds for value in numbers(cell, "max_residual")]
    finite, twenty = BEYOND_RULES["B1.finite"], BEYOND_RULES["B1.bound"]
    said = ", ".join(f"{value:.1f}" for value in sorted(largest))
    small = all(value <= twenty.thresholds[0] for value in largest)
    parts = [
        told(
            finite, _sure(all(map(math.isfinite, largest))), f"at most {said}", seeds=len(largest)
        ),
        told(twenty, _sure(small), f"{said}: one number per training", seeds=len(largest)),
    ]
    everywhere = [
        *study.cells("sr", CERTIFIED[1], model=MODEL),
        *(c for t in ("sr", "cures") for c in study.attacked(t, CERTIFIED[1], model=MODEL)),
    ]
    parts.append(_held("B1.found", everywhere, bounds, command))
    parts.append(bits(BEYOND_RULES["B1.bits"], CERTIFIED, ("srflow", "affine")))
    own = as_srflow(_folders(study.cells("sr", CERTIFIED[1], clean, model=MODEL)))
    return parts + _quality("B1", own, _folders(study.cells("sr", SPLINE, clean)), command)


def _held(key: str, cells: Sequence[Cell], bounds: Sequence[Cell], command: str) -> Part:
    """Is what was found at most what the certificate of its training allows, in every cell?"""
    rule = BEYOND_RULES[key]
    of_seed = {cell.spec.seed: cell for cell in bounds}
    found = [
        (value, math.log10(_limit(of_seed[cell.spec.seed], cell)))
        for cell in cells
        if cell.spec.seed in of_seed
        for value in numbers(cell, "max_abs_log10")
    ]
    if not found:
        return _missing(key, command)[0]
    beyond = sum(not value <= limit + ROUNDING for value, limit in found)
    largest = max(value for value, _ in found)
    most = math.log10(max(numbers(cell, "max_abs")[0] for cell in bounds))
    said = f"largest 10^{largest:.2f}, certified 10^{most:.2f}; {beyond} beyond"
    return told(rule, _sure(not beyond), said, len(found), len(of_seed))


def _limit(bound: Cell, cell: Cell) -> float:
    """The certified |x| for the conditions of a cell. ``max_abs`` is for y in [0, 1]; a base image
    that is not clamped is a linear map of y, so one of |y| ≤ 5 is at most 5·(2·base − 1), base its
    largest value for y in [0, 1] and weights that sum to 1."""
    (most,), (residual,) = numbers(bound, "max_abs"), numbers(bound, "max_residual")
    if "+" in cell.spec.entry or "out-of-range" not in (cell.spec.attack, cell.spec.corruption):
        return most
    return residual + 5 * (2 * (most - residual) - 1)


def _sure(good: bool) -> Outcome:
    return "yes" if good else "no"


def _quality(key: str, ours: list[Cell], theirs: list[Cell], command: str) -> list[Part]:
    """LR-PSNR, PSNR and SSIM, of those that have a rule."""
    parts = []
    for name, unit, digits in (("lr_psnr_min", " dB", 2), ("psnr", " dB", 2), ("ssim", "", 3)):
        rule = BEYOND_RULES.get(f"{key}.{name.removeprefix('lr_psnr_')}")
        if rule is None:
            continue
        found = compared(ours, theirs, name, unit, digits)
        threshold = rule.thresholds[0] if name == "lr_psnr_min" else -rule.thresholds[0]
        parts += (
            [part(rule, above(found, threshold), found)]
            if found.n
            else untested(rule.statement, f"not measured yet; {command}")
        )
    return parts


def guarded(study: Study) -> list[Part]:
    """B2."""
    command = "INVBENCH_DATA=… " + study.command(
        f"run --track cures --data BSD100 --data Urban100 --severity 3 "
        f"--seeds 3 --entry {GUARDED} --entry {SPLINE} --entry affine"
    )
    parts: list[Part] = []
    for name, keep in (("clean", clean), ("changed", changed)):
        rule = BEYOND_RULES[f"B2.{name}"]
        own, other = (_folders(study.cells("cures", e, keep)) for e in (GUARDED, SPLINE))
        if not own or not other:
            parts += _missing(rule.key, command)
            continue
        gain = compared(other, own, "error", " points", 1, 100)
        more = f"; the guard {share(own, 'error')}, {SPLINE} {share(other, 'error')}"
        parts.append(part(rule, above(gain, -rule.thresholds[0]), gain, more))
    own = _folders(study.cells("cures", GUARDED, clean))
    if own:
        rule, found = BEYOND_RULES["B2.min"], mean(own, "lr_psnr_min", " dB")
        parts.append(part(rule, above(found, rule.thresholds[0]), found))
        rule = BEYOND_RULES["B2.psnr"]
        bare = _folders(study.cells("cures", "affine", clean))
        change = compared(own, bare, "psnr", " dB") if bare else None
        parts += (
            [part(rule, above(change, -rule.thresholds[0]), change)]
            if change
            else _missing(rule.key, command)
        )
    bounds = study.cells("cures", GUARDED, lambda case: True, CERTIFICATE)
    seen = [
        *study.cells("cures", GUARDED),
        *study.cells("cures", GUARDED, kind=FAULTY),
        *study.attacked("cures", GUARDED),
    ]
    return [
        *parts,
        _held("B2.found", seen, bounds, study.command(f"run --track cures --entry {GUARDED}")),
    ]


def cheap(study: Study) -> list[Part]:
    """B3."""
    parts = []
    guard = study.cells("cures", GUARDED, _embedded_changed)
    attacked = {}
    for cure in CHEAP:
        rule, entry = BEYOND_RULES[f"B3.{cure}"], f"affine+{cure}"
        own = study.cells("cures", entry, _embedded_changed)
        if not own or not guard:
            parts += _missing(rule.key, study.command(f"run --track cures --entry {entry}"))
            continue
        worse = compared(guard, own, "error", " points", 1, 100)
        more = f"; with this cure {share(own, 'error')}"
        parts.append(part(rule, above(worse, -rule.thresholds[0]), worse, more))
        if cells := study.attacked("cures", entry):
            attacked[cure] = share(cells, "error")
    rule = BEYOND_RULES["B3.attacked"]
    if attacked:
        said = "; ".join(f"{cure} {effect}" for cure, effect in attacked.items())
        outcome = both(*(below(effect, rule.thresholds[0]) for effect in attacked.values()))
        first = next(iter(attacked.values()))
        parts.append(told(rule, outcome, said, first.n, first.seeds, over=first.over))
    return parts


def _embedded_changed(case: str) -> bool:
    return case.startswith("embedded/") and changed(case)


def modern(study: Study) -> list[Part]:
    """B4."""
    command = "INVBENCH_DATA=… " + study.command(f"run --track sr --seeds 3 --entry '{MODERN}'")
    own, other = (_folders(study.cells("sr", e, clean)) for e in (MODERN, SPLINE))
    parts = _quality("B4", own, other, command)
    parts.append(bits(BEYOND_RULES["B4.bits"], ("srflow", MODERN), ("srflow", SPLINE)))
    rule = BEYOND_RULES["B4.attacked"]
    ours, theirs = (study.attacked("sr", e, "latent-typical", "BSD100") for e in (MODERN, SPLINE))
    if not ours or not theirs:
        return parts + _missing(rule.key, f"{command} --data BSD100 --attack latent-typical")
    found = compared(ours, theirs, "max_abs_log10")
    return [*parts, part(rule, below(found, rule.thresholds[0]), found)]


def sensitive(study: Study) -> list[Part]:
    """B5."""
    command = study.command(f"run --track sr --flow '{CERTIFIED[0]}' --entry '{CERTIFIED[1]}'")
    parts = []
    for key, kind, name, change, said in (
        ("B5.radius", RADIUS, RADII["critical_radius"], lambda v: np.minimum(v, FARTHEST), above),
        ("B5.stretch", STRETCH, "inv_lipschitz", np.log10, below),
    ):
        rule = BEYOND_RULES[key]
        ours = as_srflow(study.cells("sr", CERTIFIED[1], lambda case: True, kind, MODEL))
        theirs = study.cells("sr", SPLINE, lambda case: True, kind)
        found = paired(ours, theirs, name, change)
        parts += (
            [part(rule, said(found, rule.thresholds[0]), found)]
            if found.n
            else _missing(key, command)
        )
    return parts


JUDGES: dict[str, Callable[[Study], list[Part]]] = {
    "B1": certified,
    "B2": guarded,
    "B3": cheap,
    "B4": modern,
    "B5": sensitive,
}
