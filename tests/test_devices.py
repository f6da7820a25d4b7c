"""float32 on a GPU is float32: torch lets cuDNN round what a convolution takes to 11 bits unless it
is told not to. A layer that does the same where torch allows it stands for the GPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from invbench.devices import allow_tf32, tf32
from invbench.laws import check
from invbench.runner import measure
from invbench.store.cell import Measured
from invbench.training.loop import TrainingRecipe, train
from tests.support.specs import spec_named

cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
NEWER = hasattr(cudnn, "conv")  # the names of torch 2.9 and later


def switches():
    """All that torch has, or that it refuses to say."""
    found = []
    parts = (matmul, cudnn.conv, cudnn.rnn) if NEWER else ()
    for place, name in [(matmul, "allow_tf32"), (cudnn, "allow_tf32")] + [
        (part, "fp32_precision") for part in parts
    ]:
        try:
            found.append(getattr(place, name))
        except RuntimeError:
            found.append("contradiction")
    return found


@pytest.fixture(autouse=True)
def as_it_was():
    kept = allow_tf32(False)
    allow_tf32(True)
    cudnn.allow_tf32, matmul.allow_tf32 = True, False  # as torch starts
    yield
    for place, name, value in kept:
        setattr(place, name, value)


def rounded(v):
    """To 11 bits, as a float32 product on a GPU by TF32."""
    return v if not cudnn.allow_tf32 else (v * (1 + 2**13)) - (v * (1 + 2**13) - v)


class OnAGpu(nn.Module):
    """z = 3x by a convolution of cuDNN, so to say."""

    def forward(self, x):
        return 3 * rounded(x), x.new_full((len(x),), 6 * torch.tensor(3.0).log())

    def inverse(self, z):
        return z / 3, z.new_full((len(z),), -6 * torch.tensor(3.0).log())


def test_the_block_says_what_is_allowed_and_leaves_what_was():
    before = switches()
    with tf32(False):
        assert not cudnn.allow_tf32 and not matmul.allow_tf32
        assert not NEWER or (cudnn.conv.fp32_precision, matmul.fp32_precision) == ("ieee", "ieee")
        with tf32(True):
            assert cudnn.allow_tf32 and matmul.allow_tf32
        assert not cudnn.allow_tf32
    assert switches() == before


@pytest.mark.skipif(not NEWER, reason="torch before 2.9 has no names of precisions")
def test_what_a_caller_has_set_by_the_newer_names_stays():
    cudnn.conv.fp32_precision = "ieee"
    before = switches()
    assert "contradiction" in before
    with tf32(False):
        assert "contradiction" not in switches() and not cudnn.allow_tf32
    assert switches() == before


def test_a_law_judges_float32_where_torch_would_allow_less():
    x = torch.linspace(-1, 1, 60).view(10, 6)
    assert (OnAGpu()(x)[0] - 3 * x).abs().max() > 1e-4  # the fault is there
    assert check(OnAGpu(), event_shape=(6,), budget="smoke", properties=["accuracy"]).sound
    assert cudnn.allow_tf32


class Unrounded(nn.Module):
    """A flow that refuses to be trained in less than float32."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def encode(self, x, y):
        assert not cudnn.allow_tf32

    def log_prob(self, x, y):
        assert not cudnn.allow_tf32
        return -(self.scale * x).square().flatten(1).sum(1)


def test_a_training_is_of_float32():
    ones = torch.ones(2, 3)
    log = train(Unrounded(), lambda step: (ones, ones), TrainingRecipe("none", 2, 2))
    assert log.step == 2 and cudnn.allow_tf32


def test_a_cell_is_of_float32(monkeypatch):
    class Track:
        @staticmethod
        def measure(spec, target):
            return Measured({"tf32": [int(cudnn.allow_tf32)]})

    monkeypatch.setattr(measure, "track_named", lambda name: Track)
    measured = measure._on_device(spec_named("sr", "affine", "embedded/clean"), None)
    assert measured.measures == {"tf32": [0]} and cudnn.allow_tf32
