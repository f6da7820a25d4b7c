"""The trainings behind the published results; ``invbench train --all`` runs those that have no
weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invbench.targets import resolve
from invbench.training.weights import find_weights

__all__ = ["PUBLISHED", "PublishedTraining", "missing"]

# 4 bins, since the weights for 8 are too large to ship
MAIN = ("affine", "affine-floor", "modified-rq", "rq-bounded(bins=4)")
BOUNDED = (
    ("srflow(split=bounded)", "cubic-rational-bounded(shift=1)"),
    ("fs_ncsr(split=bounded)", "cubic-rational-bounded(shift=1)"),
    ("llflow", "cubic-rational-bounded(shift=1)"),
)


@dataclass(frozen=True)
class PublishedTraining:
    """One training of ``flow``."""

    flow: str
    coupling: str
    seed: int
    size: str = "mini"


def _all() -> Iterator[PublishedTraining]:
    """The seed that ships with every design first, then the seeds that show how much trainings
    differ."""
    for coupling in (*MAIN, "additive", "affine-tanh", "rq(bins=4)", "cubic-rational-bounded"):
        yield PublishedTraining("srflow", coupling, 0)
    for flow in ("llflow", "glow", "fs_ncsr"):
        for coupling in MAIN:
            yield PublishedTraining(flow, coupling, 0)
    for seed in (1, 2):
        for coupling in MAIN:
            yield PublishedTraining("srflow", coupling, seed)
            yield PublishedTraining("fs_ncsr", coupling, seed)
    yield from (PublishedTraining(*one, 0) for one in BOUNDED)
    yield from (PublishedTraining(*BOUNDED[0], seed) for seed in (1, 2))
    for coupling in ("affine", "affine-floor", "modified-rq"):
        for seed in (0, 1, 2):
            yield PublishedTraining("fs_ncsr", coupling, seed, "mini-8x")
    yield PublishedTraining(*BOUNDED[1], 0, "mini-8x")
    for coupling in ("affine", "modified-rq"):
        for seed in (1, 2):
            yield PublishedTraining("glow", coupling, seed)


PUBLISHED = tuple(_all())


def missing() -> list[PublishedTraining]:
    """The published trainings without weights, neither shipped ones nor the user's."""
    return [
        w for w in PUBLISHED if find_weights(w.flow, resolve(w.coupling), w.size, w.seed) is None
    ]
