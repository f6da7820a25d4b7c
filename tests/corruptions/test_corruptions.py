"""Out-of-distribution families as a whole: five steps further and further, bad input refused. Their
bits: test_bits.py."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from invbench import corruptions
from invbench.corruptions import Corruption, corrupt, corruption_names
from invbench.data.datasets import Pair, sr_pairs
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError
from invbench.registry import CORRUPTIONS
from invbench.uniform import uniform
from tests.support.decorated import decorated_names

PHOTOGRAPH = sr_pairs("embedded", 256, 1, 1)[0]
CASES = [
    (name, s)
    for name, entry in CORRUPTIONS.items()
    for s in range(1, len(entry.metadata["strengths"]) + 1)
]
EARLIER = (
    "clean",
    "noise",
    "sharpen",
    "binarise",
    "checkerboard",
    "constant",
    "channel-swap",
    "out-of-range",
)


def random_pair(height, width, seed=0, dtype=torch.float32):
    high = torch.rand(
        3, 4 * height, 4 * width, generator=torch.Generator().manual_seed(seed), dtype=dtype
    )
    return Pair(f"random {seed}", high, quantise(bicubic(high, 1 / 4)))


def earlier(name, strength, y, index, seed):
    """The first eight corruptions as they were when the first results were measured, written out
    again."""
    u = torch.from_numpy(uniform(seed, 1000 + index, (y.numel(),))).to(y).reshape(y.shape)
    if name == "clean":
        return y
    if name == "noise":
        return (y + strength * torch.special.ndtri(u.double()).to(y)).clamp(0, 1)
    if name == "sharpen":
        taps = torch.exp(-0.5 * torch.arange(-2, 3, dtype=y.dtype) ** 2)
        taps = taps / taps.sum()
        kernel = (taps[:, None] * taps).expand(3, 1, 5, 5)
        blurred = F.conv2d(F.pad(y[None], (2, 2, 2, 2), mode="replicate"), kernel, groups=3)[0]
        return (y + strength * (y - blurred)).clamp(0, 1)
    if name == "out-of-range":
        return strength * y
    board = ((torch.arange(y.shape[1])[:, None] + torch.arange(y.shape[2])) % 2).to(y)
    other = {
        "binarise": (y > 0.5).to(y),
        "checkerboard": board.expand_as(y),
        "constant": u[:, :1, :1].expand_as(y),
        "channel-swap": y[[1, 2, 0]],
    }[name]
    return (1 - strength) * y + strength * other


@pytest.mark.parametrize("name", EARLIER)
def test_the_first_eight_corruptions_keep_their_results_to_the_bit(name):
    strengths = {
        "clean": (0.0,),
        "noise": (0.02, 0.05, 0.1, 0.2, 0.4),
        "sharpen": (0.5, 1.0, 2.0, 4.0, 8.0),
        "binarise": (0.2, 0.4, 0.6, 0.8, 1.0),
        "checkerboard": (0.1, 0.25, 0.5, 0.75, 1.0),
        "constant": (0.2, 0.4, 0.6, 0.8, 1.0),
        "channel-swap": (0.2, 0.4, 0.6, 0.8, 1.0),
        "out-of-range": (1.25, 1.5, 2.0, 3.0, 4.0),
    }[name]
    lows = [PHOTOGRAPH.low, random_pair(17, 13).low, random_pair(17, 13, 1).low]
    for severity, strength in enumerate(strengths, 1):
        changed = corrupt(name, severity, lows, 7)
        for index, (y, found) in enumerate(zip(lows, changed, strict=True)):
            assert torch.equal(found, earlier(name, strength, y, index, 7)), (severity, index)


@pytest.mark.parametrize(("name", "severity"), CASES)
def test_one_pixel_odd_sides_and_double_precision_are_fine(name, severity):
    pairs = [
        random_pair(1, 1),
        random_pair(1, 9),
        random_pair(31, 2),
        random_pair(7, 7, dtype=torch.float64),
    ]
    for pair, found in zip(pairs, corrupt(name, severity, pairs, 3), strict=True):
        assert found.shape == pair.low.shape
        assert found.dtype == pair.low.dtype
        assert found.isfinite().all()
        if name != "out-of-range":
            assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("name", [n for n in CORRUPTIONS if n != "clean"])
def test_severities_move_a_photograph_further_and_further(name):
    severities = range(1, len(CORRUPTIONS[name].metadata["strengths"]) + 1)
    moved = [
        (corrupt(name, s, [PHOTOGRAPH], 0)[0] - PHOTOGRAPH.low).abs().mean().item()
        for s in severities
    ]
    assert len(moved) == 5
    assert moved == sorted(moved)
    assert moved[0] > 0


@pytest.mark.parametrize("name", [n for n in CORRUPTIONS if n not in EARLIER])
def test_what_is_drawn_differs_by_seed_and_image_or_nothing_is_drawn(name):
    a, b = corrupt(name, 3, [PHOTOGRAPH, PHOTOGRAPH], 0)
    (c,) = corrupt(name, 3, [PHOTOGRAPH], 1)
    drawn = {"shot", "impulse", "hot-pixel", "motion-blur", "colour-cast", "stripes", "gradient"}
    drawn |= {"cross-data-set", "sensor-noise"}
    assert torch.equal(a, b) == (name not in drawn)
    if name != "stripes":  # six kinds of stripes only: two seeds may draw the same
        assert torch.equal(a, c) == (name not in drawn)


def test_every_family_that_has_a_function_is_registered_and_low_light_is_apart():
    assert set(CORRUPTIONS) == decorated_names(corruptions, "corruption")
    assert set(CORRUPTIONS) - set(corruption_names("sr")) == {"under-exposure", "sensor-noise"}
    assert set(corruption_names("lowlight")) == set(CORRUPTIONS)


def test_every_corruption_states_its_formula_strengths_and_definition():
    digests = set()
    for name, entry in CORRUPTIONS.items():
        made = entry.metadata["corruption"]
        assert isinstance(made, Corruption)
        assert entry.metadata["formula"] == made.description
        formula, strengths = made.description.rsplit(" [", 1)
        assert formula and entry.metadata["strengths"] == made.strengths, name
        assert [float(s) for s in strengths.rstrip("]").split(", ")] == [
            pytest.approx(s, rel=1e-3) for s in made.strengths
        ], name
        digests.add(made.digest)
        changed = Corruption(name, (*made.strengths[:-1], 0.123), made.change)
        assert changed.digest != made.digest
        assert made.digest == Corruption(name, made.strengths, made.change).digest
    assert len(digests) == len(CORRUPTIONS)


def test_wrong_name_severity_shape_and_indices_are_named():
    low = PHOTOGRAPH.low
    with pytest.raises(UsageError, match="did you mean 'noise'"):
        corrupt("nois", 1, [low])
    for severity in (0, 6):
        with pytest.raises(UsageError, match=f"severities 1 to 5, not {severity}"):
            corrupt("noise", severity, [low])
    for image in (low[:1], low[0], low[None], low[:, :0], (low * 255).byte()):
        with pytest.raises(
            UsageError, match=r"corruption 'noise': an image is \(3, h, w\) of floats"
        ):
            corrupt("noise", 1, [image])
    with pytest.raises(UsageError, match="2 images but 1 indices"):
        corrupt("noise", 1, [low, low], indices=[4])
    assert corrupt("noise", 1, []) == []


@pytest.mark.parametrize("name", ["eurban", "kernel", "aliasing"])
def test_a_corruption_that_starts_from_the_ground_truth_asks_for_it(name):
    with pytest.raises(
        UsageError, match=f"corruption '{name}' is made from the high-resolution image; give pairs"
    ):
        corrupt(name, 1, [PHOTOGRAPH.low])
    uneven = Pair("uneven", PHOTOGRAPH.high[:, :-1], PHOTOGRAPH.low)
    with pytest.raises(UsageError, match="not a whole multiple"):
        corrupt(name, 1, [uneven])
    smaller = Pair("smaller", PHOTOGRAPH.low, PHOTOGRAPH.high)
    with pytest.raises(UsageError, match="not a whole multiple"):
        corrupt(name, 1, [smaller])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: nothing to compare the CPU with")
def test_a_gpu_gives_what_the_cpu_gives():
    pairs = [random_pair(17, 13, k) for k in range(3)]
    there = [Pair(p.name, p.high.cuda(), p.low.cuda()) for p in pairs]
    for name, severity in CASES:
        for a, b in zip(
            corrupt(name, severity, pairs, 3),
            corrupt(name, severity, there, 3),
            strict=True,
        ):
            assert b.is_cuda
            off = (a - b.cpu()).abs()
            assert (off > 1e-5).double().mean() < 0.01, (
                name,
                severity,
            )  # ties of a rounding to 8 bits or of a coefficient
            assert off.mean() < 1e-3, (name, severity)


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
