"""What the searches must reach, and what casts doubt on them."""

from __future__ import annotations

import statistics

import pandas as pd

from invbench.studies.attacks.tables import (
    CONTROL,
    LATENT,
    SQUARES,
    Cells,
    common,
    number,
    values,
)

__all__ = ["doubts", "targets"]

DECADE = 0.1  # by which random must beat the search before that is said


def doubts(cells: Cells) -> list[str]:
    """Searches that did not search, were not confirmed, or did worse than random."""
    flags = []
    for (design, dataset, attack), own in cells.items():
        where, n = f"{design}, {dataset}, {attack}", len(values(own, "inf"))
        led, silent = values(own, "steered"), values(own, "searched").count(0)
        finite = [not v for v in values(own, "F1")]
        unled = sum(not s and f for s, f in zip(led, finite, strict=True))
        without = attack in (CONTROL, SQUARES)  # which ask for no gradient
        for count, text in (
            (silent, "did not search"),
            (0 if without else unled, "no gradient led the search, random squares took its place"),
            (sum(v > 0 for v in values(own, "unconfirmed")), "not confirmed by a plain decode"),
        ):
            if count:
                flags.append(f"{where}: {text}, on {count} of {n} inputs")
        if not without:
            continue
        search, other = common(cells.get((design, dataset, LATENT), []), own)
        sizes = list(
            zip(values(other, "max_abs_log10"), values(search, "max_abs_log10"), strict=True)
        )
        if better := sum(o > s + DECADE for o, s in sizes):
            flags.append(
                f"{where} reaches larger values than the gradient search, on {better} of "
                f"{len(sizes)} inputs"
            )
        if alone := sum(
            o and not s for o, s in zip(values(other, "F2"), values(search, "F2"), strict=True)
        ):
            flags.append(f"{where} alone makes {alone} inputs fail (F2): suspected masking")
    return flags


def targets(cells: Cells) -> pd.DataFrame:
    """What the searches must reach, on BSD100."""
    rows = []

    def add(what: str, measured: str, met: bool) -> None:
        rows.append({"target": what, "measured": measured, "verdict": "met" if met else "missed"})

    for design in ("affine", "affine-floor"):
        search, control = (cells.get((design, "BSD100", name), []) for name in (LATENT, CONTROL))
        if search and control:
            hits, steps = values(search, "F1"), values(search, "step_F1")
            every = sum(hits) == len(hits) >= 50
            add(
                f"{design}: non-finite on 100 % of ≥ 50 conditions",
                f"{int(sum(hits))} of {len(hits)}",
                every,
            )
            middle = statistics.median_high(steps)
            add(f"{design}: median of ≤ 10 gradient steps", number(middle), middle <= 10)
            ours = statistics.median_high(values(search, "first_F1"))
            spent = zip(values(control, "first_F1"), values(control, "evaluations"), strict=True)
            theirs = statistics.median_high([min(pair) for pair in spent])
            by_random = (
                f"{int(sum(values(control, 'F1')))} of {len(values(control, 'F1'))} by random"
            )
            measured = f"{number(ours)} against more than {number(theirs)} ({by_random})"
            add(
                f"{design}: random needs ≥ 10× the evaluations to F1", measured, theirs >= 10 * ours
            )
        if found := cells.get((design, "BSD100", "condition-8")):
            rate, clean = (statistics.fmean(values(found, name)) for name in ("rate", "clean_rate"))
            what = f"{design}: failure rate over fresh latents at 8/255 ≥ 5× the clean one"
            add(what, f"{rate:.4f} against {clean:.4f}", rate > 0 and rate >= 5 * clean)
    return pd.DataFrame(rows)
