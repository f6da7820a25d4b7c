"""Pairs of files: matched by name, decoded on demand, of sizes that fit; missing, damaged, tiny and
unusual files; shipped downscaling."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.data import pair_files
from invbench.data.pair_files import lowlight_pairs, shipped_pairs
from invbench.data.resample import SHIPPED, downscale_as_shipped
from invbench.errors import UsageError


def test_pairs_are_matched_by_name_and_not_by_order(data):
    for stem in ("00690", "00691", "00700"):
        data.put(f"LOL-v2/Real_captured/Test/Normal/normal{stem}.png", 2, 2)
    for stem in ("00700", "00690", "00691"):
        data.put(f"LOL-v2/Real_captured/Test/Low/low{stem}.png", 2, 2)
    pairs = lowlight_pairs("LOL-v2-real", "test")
    assert [pair.name for pair in pairs] == ["normal00690", "normal00691", "normal00700"]
    assert [data.levels(pair) for pair in pairs] == [([1], [5]), ([2], [6]), ([3], [4])]


def test_nothing_is_decoded_before_a_pair_is_asked_for(data, monkeypatch):
    data.div2k("0801", "0802", "0803")
    read = []
    original = pair_files.read_image
    monkeypatch.setattr(
        pair_files, "read_image", lambda path: read.append(path.name) or original(path)
    )
    monkeypatch.setattr(pair_files, "image_size", lambda path: pytest.fail(f"{path} was opened"))
    pairs = shipped_pairs("DIV2K_valid", 4)
    assert len(pairs) == 3 and len(pairs[1:]) == 2 and pairs[1:].scale == 4
    assert read == []
    assert pairs[1:][-1].name == "0803"
    assert read == ["0803.png", "0803x4.png"]
    with pytest.raises(IndexError):
        pairs[3]


def test_a_missing_condition_is_named(data):
    data.div2k("0801", "0802", "0803")
    (data.root / "DIV2K_valid_LR_bicubic/X4/0802x4.png").unlink()
    with pytest.raises(UsageError) as caught:
        shipped_pairs("DIV2K_valid", 4)
    assert str(caught.value) == (
        f"data set DIV2K_valid ×4: 1 files are missing below {data.root}: "
        f"DIV2K_valid_LR_bicubic/X4/0802x4.png; "
        "add them or remove their partners (data.vision.ee.ethz.ch/cvl/DIV2K)"
    )


def test_many_missing_files_are_shortened_to_one_line(data):
    data.div2k(*(f"08{n:02d}" for n in range(1, 10)))
    for path in sorted((data.root / "DIV2K_valid_LR_bicubic/X4").iterdir())[1:]:
        path.unlink()
    with pytest.raises(
        UsageError, match=r"8 files are missing .*0806x4\.png and 3 more; add them"
    ) as caught:
        shipped_pairs("DIV2K_valid", 4)
    assert "\n" not in str(caught.value)


def test_a_condition_whose_name_fits_nothing_is_pointed_at(data):
    data.div2k("0801")
    data.put("DIV2K_valid_LR_bicubic/X4/0801x3.png", 2, 3)
    with pytest.raises(
        UsageError, match=r"1 files are missing .*: DIV2K_valid_HR/partner of 0801x3\.png; add them"
    ):
        shipped_pairs("DIV2K_valid", 4)


def test_two_files_of_one_name_are_refused(data):
    data.div2k("0801")
    data.put("DIV2K_valid_HR/0801.jpg", 8, 12)
    with pytest.raises(
        UsageError, match=r"0801\.png and 0801\.jpg have one name; keep one of them"
    ):
        shipped_pairs("DIV2K_valid", 4)


@pytest.mark.parametrize("size", [(3, 3), (2, 2), (4, 6), (3, 2)])
def test_a_condition_that_does_not_fit_the_scale_is_refused_by_name(data, size):
    data.div2k("0801", "0802")
    data.put("DIV2K_valid_LR_bicubic/X4/0802x4.png", *size)
    pairs = shipped_pairs("DIV2K_valid", 4)
    assert pairs[0].name == "0801"
    message = (
        rf"0802x4\.png: {size[0]}×{size[1]} pixels, but .*0802\.png \(8×12\) needs 2×3 at "
        rf"scale 4; replace"
    )
    with pytest.raises(UsageError, match=message):
        pairs[1]
    with pytest.raises(
        UsageError, match=rf"data set DIV2K_valid ×4: 1 of 2 pairs are wrong: .*{message}"
    ):
        pairs.check()


def test_low_light_pairs_of_two_sizes_are_refused(data):
    data.put("LOL/eval15/high/1.png", 4, 6)
    data.put("LOL/eval15/low/1.png", 6, 4)
    with pytest.raises(UsageError, match=r"low/1\.png: 6×4 pixels, but .*needs 4×6"):
        lowlight_pairs("LOL", "test")[0]


def test_ground_truth_is_cropped_to_a_multiple_of_the_scale(data):
    ramp = np.arange(11 * 14, dtype=np.uint8).reshape(11, 14)
    data.save("DIV2K_valid_HR/0801.png", Image.fromarray(ramp))
    data.put("DIV2K_valid_LR_bicubic/X4/0801x4.png", 2, 3)
    (pair,) = shipped_pairs("DIV2K_valid", 4)
    assert torch.equal(pair.high[2], torch.tensor(ramp[:8, :12]) / 255)


def test_a_single_pixel_is_a_pair_where_the_scale_allows(data):
    data.put("LOL/eval15/high/1.png", 1, 1)
    data.put("LOL/eval15/low/1.png", 1, 1)
    assert lowlight_pairs("LOL", "test")[0].high.shape == (3, 1, 1)
    data.put("Set5/HR/baby.png", 1, 1)
    data.put("Set5/LR_bicubic/X2/babyx2.png", 1, 1)
    with pytest.raises(
        UsageError, match=r"babyx2\.png: 1×1 pixels, but .*\(1×1\) needs 0×0 at scale 2"
    ):
        shipped_pairs("Set5", 2)[0]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_grey_alpha_and_sixteen_bits_become_rgb_in_unit_range(data, mode):
    deep = np.full((4, 4), 0x8080, dtype=np.uint16)
    image = (
        Image.fromarray(deep)
        if mode == "I;16"
        else Image.new("RGB", (4, 4), (128,) * 3).convert(mode)
    )
    data.save("LOL/our485/high/2.png", image)
    data.save("LOL/our485/low/2.png", image)
    (pair,) = lowlight_pairs("LOL", "train")
    for side in (pair.high, pair.low):
        assert side.shape == (3, 4, 4) and side.dtype == torch.float32
        torch.testing.assert_close(side, torch.full((3, 4, 4), 128 / 255), rtol=1e-6, atol=0)


def test_a_truncated_file_is_found_when_its_pair_is_read(data):
    data.div2k("0801", "0802")
    noise = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    data.save("DIV2K_valid_HR/0802.png", Image.fromarray(noise))
    path = data.root / "DIV2K_valid_HR/0802.png"
    path.write_bytes(path.read_bytes()[:-100])
    pairs = shipped_pairs("DIV2K_valid", 4)
    assert pairs[0].name == "0801"
    with pytest.raises(
        UsageError, match=r"0802\.png: not a readable image .*; replace or remove it"
    ):
        pairs[1]


def test_files_without_the_head_of_an_image_are_found_by_check_all_of_them(data):
    data.div2k("0801", "0802", "0803")
    for path in ("DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X4/0803x4.png"):
        (data.root / path).write_bytes(b"not a picture")
    with pytest.raises(
        UsageError,
        match=r"2 of 3 pairs are wrong: .*0801\.png: not a readable image .*0803x4\.png: not a",
    ):
        shipped_pairs("DIV2K_valid", 4).check()


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_downscaling_equals_an_independent_bicubic_within_one_level_inside_the_border(data, scale):
    """Pillow's bicubic (a = −1/2, antialiased, 8 bits between the axes) is MATLAB's but for what
    lies beyond the border."""
    noise = np.random.default_rng(scale).integers(
        0, 256, (9 * scale + 1, 10 * scale, 3), dtype=np.uint8
    )
    high = Image.fromarray(noise)
    data.save("Set5/HR/baby.png", high)
    cropped = high.crop((0, 0, 10 * scale, 9 * scale))
    data.save(
        f"Set5/LR_bicubic/X{scale}/babyx{scale}.png",
        cropped.resize((10, 9), Image.Resampling.BICUBIC),
    )
    (pair,) = shipped_pairs("Set5", scale)
    off = (downscale_as_shipped(pair.high, scale) - pair.low).abs()[:, 2:-2, 2:-2] * 255
    assert off.round().max() <= 1
    assert (pair.low * 255)[:, 2:-2, 2:-2].std() > 5  # the picture is not flat


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_downscaling_equals_the_official_files_within_one_grey_level(name, scale):
    root = os.environ.get("INVBENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip(
            "INVBENCH_DATA is not set to the folder of the data sets: no official files to "
            "compare with"
        )
    made = SHIPPED[name, scale]
    pair = shipped_pairs(name, scale)[0]
    off = (
        downscale_as_shipped(pair.high, scale, made.rounding, made.border) - pair.low
    ).abs() * 255
    assert off.round().max() <= 1
