"""Data sets in their official layouts, on small synthetic folders: where files are found, official
numbers, what the doctor says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.cli.doctor_checks import examine
from invbench.data import datasets
from invbench.data.datasets import sr_pairs
from invbench.data.folders import find_images, take_inventory
from invbench.data.layouts import LAYOUTS, LOW_LIGHT
from invbench.data.pair_files import lowlight_pairs, pairs_of, shipped_pairs
from invbench.data.resample import bicubic, quantise
from invbench.errors import UsageError

# (data set, scale) -> the ground truth and the condition of one pair as published
PUBLISHED = {
    ("DIV2K_train", 2): ("DIV2K_train_HR/0001.png", "DIV2K_train_LR_bicubic/X2/0001x2.png"),
    ("DIV2K_train", 3): ("DIV2K_train_HR/0800.png", "DIV2K_train_LR_bicubic/X3/0800x3.png"),
    ("DIV2K_train", 4): ("DIV2K_train_HR/0001.png", "DIV2K_train_LR_bicubic/X4/0001x4.png"),
    ("DIV2K_train", 8): ("DIV2K_train_HR/0001.png", "DIV2K_train_LR_x8/0001x8.png"),
    ("DIV2K_valid", 4): ("DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X4/0801x4.png"),
    ("DIV2K_valid", 8): ("DIV2K_valid_HR/0900.png", "DIV2K_valid_LR_x8/0900x8.png"),
    ("Flickr2K", 4): ("Flickr2K_HR/000001.png", "Flickr2K_LR_bicubic/X4/000001x4.png"),
    ("Urban100", 4): (
        "Urban100/HR/img_001_SRF_4_HR.png",
        "Urban100/LR_bicubic/X4/img_001_SRF_4_LR.png",
    ),
    ("Urban100", 2): ("Urban100/HR/img_001.png", "Urban100/LR_bicubic/X2/img_001x2.png"),
    ("Set5", 8): ("Set5/HR/baby.png", "Set5/LR_bicubic/X8/babyx8.png"),
    ("Set14", 3): ("Set14/HR/ppt3.png", "Set14/LR_bicubic/X3/ppt3x3.png"),
    ("BSD100", 4): ("BSD100/HR/101085.png", "BSD100/LR_bicubic/X4/101085x4.png"),
}
LIT = {
    ("LOL", "train"): ("LOL/our485/high/2.png", "LOL/our485/low/2.png"),
    ("LOL", "test"): ("LOL/eval15/high/1.png", "LOL/eval15/low/1.png"),
    ("LOL-v2-real", "train"): (
        "LOL-v2/Real_captured/Train/Normal/normal00001.png",
        "LOL-v2/Real_captured/Train/Low/low00001.png",
    ),
    ("LOL-v2-real", "test"): (
        "LOL-v2/Real_captured/Test/Normal/normal00690.png",
        "LOL-v2/Real_captured/Test/Low/low00690.png",
    ),
    ("LOL-v2-synthetic", "train"): (
        "LOL-v2/Synthetic/Train/Normal/r000da54ft.png",
        "LOL-v2/Synthetic/Train/Low/r000da54ft.png",
    ),
    ("LOL-v2-synthetic", "test"): (
        "LOL-v2/Synthetic/Test/Normal/r00816405t.png",
        "LOL-v2/Synthetic/Test/Low/r00816405t.png",
    ),
    ("VE-LOL-real", "train"): (
        "VE-LOL-L/VE-LOL-L-Cap-Full/VE-LOL-L-Cap-Normal_train/normal00001.png",
        "VE-LOL-L/VE-LOL-L-Cap-Full/VE-LOL-L-Cap-Low_train/low00001.png",
    ),
    ("VE-LOL-real", "test"): (
        "VE-LOL-L/VE-LOL-L-Cap-Full/VE-LOL-L-Cap-Normal_test/normal00690.png",
        "VE-LOL-L/VE-LOL-L-Cap-Full/VE-LOL-L-Cap-Low_test/low00690.png",
    ),
    ("VE-LOL-synthetic", "train"): (
        "VE-LOL-L/VE-LOL-L-Syn/VE-LOL-L-Syn-Normal_train/r000da54ft.png",
        "VE-LOL-L/VE-LOL-L-Syn/VE-LOL-L-Syn-Low_train/r000da54ft.png",
    ),
    ("VE-LOL-synthetic", "test"): (
        "VE-LOL-L/VE-LOL-L-Syn/VE-LOL-L-Syn-Normal_test/r00816405t.png",
        "VE-LOL-L/VE-LOL-L-Syn/VE-LOL-L-Syn-Low_test/r00816405t.png",
    ),
}


def test_every_layout_has_a_published_example():
    assert {name for name, _ in PUBLISHED} == {
        name for name, layout in LAYOUTS.items() if layout.low
    }
    assert LIT.keys() == LOW_LIGHT.keys()


@pytest.mark.parametrize(("case", "files"), PUBLISHED.items())
def test_low_resolution_files_are_found_where_their_authors_put_them(data, case, files):
    name, scale = case
    high, low = data.put(files[0], 5 * scale, 7 * scale), data.put(files[1], 5, 7)
    pairs = shipped_pairs(name, scale)
    assert len(pairs) == 1
    assert data.levels(pairs[0]) == ([high], [low])
    assert pairs[0].high.shape == (3, 5 * scale, 7 * scale) and pairs[0].low.shape == (3, 5, 7)
    assert pairs[0].name == Path(files[0]).stem
    pairs.check()


@pytest.mark.parametrize(("case", "files"), LIT.items())
def test_low_light_photographs_are_found_where_their_authors_put_them(data, case, files):
    high, low = data.put(files[0], 4, 6), data.put(files[1], 4, 6)
    (pair,) = lowlight_pairs(*case)
    assert data.levels(pair) == ([high], [low])
    assert pair.high.shape == pair.low.shape == (3, 4, 6)


def test_official_numbers():
    counts = {name: layout.count for name, layout in LAYOUTS.items()}
    assert counts == {
        "T91": 91,
        "Set5": 5,
        "Set14": 14,
        "BSD100": 100,
        "Urban100": 100,
        "DIV2K_crops256": 50,
        "DIV2K_train": 800,
        "DIV2K_valid": 100,
        "Flickr2K": 2650,
    }
    assert [layout.count for layout in LOW_LIGHT.values()] == [
        485,
        15,
        689,
        100,
        900,
        100,
        400,
        100,
        900,
        100,
    ]
    for layout in (*LAYOUTS.values(), *LOW_LIGHT.values()):
        assert len(set(layout.stems)) in (0, layout.count), layout.name


@pytest.mark.parametrize(
    ("layout", "first", "last"),
    [
        (LAYOUTS["DIV2K_train"], "0001", "0800"),
        (LAYOUTS["DIV2K_valid"], "0801", "0900"),
        (LAYOUTS["DIV2K_crops256"], "0801", "0899"),
        (LAYOUTS["Flickr2K"], "000001", "002650"),
        (LAYOUTS["Urban100"], "img_001", "img_100"),
        (LAYOUTS["T91"], "t1", "t91"),
        (LOW_LIGHT["LOL-v2-real", "train"], "normal00001", "normal00689"),
        (LOW_LIGHT["LOL-v2-real", "test"], "normal00690", "normal00789"),
    ],
)
def test_official_names_run_from_the_first_to_the_last(layout, first, last):
    assert (layout.stems[0], layout.stems[-1]) == (first, last)


@pytest.mark.parametrize("root", ["DIV2K", "."])
def test_an_archive_unpacked_into_a_folder_of_its_own_is_found_too(data, root):
    data.put(f"{root}/DIV2K_valid_HR/0801.png", 8, 8)
    data.put(f"{root}/DIV2K_valid_LR_bicubic/X8/0801x8.png", 1, 1)
    assert len(shipped_pairs("DIV2K_valid", 8)) == 1
    assert [path.name for path in find_images("DIV2K_valid")] == ["0801.png"]


@pytest.mark.parametrize(("case", "files"), [*PUBLISHED.items(), *LIT.items()])
def test_missing_ground_truth_is_named(data, case, files):
    layout, scale = (LOW_LIGHT[case], 1) if case in LIT else (LAYOUTS[case[0]], case[1])
    for path, stem in zip(files, ("z", "z" if scale == 1 else f"zx{scale}"), strict=True):
        data.put(path, scale, scale)
        data.put(str(Path(path).with_name(f"{stem}.png")), scale, scale)
    assert len(pairs_of(layout, scale)) == 2
    (data.root / files[0]).unlink()
    with pytest.raises(UsageError, match=f"1 files are missing below .*: {files[0]}; add them"):
        pairs_of(layout, scale)


def test_missing_and_empty_folders_are_named_with_their_source(data):
    with pytest.raises(
        UsageError,
        match=(
            rf"no images in {data.root}/DIV2K_valid_HR; put the 100 official files there "
            rf"\(data\.vision"
        ),
    ):
        shipped_pairs("DIV2K_valid", 4)
    data.put("DIV2K_valid_HR/0801.png", 8, 12)
    with pytest.raises(UsageError, match=rf"no images in {data.root}/DIV2K_valid_LR_x8; put"):
        shipped_pairs("DIV2K_valid", 8)
    (data.root / "LOL/eval15/high").mkdir(parents=True)
    with pytest.raises(
        UsageError,
        match=rf"data set LOL test: no images in {data.root}/LOL/eval15/high; put the 15 official",
    ):
        lowlight_pairs("LOL", "test")


def test_hidden_files_folders_and_other_files_are_no_images(data):
    data.div2k("0801")
    (data.root / "DIV2K_valid_HR/._0801.png").write_bytes(b"a fork of macOS")
    (data.root / "DIV2K_valid_HR/readme.txt").write_text("no image")
    (data.root / "DIV2K_valid_HR/more.png").mkdir()
    assert [path.name for path in find_images("DIV2K_valid")] == ["0801.png"]
    assert len(shipped_pairs("DIV2K_valid", 4)) == 1


def test_names_scales_and_splits_that_are_not_known_are_answered_with_the_known_ones(data):
    with pytest.raises(UsageError, match=r"data set 'DIV3K' is not known; known: .*DIV2K_valid"):
        shipped_pairs("DIV3K", 4)
    with pytest.raises(
        UsageError,
        match="DIV2K_valid ships no low-resolution files at scale 5; its scales: 2, 3, 4, 8",
    ):
        shipped_pairs("DIV2K_valid", 5)
    with pytest.raises(
        UsageError, match="T91 ships no low-resolution files at scale 4; sr_pairs makes them"
    ):
        shipped_pairs("T91", 4)
    with pytest.raises(
        UsageError,
        match=r"'LOL' 'eval15' is not known; known: LOL, LOL-v2-real, .*each train or test",
    ):
        lowlight_pairs("LOL", "eval15")


def test_without_the_variable_every_way_in_says_so(monkeypatch):
    monkeypatch.delenv("INVBENCH_DATA", raising=False)
    for ask in (
        lambda: shipped_pairs("Set5", 4),
        lambda: lowlight_pairs("LOL", "test"),
        lambda: find_images("Set5"),
    ):
        with pytest.raises(UsageError, match="INVBENCH_DATA is not set; point it at"):
            ask()


def test_the_clean_condition_of_sr_pairs_is_made_here_not_taken_from_the_files(data):
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    data.save("Set5/HR/baby.png", Image.fromarray(noise))
    data.put("Set5/LR_bicubic/X4/babyx4.png", 4, 5)
    (pair,) = sr_pairs("Set5", 16, 1)
    assert torch.equal(pair.low, quantise(bicubic(pair.high, 1 / 4)))
    assert pair.low.unique().numel() > 10


def test_sr_pairs_read_no_more_photographs_than_the_limit_needs(data, monkeypatch):
    for n, side in enumerate((4, 8, 8, 8), start=801):
        data.put(f"DIV2K_valid_HR/{n:04d}.png", side, side)
    (data.root / "DIV2K_valid_HR/0805.png").write_bytes(b"never opened")
    read = []
    original = datasets.read_image
    monkeypatch.setattr(
        datasets, "read_image", lambda path: read.append(path.stem) or original(path)
    )
    assert [pair.name for pair in sr_pairs("DIV2K_valid", 8, 2, 3)] == [
        "0802/0",
        "0803/0",
        "0804/0",
    ]
    assert read == ["0801", "0802", "0803", "0804"]
    with pytest.raises(UsageError, match=r"0805\.png: not a readable image"):
        sr_pairs("DIV2K_valid", 8, 2)


def test_the_inventory_counts_and_names_what_is_missing(data):
    data.put("Set5/HR/baby.png", 2, 2)
    data.put("Set5/HR/head.png", 2, 2)
    assert str(take_inventory(LAYOUTS["Set5"])) == "2 of 5 images; missing bird, butterfly, woman"
    for n in (1, 3):
        data.put(f"Urban100/HR/img_{n:03d}_SRF_4_HR.png", 2, 2)
    found = take_inventory(LAYOUTS["Urban100"])
    assert (found.found, found.official, len(found.missing)) == (2, 100, 98)
    assert str(found) == "2 of 100 images; missing img_002, img_004, img_005 and 95 more"
    # not an official name: then nobody can say which are missing
    data.put("Set5/HR/extra.png", 2, 2)
    assert str(take_inventory(LAYOUTS["Set5"])) == "3 of 5 images"
    for n in range(3):
        data.put(f"Set5/HR/{n}.png", 2, 2)
    assert (
        str(take_inventory(LAYOUTS["Set5"]))
        == "6 of 5 images; more than were published, is this another release?"
    )


def test_a_complete_data_set_misses_nothing(data):
    for stem in LAYOUTS["Set5"].stems:
        data.put(f"Set5/HR/{stem}.png", 2, 2)
    assert str(take_inventory(LAYOUTS["Set5"])) == "5 of 5 images"


def doctor(data):
    """What the doctor says of data sets: name -> (ok, detail)."""
    return {
        f.what.removeprefix("data set "): (f.ok, f.detail)
        for f in examine(data.root)
        if f.what.startswith("data set")
    }


def test_the_doctor_lists_every_data_set_with_found_and_official_numbers(data):
    data.div2k("0801", "0802")
    data.put("LOL/eval15/high/1.png", 2, 2)
    data.put("LOL/eval15/low/1.png", 2, 2)
    data.put("LOL/our485/high/2.png", 2, 2)
    data.put("Set5/HR/baby.png", 4, 4)
    data.put("Set5/LR_bicubic/X2/babyx2.png", 3, 2)
    said = doctor(data)
    assert said.keys() == {layout.name for layout in (*LAYOUTS.values(), *LOW_LIGHT.values())}
    assert said["DIV2K_valid"] == (
        True,
        (
            "2 of 100 images; missing 0803, 0804, 0805 and 95 more; low-resolution files at ×4; "
            "no low-resolution files at ×2, ×3, ×8"
        ),
    )
    assert said["LOL test"] == (True, "1 of 15 images; low-light partners of all")
    ok, detail = said["LOL train"]
    assert not ok and detail.startswith(
        f"no images in {data.root}/LOL/our485/low; put the 485 official files there"
    )
    ok, detail = said["Set5"]
    assert not ok and "babyx2.png: 3×2 pixels, but" in detail
    ok, detail = said["Flickr2K"]
    assert not ok and detail.startswith(
        f"no images in {data.root}/Flickr2K_HR; put the 2650 official files there"
    )


def test_the_doctor_says_once_that_the_variable_is_unset(monkeypatch, tmp_path):
    monkeypatch.delenv("INVBENCH_DATA", raising=False)
    said = [f for f in examine(tmp_path) if f.what.startswith("data set")]
    assert [(f.what, f.ok) for f in said] == [("data sets", False)]
    assert said[0].detail.startswith("INVBENCH_DATA is not set; point it at")
