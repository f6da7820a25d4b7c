"""Out-of-distribution families and data sets."""

from __future__ import annotations

import pytest
import torch

from invbench.conditions.datasets import sr_pairs
from invbench.conditions.families import apply_family
from invbench.conditions.resample import bicubic, quantise
from invbench.errors import UsageError
from invbench.registry import CONDITIONS

IMAGE = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
CASES = [(name, s) for name, entry in CONDITIONS.items() for s in range(1, len(entry.metadata["strengths"]) + 1)]


@pytest.mark.parametrize(("name", "severity"), CASES)
def test_a_seed_gives_the_same_bits_whatever_the_batch(name, severity):
    alone = apply_family(name, severity, [IMAGE], 3)[0]
    together = apply_family(name, severity, [IMAGE, IMAGE.flip(1)], 3)[0]
    assert torch.equal(alone, together)
    assert alone.shape == IMAGE.shape
    assert alone.dtype == IMAGE.dtype


@pytest.mark.parametrize("name", [n for n in CONDITIONS if n != "clean"])
def test_severities_move_the_image_further_and_further(name):
    severities = range(1, len(CONDITIONS[name].metadata["strengths"]) + 1)
    moved = [(apply_family(name, s, [IMAGE], 0)[0] - IMAGE).abs().mean().item() for s in severities]
    assert len(moved) == 5
    assert moved == sorted(moved)
    assert moved[0] > 0


@pytest.mark.parametrize("name", [n for n in CONDITIONS if n != "out-of-range"])
def test_families_stay_in_the_image_range(name):
    for severity in range(1, len(CONDITIONS[name].metadata["strengths"]) + 1):
        (changed,) = apply_family(name, severity, [IMAGE], 0)
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_closed_forms_at_full_strength():
    assert torch.equal(apply_family("clean", 1, [IMAGE])[0], IMAGE)
    assert set(apply_family("binarise", 5, [IMAGE])[0].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(apply_family("channel-swap", 5, [IMAGE])[0], IMAGE[[1, 2, 0]])
    assert torch.equal(apply_family("out-of-range", 5, [IMAGE])[0], 4 * IMAGE)
    board = apply_family("checkerboard", 5, [IMAGE])[0]
    assert board[0, 0, :3].tolist() == [0, 1, 0]
    assert apply_family("constant", 5, [IMAGE])[0].flatten(1).std(1).max() < 1e-6


def test_noise_has_the_stated_deviation():
    grey = torch.full((3, 64, 64), 0.5)
    assert apply_family("noise", 3, [grey], 0)[0].std().item() == pytest.approx(0.1, rel=0.05)


def test_another_seed_or_image_has_another_noise():
    a, b = apply_family("noise", 3, [IMAGE, IMAGE], 0)
    (c,) = apply_family("noise", 3, [IMAGE], 1)
    assert not torch.equal(a, b)
    assert not torch.equal(a, c)


def test_wrong_name_and_severity_are_named():
    with pytest.raises(UsageError, match="did you mean 'noise'"):
        apply_family("nois", 1, [IMAGE])
    with pytest.raises(UsageError, match="severities 1 to 5, not 6"):
        apply_family("noise", 6, [IMAGE])


def test_embedded_pairs_are_six_photographs_first_and_downscaled_exactly():
    pairs = sr_pairs("embedded", 64, 2, 7)
    assert len({pair.name.partition("/")[0] for pair in pairs[:6]}) == 6
    for pair in pairs:
        assert pair.high.shape == (3, 64, 64)
        assert torch.equal(pair.low, quantise(bicubic(pair.high, 1 / 4)))


def test_unknown_data_set_and_too_small_images_are_named(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="'nope' is not known"):
        sr_pairs("nope", 64, 1)
    with pytest.raises(UsageError, match="no image is 4000×4000"):
        sr_pairs("embedded", 4000, 1)
