"""The search for the largest jump: settings at random, then changes of the best, then the best with
fresh seeds and the released ε.

A round is one stack, so its toys share steps, batch and length of training; everything else is
drawn per toy. A toy counts when it has learned its data: a flow that was never fitted may multiply
anything. The guided rounds climb the factor at the paper's shift; at others the search at random
needs no guide.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from invbench.flows import ConditionalFlow
from invbench.studies.toy_map.axes import STACKED, Setting, drawn, mutated, setting_of
from invbench.studies.toy_map.measuring import (
    DIRECTIONS,
    PAPER,
    Jump,
    fit,
    jumps,
    largest,
)
from invbench.studies.toy_map.rows import Rows
from invbench.studies.toy_map.stack import Stack
from invbench.studies.toy_map.toy import AffineAbove, toy
from invbench.training.toy2d.recipe import OOD_SHIFT

__all__ = ["DESIGN", "LEARNED", "RANDOM", "ROUNDS", "Round", "search"]

DESIGN = "affine"
LEARNED = 5.0  # largest residual of a toy that counts, in that of exact samples
MEMBERS, PARENTS = {"random": 32, "guided": 16, "fresh": 10}, 8
PLAIN = Setting()
SHIFTS = (OOD_SHIFT, 1.6, 3.2, 6.4, 10.0)
LADDER = (0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 3.2, 4.8, 6.4, 8.0, 10.0)
RANDOM = tuple(  # of the search at random: what a stack shares
    Setting(steps=steps, batch=batch, iterations=iterations, samples=samples)
    for steps, batch, iterations, samples in (
        (4, 64, 1000, 0),
        (2, 64, 2000, 0),
        (8, 64, 600, 0),
        (4, 256, 500, 0),
        (6, 32, 1000, 1000),
        (4, 32, 2000, 200),
    )
)


@dataclass(frozen=True)
class Round:
    """``climbs``: the column that its parents are the best of; for ``stage`` fresh, the column
    whose best setting is trained anew."""

    stage: str
    number: int
    climbs: str = "nothing"
    base: Setting = PLAIN


GUIDED = Round("guided", len(RANDOM), "paper_jump")
ROUNDS = (
    *(Round("random", k, base=base) for k, base in enumerate(RANDOM)),
    GUIDED,
    Round("fresh", 9, "any_jump"),
)


def search(
    rows: Rows,
    digest: str,
    say: Callable[[str], None] = lambda line: None,
    rounds: Sequence[Round] = ROUNDS,
    ladder: Rows | None = None,
) -> None:
    """Train and measure the rounds that ``rows`` has not. ``ladder``: where the toys with fresh
    seeds have their jump at every shift of ``LADDER``."""
    for place, one in enumerate(rounds, 1):
        if rows.where(number=one.number):
            continue
        say(f"toy_map: round {place} of {len(rounds)} of the search, {one.stage}")
        began = time.process_time()
        settings, seeds = _members(one, rows)
        flows = [
            toy(setting, lambda setting=setting: AffineAbove(setting.floor), seed)  # type: ignore[misc]
            for setting, seed in zip(settings, seeds, strict=True)
        ]
        stack = Stack(flows, settings, seeds)
        stack.train(settings[0].iterations)
        measured = [
            {"stage": one.stage, "number": one.number, "climbs": one.climbs, "design": DESIGN}
            | asdict(setting)
            | {"seed": seed, "digest": digest, "skipped": skipped, "train_nll": loss}
            | measure(stack.flow(m), setting.shape, seed)
            for m, (setting, seed, skipped, loss) in enumerate(
                zip(settings, seeds, stack.skipped, stack.losses(), strict=True)
            )
        ]
        if ladder is not None and one.stage == "fresh":
            ladder.rows = [row for row in ladder.rows if row["number"] != one.number]
            own = {"number": one.number, "climbs": one.climbs, "design": DESIGN, "digest": digest}
            for m, (setting, seed) in enumerate(zip(settings, seeds, strict=True)):
                steps = climbed(stack.flow(m), setting.shape, seed)
                ladder.add(own | {"dtype": setting.dtype, "seed": seed} | step for step in steps)
        seconds = (time.process_time() - began) / len(measured)
        rows.add(row | {"seconds": round(seconds, 2)} for row in measured)


def _members(one: Round, rows: Rows) -> tuple[list[Setting], list[int]]:
    rng = np.random.Generator(np.random.Philox(key=[one.number, 2]))
    seeds = [1000 * (one.number + 1) + k for k in range(MEMBERS[one.stage])]
    if one.stage == "random":
        return [drawn(rng, one.base) for _ in seeds], seeds
    best = ranked(rows.rows, one.climbs)
    if one.stage == "fresh":
        best = [row for row in best if row["floor"] == PLAIN.floor]  # the released one
        setting = replace(setting_of(best[0]), dtype=one.base.dtype)
        # the same seeds in both dtypes
        return [setting] * len(seeds), [10**5 + k for k in range(len(seeds))]
    parents = [setting_of(row) for row in best[:PARENTS]]
    shared = {name: getattr(parents[0], name) for name in STACKED}
    chosen = [parents[int(rng.integers(len(parents)))] for _ in seeds]
    return [mutated(rng, replace(parent, **shared)) for parent in chosen], seeds


def ranked(rows: Sequence[dict[Any, Any]], column: str) -> list[dict[Any, Any]]:
    """Toys of the search itself by a column, the best first: those that learned, if any did."""
    tried = [row for row in rows if row["stage"] != "fresh" and not math.isnan(row[column])]
    learned = [row for row in tried if row["residual"] <= LEARNED]
    return sorted(learned or tried, key=lambda row: -row[column])


def measure(flow: ConditionalFlow, shape: str, seed: int) -> dict[str, Any]:
    """The columns of a trained toy, at the paper's shift and where its factor is largest."""
    found = jumps(flow, shape, seed, SHIFTS, DIRECTIONS, n=500)
    fitted = fit(flow, shape, seed)
    (paper,) = (j for j in found if j.shift == OOD_SHIFT and j.direction == PAPER)
    most = largest(found)
    where = {"any_shift": most.shift, "any_direction": "{:.3g} {:.3g}".format(*most.direction)}
    return {
        "residual": fitted.residual,
        "outside_in": fitted.outside,
        **columns("paper", paper),
        **columns("any", most),
        **where,
    }


def climbed(flow: ConditionalFlow, shape: str, seed: int) -> list[dict[str, Any]]:
    """The jump in the paper's direction, and the largest of eight, at every shift of ``LADDER``."""
    found = jumps(flow, shape, seed, LADDER, DIRECTIONS, n=500)
    rows = []
    for shift in LADDER:
        own = [jump for jump in found if jump.shift == shift]
        (paper,) = (jump for jump in own if jump.direction == PAPER)
        most = largest(own)
        row = {"shift": shift, "paper_jump": paper.factor, "jump": most.factor}
        row |= {"trimmed": most.trimmed, "actnorm": most.actnorm, "conv1x1": most.conv1x1}
        rows.append(row | {"direction": "{:.3g} {:.3g}".format(*most.direction)})
    return rows


def columns(kind: str, jump: Jump) -> dict[str, Any]:
    return {
        f"{kind}_jump": jump.factor,
        f"{kind}_at": jump.layer,
        f"{kind}_trimmed": jump.trimmed,
        f"{kind}_actnorm": jump.actnorm,
        f"{kind}_conv1x1": jump.conv1x1,
        f"{kind}_ratio": jump.ratio,
    }
