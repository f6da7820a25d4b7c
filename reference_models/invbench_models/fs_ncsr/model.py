"""FS-NCSR: SRFlow over HR − bicubic(LR), with couplings that read the noise level of the image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from invbench.couplings.base import Elementwise
from invbench.registry import flow
from invbench_models.multiscale import MultiscaleFlow, multiscale
from invbench_models.options import OPTIONS
from invbench_models.srflow.model import SIZES as SRFLOW

__all__ = ["SIZES", "fs_ncsr"]

SIZES = {
    "mini": replace(SRFLOW["mini"], width=24, noise_level=True),
    "mini-8x": replace(SRFLOW["mini-8x"], noise_level=True),
    "paper": replace(SRFLOW["paper"], residual=True, noise_level=True),
    "paper-8x": replace(
        SRFLOW["paper-8x"], steps=20, stacked=(1, 8, 15, 22), residual=True, noise_level=True
    ),
}


@flow(
    "fs_ncsr",
    sizes=tuple(SIZES),
    published=("paper", "paper-8x"),
    track="sr",
    temperature=0.9,
    recipe="invbench_models.fs_ncsr.recipe",
    weights=Path(__file__).with_name("weights"),
    convert="invbench_models.convert:from_published",
    options=OPTIONS,
)
def fs_ncsr(
    coupling: Callable[[], Elementwise],
    size: str = "mini",
    seed: int = 0,
    conv1x1: str = "free",
    split: str = "affine",
) -> MultiscaleFlow:
    """FS-NCSR (Song, Shim, Kim, Kim: CVPRW 2022, section 3): SRFlow over x − bicubic(y), given the
    level σ of the noise in x.

    x: (B, 3, s·h, s·w). y: (B, 3, h, w) for σ = 0, or (B, 4, h, w) with σ in the fourth channel. It
    is trained with σ ~ U(0, 0.05), and sampled with σ = 0. Behind each injector a coupling
    [x₁, c(x₂; NN(x₁, σ))] reads σ and no feature.

    ``paper`` is the published 4× model, with 41.66 M parameters for ``affine`` and 46.55 M for
    ``modified-rq``; its modified-RQ checkpoint also stores the transpose of each 1×1 matrix, which
    makes 46.72 M. ``paper-8x`` is the published 8× model, with 64.5 M; h and w are even. ``mini``
    and ``mini-8x`` are those of ``srflow``, with noise-level couplings; conditioners of ``mini``
    are of width 24. ``conv1x1`` and ``split`` are those of ``srflow``.
    """
    return multiscale(SIZES[size], coupling, seed, conv1x1, split)
