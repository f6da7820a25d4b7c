"""Track ``self-test``: cells of known cost that measure nothing, for tests of the engine. No
leaderboard has it."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from invbench.store.cell import CellSpec, Measured
from invbench.tracks.track import Options, Track, register

if TYPE_CHECKING:
    from invbench.targets import Target

__all__ = ["SELF_TEST", "self_test_specs"]


def self_test_specs(target: Target, count: int, milliseconds: int = 0) -> list[CellSpec]:
    """``count`` cells of one entry, each busy for about so long on one core."""
    return [
        CellSpec(
            track="self-test",
            entry=target.name,
            measure="busy",
            seed=seed,
            entry_digest=target.digest,
            settings={"milliseconds": milliseconds},
            target=target.spec,
        )
        for seed in range(count)
    ]


def _plan(target: Target, options: Options) -> list[CellSpec]:
    return self_test_specs(target, options.seeds or 1)


def _measure(spec: CellSpec, target: Target) -> Measured:
    """Numbers that depend on the seed alone, so that runs can be compared bit by bit."""
    until = time.monotonic() + int(spec.settings["milliseconds"] or 0) / 1000
    digest = hashlib.sha256(f"{spec.entry}/{spec.seed}".encode()).digest()
    while time.monotonic() < until:
        hashlib.sha256(bytes(2**16))
    return Measured({"numbers": [byte / 255 for byte in digest]})


SELF_TEST = register(
    Track(
        "self-test",
        _plan,
        _measure,
        "nothing: cells of known cost, for tests of the engine",
        hidden=True,
    )
)
