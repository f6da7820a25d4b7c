"""Photographs as tensors: every mode of a file, files that are none, the embedded ones, folders,
crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from invbench.data.folders import LAYOUTS, data_root, find_images
from invbench.data.images import EMBEDDED, OTHER_KINDS, centre_crop, crops, embedded, read_image
from invbench.errors import UsageError

RGB = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3) * 4
GREY = RGB[..., 0]


@pytest.fixture
def stored(tmp_path):
    """``stored(image, name)``: the path of the saved image."""

    def save(image, name="image.png"):
        image.save(tmp_path / name)
        return tmp_path / name

    return save


def expected(array):
    """(H, W, 3) of 8 bits as (3, H, W) in [0, 1]."""
    return torch.tensor(np.moveaxis(array.astype(np.float32), -1, 0)) / 255


def test_rgb_keeps_rows_columns_and_channels_in_place(stored):
    image = read_image(stored(Image.fromarray(RGB)))
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert torch.equal(image, expected(RGB))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_becomes_three_equal_channels(stored, mode):
    original = Image.fromarray(GREY).convert(mode)
    image = read_image(stored(original))
    assert torch.equal(image, expected(np.asarray(original.convert("RGB"))))
    assert torch.equal(image[0], image[2])


def test_alpha_is_dropped_even_where_fully_transparent(stored):
    alpha = np.linspace(0, 255, GREY.size).astype(np.uint8).reshape(*GREY.shape, 1)
    assert torch.equal(
        read_image(stored(Image.fromarray(np.concatenate((RGB, alpha), -1)))), expected(RGB)
    )


def test_palette_colours_are_looked_up(stored):
    picture = Image.fromarray(GREY % 3)
    picture = picture.convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 51])
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 51]], dtype=np.uint8)
    assert torch.equal(read_image(stored(picture)), expected(colours[GREY % 3]))


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_are_scaled_not_cut(stored, name):
    deep = np.array([[0, 1, 257], [256, 32768, 65535]], dtype=np.uint16)
    image = read_image(stored(Image.fromarray(deep), name))
    assert image.shape == (3, 2, 3)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image[1], torch.tensor(deep / 65535).float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("deep", [False, True], ids=["8 bits", "16 bits"])
def test_a_truncated_file_is_refused_by_name(stored, deep):
    noise = np.random.default_rng(0).integers(0, 2**16, (64, 64)).astype(np.uint16)
    path = stored(Image.fromarray(noise if deep else noise.astype(np.uint8)))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(
        UsageError, match=r"image\.png: not a readable image .*; replace or remove it"
    ):
        read_image(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff"]
)
def test_a_file_that_is_no_image_is_refused_by_name(tmp_path, content):
    path = tmp_path / "text.png"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"text\.png: not a readable image"):
        read_image(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"none\.png: no such image file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(UsageError, match="not a readable image"):
        read_image(tmp_path)


IN_GREY = ("camera", "coins", "brick", "grass")
SIDES = {
    "astronaut": (512, 512),
    "chelsea": (300, 451),
    "coffee": (400, 600),
    "motorcycle": (500, 741),
    "hopper": (600, 512),
    "coins": (303, 384),
} | dict.fromkeys(("camera", "brick", "grass"), (512, 512))


def test_twelve_photographs_are_no_other_pictures():
    assert len(EMBEDDED) == len({embedded(name).sum().item() for name in EMBEDDED}) == 12
    assert not set(EMBEDDED) & set(OTHER_KINDS)


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_photographs_load_without_a_network(name):
    image = embedded(name)
    assert image.shape == (3, *SIDES.get(name, (427, 640)))
    assert image.dtype == torch.float32
    assert 0 <= image.min() < 0.3
    assert 0.6 < image.max() <= 1
    assert image.std() > 0.05
    assert torch.equal(image[0], image[1]) == (name in IN_GREY)
    assert torch.equal(image, (image * 255).round() / 255)  # the 8-bit grid


def test_crops_lie_evenly_along_the_diagonal():
    image = torch.arange(9.0)[:, None].expand(3, 9, 13) * 100 + torch.arange(13.0)
    corners = [crop[0, 0, 0].item() for crop in crops(image, 5, 3)]
    assert corners == [102, 204, 306]  # quarters, halves and three quarters of 4 rows and 8 columns
    assert all(crop.shape == (3, 5, 5) for crop in crops(image, 5, 3))
    assert torch.equal(crops(image, 9, 1)[0], image[:, :, 2:11])


def test_crops_of_a_smaller_image_are_the_image():
    image = torch.rand(3, 4, 9)
    assert len(crops(image, 5, 3)) == 1
    assert crops(image, 5, 3)[0] is image


@pytest.mark.parametrize(
    ("shape", "rows", "columns"), [((9, 11), (0, 8), (1, 9)), ((8, 16), (0, 8), (0, 16))]
)
def test_centre_crop_takes_the_largest_multiple(shape, rows, columns):
    image = torch.arange(float(shape[0] * shape[1])).view(1, *shape).expand(3, -1, -1)
    assert torch.equal(centre_crop(image, 8), image[:, slice(*rows), slice(*columns)])


def test_an_unset_data_folder_is_named_in_the_error(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("INVBENCH_DATA", raising=False) if value is None else monkeypatch.setenv(
            "INVBENCH_DATA", ""
        )
        with pytest.raises(UsageError, match="INVBENCH_DATA is not set; point it at"):
            find_images("Set5")


def test_a_data_folder_that_is_not_there_is_named_in_the_error(monkeypatch, tmp_path):
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"INVBENCH_DATA = .*none: no such folder"):
        data_root()


def test_an_unknown_data_set_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match=r"data set 'Set6' is not known; known: .*Set5"):
        find_images("Set6")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_data_set_without_images_is_named_with_its_folder(monkeypatch, tmp_path, name):
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    folder = tmp_path / LAYOUTS[name].folder
    with pytest.raises(UsageError, match=f"data set {name}: no images in {folder}"):
        find_images(name)
    folder.mkdir(parents=True)
    (folder / "readme.txt").write_text("no image")
    with pytest.raises(UsageError, match=f"data set {name}: no images in {folder}"):
        find_images(name)


def test_images_of_a_data_set_are_found_sorted_whatever_their_suffix(monkeypatch, tmp_path):
    monkeypatch.setenv("INVBENCH_DATA", str(tmp_path))
    folder = tmp_path / "Set5" / "HR"
    folder.mkdir(parents=True)
    for name in ("b.png", "a.BMP", "c.jpeg", "notes.txt", "Thumbs.db"):
        (folder / name).touch()
    assert [path.name for path in find_images("Set5")] == ["a.BMP", "b.png", "c.jpeg"]
