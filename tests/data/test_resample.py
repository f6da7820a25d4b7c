"""Bicubic resampling: what a cubic kernel must reproduce, and the official low-resolution files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from invbench.data.folders import find_images
from invbench.data.images import read_image
from invbench.data.resample import (
    SHIPPED,
    bicubic,
    downscale_as_shipped,
    gaussian,
    quantise,
    resample,
)

WHOLE = (1 / 8, 1 / 4, 1 / 3, 1 / 2, 2, 3, 4)  # whole ratios: the sampled kernel is symmetric
SCALES = (*WHOLE, 0.7)


@pytest.mark.parametrize("scale", SCALES)
def test_a_constant_stays_constant_up_to_the_border(scale):
    out = bicubic(torch.full((3, 24, 17), 0.37, dtype=torch.float64), scale)
    torch.testing.assert_close(out, torch.full_like(out, 0.37), rtol=0, atol=1e-15)


@pytest.mark.parametrize("scale", WHOLE)
def test_a_linear_ramp_is_reproduced_at_pixel_centres_away_from_the_border(scale):
    def centres(count, step):
        return (torch.arange(count, dtype=torch.float64) + 0.5) * step

    out = bicubic(3 * centres(96, 1)[:, None] - 2 * centres(72, 1) + 1, scale)
    expected = (
        3 * centres(out.shape[0], 1 / scale)[:, None] - 2 * centres(out.shape[1], 1 / scale) + 1
    )
    reach = 2 * max(int(scale), 1)  # the kernel reaches over two pixels of the coarser grid
    inner = (slice(reach, -reach), slice(reach, -reach))
    assert out[inner].numel() > 0
    torch.testing.assert_close(out[inner], expected[inner], rtol=0, atol=1e-11)


def test_doubling_an_impulse_gives_keys_weights_by_hand():
    # Keys' kernel at distances 1/4, 3/4, 5/4, 7/4: 111/128, 29/128, −9/128, −3/128
    row = torch.zeros(1, 8).double()
    row[0, 4] = 128
    out = bicubic(row, 2)[0]
    assert out[6:12].tolist() == [-9, 29, 111, 111, 29, -9]
    assert out[5] == out[12] == -3


def test_halving_an_impulse_gives_keys_weights_by_hand():
    # antialiased: the kernel at distances 1/4, 3/4, 5/4, 7/4, halved
    row = torch.zeros(1, 16).double()
    row[0, 8] = 256
    assert bicubic(row.expand(2, -1), 0.5)[0].tolist() == [0, 0, -3, 29, 111, -9, 0, 0]


def test_borders_are_mirrored():
    image = torch.rand(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unfolded = torch.cat((image.flip(0), image, image.flip(0)))
    unfolded = torch.cat((unfolded.flip(1), unfolded, unfolded.flip(1)), dim=1)
    for scale in (2, 1 / 3):
        height, width = int(6 * scale), int(9 * scale)
        torch.testing.assert_close(
            bicubic(image, scale), bicubic(unfolded, scale)[height:-height, width:-width]
        )


@pytest.mark.parametrize("side", [1, 2, 9])
def test_scale_1_is_the_identity(side):
    image = torch.rand(2, 3, side, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(bicubic(image, 1), image)


@pytest.mark.parametrize("scale", SCALES)
def test_is_linear_and_keeps_dtype_and_leading_dimensions(scale, dtype, uniform):
    a, b = (uniform(-1, 1, 2, 3, 24, 24, dtype=dtype, seed=k) for k in (0, 1))
    torch.testing.assert_close(
        bicubic(2 * a - 3 * b, scale), 2 * bicubic(a, scale) - 3 * bicubic(b, scale)
    )
    assert bicubic(a, scale).dtype == dtype
    assert bicubic(a, scale).shape == (2, 3, -int(-24 * scale // 1), -int(-24 * scale // 1))


def test_enlarging_then_shrinking_a_smooth_image_returns_it():
    t = torch.linspace(0, 3, 48, dtype=torch.float64)
    image = t.sin()[:, None] * t.cos()
    torch.testing.assert_close(bicubic(bicubic(image, 4), 1 / 4), image, rtol=0, atol=2e-3)


def test_quantise_clamps_and_rounds_to_256_grey_levels():
    image = torch.tensor(
        [-1.0, -0.001, 0.0, 0.49 / 255, 0.51 / 255, 127.6 / 255, 1.0, 1.5, float("inf")]
    )
    assert (quantise(image) * 255).tolist() == pytest.approx(
        [0, 0, 0, 0, 1, 128, 255, 255, 255], abs=1e-4
    )
    levels = torch.arange(256) / 255
    assert torch.equal(quantise(levels), levels)


@pytest.fixture
def official():
    """``official(name, scale)``: pairs (high, low) of grey levels, high cropped to a multiple of
    the scale."""
    root = os.environ.get("INVBENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip(
            "INVBENCH_DATA is not set to the folder of the data sets: no official files to "
            "compare with"
        )

    def pairs(name, scale):
        folder = Path(root) / name / "LR_bicubic" / f"X{scale}"
        for path in find_images(name):
            low = path.stem.replace("_HR", "_LR") if "_HR" in path.stem else f"{path.stem}x{scale}"
            high = read_image(path).double() * 255
            height, width = (side - side % scale for side in high.shape[-2:])
            yield (
                path.stem,
                high[:, :height, :width].round(),
                (read_image(folder / f"{low}.png").double() * 255).round(),
            )

    return pairs


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_shipped_files_are_reproduced_over_the_whole_image_within_one_grey_level(
    official, name, scale
):
    made = SHIPPED[name, scale]
    for stem, high, low in official(name, scale):
        off = (
            (downscale_as_shipped(high / 255, scale, made.rounding, made.border) * 255 - low)
            .abs()
            .round()
        )
        assert off.max() <= 1, stem
        assert (off > 0).double().mean() < 1e-4, stem  # ties


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_one_rounding_at_the_end_differs_from_official_set5_by_more_than_1_level_in_single_pixels(
    official, scale
):
    for name, high, low in official("Set5", scale):
        off = (quantise(bicubic(high / 255, 1 / scale)) * 255 - low).abs().round()
        assert off.max() <= 2, name
        assert (off > 1).sum() <= 3, name


def test_mirrored_borders_do_not_reproduce_urban100(official):
    _, high, low = next(official("Urban100", 4))
    assert ((downscale_as_shipped(high / 255, 4) * 255 - low).abs().round() > 1).any()


def test_rounding_after_each_axis_by_hand():
    # replicated ends: the last pixel counts (111 + 29 − 9 − 3)/256 = 1/2 in the last row, then 1/2
    # again in the last column
    image = torch.zeros(4, 4, dtype=torch.float64)
    image[3, 3] = 1 / 255
    # 1/2 rounds up to 1, and again
    twice = downscale_as_shipped(image, 2, "per-axis", "replicate") * 255
    once = downscale_as_shipped(image, 2, "once", "replicate") * 255  # 1/4 rounds down to 0
    assert twice.round().tolist() == [[0, 0], [0, 1]]
    assert once.round().tolist() == [[0, 0], [0, 0]]


def test_as_shipped_crops_odd_sides_and_keeps_the_dtype():
    image = torch.rand(3, 13, 10, generator=torch.Generator().manual_seed(0))
    low = downscale_as_shipped(image, 4)
    assert low.shape == (3, 3, 2)
    assert low.dtype == torch.float32
    assert torch.equal(low, downscale_as_shipped(image[:, :12, :8], 4))


def test_a_wide_gaussian_kernel_has_the_stated_deviation():
    # halving with σ = 2 coarse pixels = 4 fine pixels: the response to an impulse has that variance
    # in fine pixels
    row = torch.zeros(1, 200, dtype=torch.float64)
    row[0, 100] = 1
    out = resample(row.expand(2, -1), 0.5, gaussian(2.0))[0]
    t = (torch.arange(100, dtype=torch.float64) + 0.5) * 2 - 0.5 - 100
    assert (out * t**2).sum() / out.sum() == pytest.approx(16, rel=0.01)
    assert out.sum() == pytest.approx(0.5)
