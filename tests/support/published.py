"""The published architectures at test size, their golden data, and random checkpoints in their
layouts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from invbench.couplings import Affine, ModifiedRQ
from invbench_models import fs_ncsr, srflow
from invbench_models.checkpoint_layout import layout

GOLDEN = Path(os.environ.get("INVBENCH_GOLDEN", Path(__file__).parents[3] / "shared" / "golden"))
golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"no golden data in {GOLDEN}; INVBENCH_GOLDEN names their folder"
)
PAPER = srflow.SIZES["paper"]
TINY = replace(PAPER, steps=1, blocks=4, stacked=(0, 1, 2, 3))  # of golden/srflow_tiny
COUPLINGS = {"affine": Affine, "modified-rq": ModifiedRQ}
SPECS = {
    "srflow 4×": TINY,
    "srflow 8×": replace(srflow.SIZES["paper-8x"], steps=1, blocks=2, stacked=(0, 1, 1, 0)),
    "fs_ncsr 4×": replace(fs_ncsr.SIZES["paper"], steps=1, blocks=2, stacked=(0, 1, 1, 0)),
}


def stored(flow, seed=0):
    """Random tensors in the published layout of ``flow``, the transposes being those of orthogonal
    matrices."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for name, slot in layout(flow).items():
        if slot.inverse_of:
            state[name] = state[slot.inverse_of].transpose(0, 1).contiguous()
        else:
            state[name] = 0.05 * torch.randn(slot.shape, generator=generator)
            if ".invconv." in name:
                matrix = torch.linalg.qr(torch.randn(slot.shape[:2], generator=generator))[0]
                state[name] = matrix.reshape(slot.shape).contiguous()
    return state
