"""What the low-light track is tested with: an untrained flow, and photographs of a data set."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from invbench.couplings import Affine
from invbench.targets import resolve
from invbench.tracks.measuring import lowlight
from invbench.training.weights import save_weights, weights_name
from invbench_models.llflow import LLFlowSize, llflow, model


@pytest.fixture
def untrained(cache, monkeypatch):
    """Weights of an untrained flow of three tiny levels in the cache, as affine's of size mini."""
    monkeypatch.setitem(model.SIZES, "mini", LLFlowSize(steps=1, width=4, features=4))
    monkeypatch.setattr(lowlight, "EMBEDDED_CROP", 64)
    target = resolve("affine")
    path = cache / "weights" / "llflow" / weights_name("affine", "mini", 0)
    save_weights(llflow(Affine, "mini", 0), {"coupling_digest": target.digest}, path)
    return target


@pytest.fixture
def eval15(tmp_path, monkeypatch):
    """Three test pairs of 45×61, drawn, in the layout of LOL."""
    rng = np.random.default_rng(0)
    for name in ("1", "2", "3"):
        high = rng.integers(0, 256, (45, 61, 3), dtype=np.uint8)
        for kind, image in (("high", high), ("low", high // 10)):
            file = tmp_path / "data" / "LOL" / "eval15" / kind / f"{name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "data"))
