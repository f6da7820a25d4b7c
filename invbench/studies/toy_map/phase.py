"""The phase diagram: the jump against shift and length of training, per design, ten seeds a point.

The learning rate is constant, so that every length is a snapshot of one training. Shifts cost no
training: a toy is measured at all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from invbench.files import cache_dir
from invbench.studies.toy_map.axes import Setting
from invbench.studies.toy_map.measuring import fit, jumps
from invbench.studies.toy_map.rows import Rows
from invbench.studies.toy_map.stack import Stack
from invbench.studies.toy_map.toy import AffineAbove, toy
from invbench.targets import resolve

__all__ = ["BASE", "LENGTHS", "SEEDS", "SHIFTS", "STACKS", "phase"]

BASE = Setting()
SEEDS = 10
LENGTHS = (300, 1000)
SHIFTS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0)
# what is trained as one; the two affine ones differ in ε alone
STACKS: tuple[tuple[str, ...], ...] = (
    ("affine", "affine-floor"),
    ("modified-rq",),
    ("cubic-rational-bounded",),
)
FLOORS = {"affine": 1e-4, "affine-floor": 0.1}


def phase(
    rows: Rows,
    digests: dict[str, str],
    say: Callable[[str], None] = lambda line: None,
    folder: Path | None = None,
) -> None:
    """Train on from the last snapshot and measure the lengths that ``rows`` has not. Snapshots are
    kept in ``folder``, by default in the cache."""
    folder = folder or cache_dir() / "toy_map"
    for length in LENGTHS:
        for designs in STACKS:
            have = [rows.where(design=design, iterations=length) for design in designs]
            if all(have):
                continue
            say(f"toy_map: {' and '.join(designs)} to {length} iterations")
            began = time.process_time()
            digest = "-".join(digests[design] for design in designs)
            stack = _resumed(designs, folder, digest, length)
            stack.train(length)
            _keep(stack, _file(folder, designs, digest))
            measured = _measured(stack, designs, length, digests)
            seconds = (time.process_time() - began) / (len(designs) * SEEDS)
            rows.add(row | {"seconds": round(seconds, 2)} for row in measured)


def _stack(designs: tuple[str, ...]) -> Stack:
    members = [(design, seed) for design in designs for seed in range(SEEDS)]
    flows = [
        toy(
            BASE,
            partial(AffineAbove, FLOORS[design]) if design in FLOORS else resolve(design).make,
            seed,
        )
        for design, seed in members
    ]
    return Stack(flows, [BASE] * len(flows), [seed for _, seed in members])


def _file(folder: Path, designs: tuple[str, ...], digest: str) -> Path:
    return folder / f"{'+'.join(designs)}-{digest}.pt"


def _resumed(designs: tuple[str, ...], folder: Path, digest: str, length: int) -> Stack:
    """The stack at its last snapshot that is no longer than ``length``."""
    stack, path = _stack(designs), _file(folder, designs, digest)
    if path.exists():
        state = torch.load(path, weights_only=True)
        if state["step"] <= length:
            stack.resume(state)
    return stack


def _keep(stack: Stack, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(stack.state(), path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def _measured(
    stack: Stack, designs: tuple[str, ...], length: int, digests: dict[str, str]
) -> list[dict[str, Any]]:
    found = []
    losses = stack.losses()
    for m, (design, seed) in enumerate((d, s) for d in designs for s in range(SEEDS)):
        flow = stack.flow(m)
        own = {"design": design, "seed": seed, "digest": digests[design], "iterations": length}
        fitted = fit(flow, BASE.shape, seed)
        own |= {"skipped": stack.skipped[m], "train_nll": losses[m], "residual": fitted.residual}
        own |= {"outside_in": fitted.outside}
        found += [
            own
            | {"shift": j.shift, "jump": j.factor, "at": j.layer, "trimmed": j.trimmed}
            | {"actnorm": j.actnorm, "conv1x1": j.conv1x1, "ratio": j.ratio}
            for j in jumps(flow, BASE.shape, seed, SHIFTS)
        ]
    return found
