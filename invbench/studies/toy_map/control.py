"""The control of the search, and where the effect lives: designs in the very setting in which
affine toys jump, with the same fresh seeds, so that only the coupling differs, over shift and length
of training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from invbench.studies.toy_map.axes import setting_of
from invbench.studies.toy_map.measuring import fit
from invbench.studies.toy_map.rows import Rows
from invbench.studies.toy_map.search import PLAIN, climbed, ranked
from invbench.studies.toy_map.stack import Stack
from invbench.studies.toy_map.toy import toy
from invbench.targets import resolve

__all__ = ["CONTROLS", "LENGTHS", "control"]

CONTROLS = ("affine", "affine-floor", "modified-rq", "cubic-rational-bounded")
# the learning rate is constant there, so each is a snapshot of one training
LENGTHS = (500, 1000, 2000, 4000, 8000)
SEEDS = tuple(10**5 + k for k in range(10))  # those of the fresh toys


def control(
    rows: Rows,
    toys: list[dict[Any, Any]],
    digests: dict[str, str],
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Train and measure the designs that ``rows`` has not, in the best setting of the search among
    those with the released ε and a constant learning rate, at any shift."""
    best = [
        row
        for row in ranked(toys, "any_jump")
        if row["floor"] == PLAIN.floor and row["decay"] == PLAIN.decay
    ]
    if not best:
        return
    setting = replace(setting_of(best[0]), dtype="float32")
    for design in CONTROLS:
        if rows.where(design=design):
            continue
        say(f"toy_map: {design} in the setting in which affine jumps")
        began = time.process_time()
        stack = Stack(
            [toy(setting, resolve(design).make, seed) for seed in SEEDS],
            [setting] * len(SEEDS),
            list(SEEDS),
        )
        found = []
        for length in LENGTHS:
            stack.train(length)
            for member, seed in enumerate(SEEDS):
                flow = stack.flow(member)
                own = {"design": design, "digest": digests[design], "seed": seed}
                own |= {"iterations": length, "residual": fit(flow, setting.shape, seed).residual}
                own |= {"skipped": stack.skipped[member]}
                found += [own | step for step in climbed(flow, setting.shape, seed)]
        seconds = (time.process_time() - began) / len(SEEDS)
        rows.add(row | {"seconds": round(seconds, 2)} for row in found)
