"""SRFlow in five sizes: two that train on two CPU cores, one that trains on a GPU in minutes, and
the two published ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from invbench.couplings.base import Elementwise
from invbench.registry import flow
from invbench_models.multiscale import MultiscaleFlow, SRFlowSize, multiscale
from invbench_models.options import OPTIONS

__all__ = ["SIZES", "SRFlowSize", "srflow"]

SIZES = {
    "mini": SRFlowSize(),
    "mini-8x": SRFlowSize(scale=8, levels=3, steps=3, width=16),
    "medium": SRFlowSize(levels=3, steps=8, width=64, features=64),
    "paper": SRFlowSize(
        levels=3,
        steps=16,
        width=64,
        features=320,
        transitions=2,
        blocks=23,
        stacked=(1, 8, 15, 22),
        residual=False,
    ),
    "paper-8x": SRFlowSize(
        scale=8,
        levels=4,
        steps=16,
        width=64,
        features=320,
        transitions=2,
        blocks=23,
        stacked=(1, 3, 5, 7),
        residual=False,
    ),
}


@flow(
    "srflow",
    sizes=tuple(SIZES),
    published=("paper", "paper-8x"),
    track="sr",
    temperature=0.9,
    recipe="invbench_models.srflow.recipe",
    weights=Path(__file__).with_name("weights"),
    convert="invbench_models.convert:from_published",
    options=OPTIONS,
)
def srflow(
    coupling: Callable[[], Elementwise],
    size: str = "mini",
    seed: int = 0,
    conv1x1: str = "free",
    split: str = "affine",
) -> MultiscaleFlow:
    """The super-resolution flow SRFlow (Lugmayr et al., ECCV 2020, section 3; numbers from its
    released 4× and 8× options).

    x: (B, 3, s·h, s·w) in [0, 1]; y: (B, 3, h, w) in [0, 1]. ``paper`` is the published 4× model,
    with 39.54 M parameters for ``affine``; ``paper-8x`` is the published 8× model, with 50.82 M; h
    and w are even. Scale, depth and width all fix an architecture, so 8× is a size and no flow of
    its own.

    ``mini`` has two levels of four steps, conditioners of width 32, an encoder of four convolutions
    of width 24, no transition steps, a split after the first level that a whole conditioner
    predicts, and FS-NCSR's residual target x − bicubic(y). ``mini-8x`` is its like at 8×: three
    levels of three steps, conditioners of width 16. ``medium`` is its like at 4× for a GPU: three
    levels of eight steps, conditioners and encoder of width 64. Weights are drawn from ``seed``.

    ``conv1x1``: ``free`` as published, ``orthogonal`` Q₀·exp(A − Aᵀ), or ``frozen`` at Q₀.
    ``split``: ``affine`` as published, ``bounded`` in mean and scale, or by the flow's own
    ``design``.
    """
    return multiscale(SIZES[size], coupling, seed, conv1x1, split)
